"""How the command line tells of what went wrong: one sentence on standard error, and a status."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from easel.engines.engine import EngineUnusable
from easel.outside.backup.file import BackupUnusable
from easel.outside.data_folder.folder import DataFolderUnusable
from easel.outside.data_folder.secret_file import SecretUnusable
from easel.outside.data_folder.service_lock import AlreadyRunning
from easel.outside.judges.classifier.folder import ClassifierUnusable
from easel.outside.judges.endpoint import EndpointUnusable
from easel.outside.judges.plugins import PluginUnusable
from easel.outside.open_files import TooFewFiles
from easel.outside.pictures.storage import StorageFailed
from easel.outside.postgres.private_postgres import PostgresUnusable
from easel.runtime import process_environment
from easel.runtime.network_environment import NetworkUnusable
from easel.settings.settings import SettingsWrong
from easel.store.database import DatabaseUnavailable
from easel.store.schema import SchemaUnusable
from easel.supervisor import EXIT_UNUSABLE

_UNUSABLE: Final = (
    SettingsWrong,
    SecretUnusable,
    SchemaUnusable,
    PostgresUnusable,
    DataFolderUnusable,
    EngineUnusable,
    NetworkUnusable,
    StorageFailed,
    TooFewFiles,
    BackupUnusable,
    ClassifierUnusable,
    EndpointUnusable,
    PluginUnusable,
)


class Unusable(click.ClickException):
    """Easel cannot work as it is set up."""

    exit_code = EXIT_UNUSABLE


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn every failure that one can foresee into its sentence."""
    try:
        yield
    except AlreadyRunning as error:
        raise click.ClickException(str(error)) from None
    except _UNUSABLE as error:
        raise Unusable(str(error)) from None
    except DatabaseUnavailable as error:
        steering = process_environment.libpq_variables()
        also = f" (and {', '.join(steering)}, set as well)" if steering else ""
        raise Unusable(
            f"The database cannot be reached ({error}): check EASEL_DATABASE_URL{also} and that it runs."
        ) from None
