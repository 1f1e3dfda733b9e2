"""Reports the failure of a command: one sentence on standard error, and an exit status."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from easel.actions.credit_grants import BalanceTooHigh
from easel.domain.errors import Unusable
from easel.outside.data_folder.service_lock import AlreadyRunning
from easel.runtime import process_environment
from easel.store.database import DatabaseUnavailable
from easel.supervisor import EXIT_UNUSABLE


class SetupUnusable(click.ClickException):
    """Ends the command with the status that tells `easel serve` not to start it again."""

    exit_code = EXIT_UNUSABLE


@contextmanager
def explain_failures() -> Iterator[None]:
    """Turn every expected failure into one sentence and an exit status."""
    try:
        yield
    except (AlreadyRunning, BalanceTooHigh) as error:
        raise click.ClickException(str(error)) from None
    except Unusable as error:
        raise SetupUnusable(str(error)) from None
    except DatabaseUnavailable as error:
        steering = process_environment.libpq_variables()
        also = f" (and {', '.join(steering)}, which are set too)" if steering else ""
        raise SetupUnusable(
            f"The database cannot be reached ({error}): check EASEL_DATABASE_URL{also} and that the server is running."
        ) from None
