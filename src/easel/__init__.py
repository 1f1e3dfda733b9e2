"""Easel: a self-hosted text-to-image service for Z-Image-Turbo.

Programs find the client here: `Client` and `AsyncClient`, what they return and raise, and `verify_callback`. It is
loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from easel.runtime import interruption

# First, because the imports that follow take long enough to be interrupted.
if interruption.is_command():
    interruption.leave_at_once()

from easel.runtime import lean_structlog, process_environment

if TYPE_CHECKING:
    from easel.client.answers import Credits as Credits
    from easel.client.answers import ListedTask as ListedTask
    from easel.client.answers import Picture as Picture
    from easel.client.answers import Result as Result
    from easel.client.answers import Task as Task
    from easel.client.answers import TaskError as TaskError
    from easel.client.answers import TaskPage as TaskPage
    from easel.client.async_client import AsyncClient as AsyncClient
    from easel.client.callbacks import Callback as Callback
    from easel.client.callbacks import verify_callback as verify_callback
    from easel.client.client import Client as Client
    from easel.client.failures import CallbackRejected as CallbackRejected
    from easel.client.failures import ClientError as ClientError
    from easel.client.failures import Refused as Refused
    from easel.client.failures import TaskFailed as TaskFailed
    from easel.client.failures import Unfinished as Unfinished

__version__ = "0.1.0"

_HOMES: Final = {
    "answers": ("Credits", "ListedTask", "Picture", "Result", "Task", "TaskError", "TaskPage"),
    "async_client": ("AsyncClient",),
    "callbacks": ("Callback", "verify_callback"),
    "client": ("Client",),
    "failures": ("CallbackRejected", "ClientError", "Refused", "TaskFailed", "Unfinished"),
}
"""The modules of the client, and the names that programs import from `easel`."""

# Here, because this package is always imported before structlog.
lean_structlog.load()

# Here, because some libraries read these variables on import, and this package is always imported before them.
process_environment.send_no_telemetry()


if not TYPE_CHECKING:  # type checkers would believe every name

    def __getattr__(name: str) -> object:
        for home, names in _HOMES.items():
            if name in names:
                return getattr(import_module(f"easel.client.{home}"), name)
        raise AttributeError(f"module 'easel' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *(name for names in _HOMES.values() for name in names)]
