"""An installation: its database, where it runs, and its secret, with the keys derived from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from easel.domain import link
from easel.domain.link import LinkKeys
from easel.domain.secret import Secret
from easel.outside import open_files
from easel.outside.data_folder.folder import make_data_folder, require_database
from easel.outside.data_folder.secret_file import ensure_secret
from easel.outside.postgres import private_postgres
from easel.outside.postgres.private_postgres import PrivatePostgres
from easel.runtime import process_environment
from easel.settings.settings import Settings, SettingsWrong
from easel.store import ownership
from easel.store.database import Database


@dataclass(frozen=True, slots=True)
class Installation:
    """Where an installation's data is, and its secret. `private` is its own database's server, if it has one."""

    database_url: str
    secret: Secret
    private: PrivatePostgres | None


@contextmanager
def installation(settings: Settings, *, creates: bool = True) -> Iterator[Installation]:
    """The installation that the settings describe; its private database runs meanwhile.

    Where it is not there yet, a data folder with a secret and a database is made, unless told not to. Raises
    SettingsWrong, SecretUnusable, DataFolderUnusable; PostgresUnusable, SchemaUnusable and DatabaseUnavailable where a
    private database cannot be used; TooFewFiles.
    """
    open_files.require()
    if settings.database_url is not None:
        if settings.secret is None:
            raise SettingsWrong(
                "EASEL_SECRET is required with EASEL_DATABASE_URL, the same for every process: "
                "make one with `openssl rand -hex 32`."
            )
        yield Installation(settings.database_url, settings.secret, None)
        return
    if creates:
        make_data_folder(settings.data_dir)
    else:
        require_database(settings.data_dir)
    secret = settings.secret or ensure_secret(settings.data_dir)
    process_environment.forget_libpq_variables()
    with private_postgres.attach(settings.data_dir, settings.postgres_bin, settings.postgres_user) as private:
        ownership.hand_over(private.url, private_postgres.ROLE)
        yield Installation(private.role_url, secret, private)


def pepper(secret: Secret) -> bytes:
    """What API keys are digested with."""
    return secret.derive("api keys")


def callback_secrets_root(secret: Secret) -> bytes:
    """What the accounts' secrets for signing callbacks follow from."""
    return secret.derive("callbacks")


def link_keys(secret: Secret) -> LinkKeys:
    """What links are signed with."""
    return link.link_keys(secret.derive("links"))


def database_of(settings: Settings, installed: Installation) -> Database:
    """This process's connections, not yet open."""
    return Database(installed.database_url, settings.database_connections)
