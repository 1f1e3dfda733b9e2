"""A task: its states, the legal moves between them, its id, and the codes with which it can fail.

    pending ──▶ processing ──▶ completed
       │             │
       │             └───────▶ failed
       └─────────────────────▶ failed

`completed` and `failed` are final. A processing task whose worker died stays `processing` until another worker draws
it. A cancelled task is `failed` with the code `request_cancelled`. The move to `processing` does not wait for the disk,
so a crash of the database may lose it. The task then moves from `pending` to `completed`.
"""

import re
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """The four states that the API shows."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


LEGAL_MOVES: Final = {
    Status.PENDING: frozenset({Status.PROCESSING, Status.COMPLETED, Status.FAILED}),
    Status.PROCESSING: frozenset({Status.PROCESSING, Status.COMPLETED, Status.FAILED}),
    Status.COMPLETED: frozenset[Status](),
    Status.FAILED: frozenset[Status](),
}
ENDS: Final = frozenset(status for status, moves in LEGAL_MOVES.items() if not moves)

WORKER_DEATHS_MAX: Final = 3
"""After this many worker deaths, a task is ended, because it would go on killing workers."""


class ErrorCode(StrEnum):
    """Why a task failed. The first five are due to the caller, the others to the service."""

    CONTENT_POLICY_VIOLATION = "content_policy_violation"
    INVALID_PARAMETERS = "invalid_parameters"
    IMAGE_PROCESSING_ERROR = "image_processing_error"
    IMAGE_DIMENSION_MISMATCH = "image_dimension_mismatch"
    REQUEST_CANCELLED = "request_cancelled"
    GENERATION_FAILED_NO_CONTENT = "generation_failed_no_content"
    SERVICE_ERROR = "service_error"
    GENERATION_TIMEOUT = "generation_timeout"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    QUOTA_EXCEEDED = "quota_exceeded"
    SERVICE_UNAVAILABLE = "service_unavailable"
    RESOURCE_NOT_FOUND = "resource_not_found"
    UNKNOWN_ERROR = "unknown_error"


_ID_PREFIX: Final = "task-unified-"
_ID_SUFFIX_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_SUFFIX_LENGTH: Final = 8
ID_SUFFIXES: Final = len(_ID_SUFFIX_ALPHABET) ** _ID_SUFFIX_LENGTH
"""Number of different ids for tasks created in the same second."""
_ID = re.compile(r"task-unified-[0-9]{1,12}-[0-9a-z]{8}")


def new_id(created_s: int, random_number: int) -> str:
    """The id of a task created at a Unix time. `random_number` is random, from 0 to ID_SUFFIXES - 1."""
    assert 0 <= random_number < ID_SUFFIXES
    suffix = ""
    for _ in range(_ID_SUFFIX_LENGTH):
        random_number, digit = divmod(random_number, len(_ID_SUFFIX_ALPHABET))
        suffix += _ID_SUFFIX_ALPHABET[digit]
    return f"{_ID_PREFIX}{created_s}-{suffix}"


def is_id(text: str) -> bool:
    """Whether a text has the form of a task id. Such a task need not exist."""
    return _ID.fullmatch(text) is not None


def has_id_prefix(text: str) -> bool:
    """Whether a text begins like a task id, which is all that the hosted API checks."""
    return text.startswith(_ID_PREFIX)


def progress_percent(steps_done: int, steps_total: int) -> int:
    """Progress shown while drawing: 1 to 99, because 100 means that the picture is stored."""
    return max(1, min(99, steps_done * 100 // steps_total))


def estimated_time_s(draw_s: float, ahead: int, workers: int, progress: int = 0) -> int:
    """Whole seconds until a task ends, at least 1.

    `draw_s` is the duration of recent draws, `ahead` the number of unfinished tasks that come first, and `workers` the
    number of workers that draw. A task that is being drawn has no task ahead of it and only its remaining steps to go.
    """
    waiting_s = draw_s * ahead / max(1, workers)
    return max(1, round(waiting_s + draw_s * (100 - progress) / 100))
