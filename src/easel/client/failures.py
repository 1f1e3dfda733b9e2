"""What can go wrong for a client, and the sentences that say so."""

from typing import Final

POLICY: Final = "content_policy_violation"


class ClientError(Exception):
    """The service refused, failed, or could not be reached. The message says which, without a full stop."""


class Refused(ClientError):
    """The service refused the request, with an HTTP status and the contract's code.

    `retry_after_s` is the time after which the service will take the request, if it said so.
    """

    def __init__(self, message: str, status: int, code: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


class Unfinished(ClientError):
    """The task did not end in time."""


class TaskFailed(ClientError):
    """The task failed and is free. `code` is the error code of the API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(_failure(code, message))
        self.code = code


class CallbackRejected(ClientError):
    """The request is no genuine callback, or too old. Answer it with 400 and do nothing."""


def _failure(code: str, message: str) -> str:
    if code == POLICY:
        return policy_sentence(message)
    return f"The task failed ({code}): {one_line(message)}. Nothing was charged"


def policy_sentence(message: str) -> str:
    """The reason that moderation gave, without its heading."""
    said = message.strip().rpartition("\n")[2]
    return f"{one_line(said)}. Nothing was charged"


def one_line(message: str) -> str:
    """The message on one line, without its full stop."""
    return " ".join(message.split()).rstrip(".")
