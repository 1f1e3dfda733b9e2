"""The steps of which a client's operations consist: each is something to do for an operation, which gets the outcome.

An operation is a generator of steps. `client` and `async_client` do the steps, each in its own way, so that requests,
retries and waiting are written once. A step that fails raises its exception in the operation.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

import httpx2

from easel.client.answers import Task
from easel.client.failures import ClientError

Outcome = TypeVar("Outcome")

ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024
"""The longest answer that is read. Fifty tasks have 64 KiB."""

FAULTS: Final = (httpx2.HTTPError, UnicodeError)
"""What a request can fail with. Operations handle these."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request, with header names in lower case. The body of a stream is empty."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a request with the key to the service, and return its Reply. Raises ClientError for a very long answer."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """Get a link without the key, and return its Reply. Raises ClientError if the body has more than `bytes_max`."""

    url: str
    bytes_max: int


@dataclass(frozen=True, slots=True)
class Open:
    """Open a stream, and return its Reply. Ends the stream that was open. A status other than 200 opens none.

    Raises ClientError for a very long answer that is no stream.
    """

    path: str
    headers: Mapping[str, str]
    read_timeout_s: float


@dataclass(frozen=True, slots=True)
class Read:
    """Return the next bytes of the stream; none at its end."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for this long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Tell:
    """Show a state of a task to the caller."""

    task: Task


def add_piece(body: bytearray, piece: bytes, bytes_max: int) -> None:
    """Add a piece to a body. Raises ClientError once the body is longer than any that Easel sends."""
    body += piece
    if len(body) > bytes_max:
        raise ClientError(f"The service sent more than {bytes_max} bytes in one answer")


Step: TypeAlias = Ask | Fetch | Open | Read | Pause | Tell
Operation: TypeAlias = Generator[Step, Any, Outcome]
