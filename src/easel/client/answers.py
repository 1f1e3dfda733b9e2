"""What the service answers, as typed values: tasks, pages of tasks, credits and models.

The readers ignore fields that they do not know, and raise ValueError, KeyError or TypeError for an answer that is not
Easel's. Services without a field, such as the hosted API, leave its value None, and so do optional fields of another
type than expected.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from easel.client.failures import TaskFailed

Status: TypeAlias = Literal["pending", "processing", "completed", "failed"]
UNIX_S_MAX: Final = 253_402_300_799
"""The last second of the year 9999, which calendars can show."""
_CANCELLED: Final = "request_cancelled"


@dataclass(frozen=True, slots=True)
class Result:
    """The picture of a completed task. `not_drawn` lists words of the prompt that the picture does not show."""

    url: str
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    engine: str | None = None
    not_drawn: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskError:
    """Why a task failed: the error code of the API and its message."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it was when the service answered.

    `created_s` is Unix time. `progress` is in percent. `credits` are reserved until the task ends, and then those that
    were charged. The place in line is known only while a pending task is followed, and the steps only while one that is
    drawn is. `fields` holds the whole answer.
    """

    id: str
    status: Status
    progress: int
    model: str
    created_s: int
    credits: float
    fields: Mapping[str, Any]
    estimated_s: int | None = None
    place_in_line: int | None = None
    steps_done: int | None = None
    steps_total: int | None = None
    results: tuple[Result, ...] = ()
    error: TaskError | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the task is completed or failed."""
        return self.status in {"completed", "failed"}

    @property
    def was_cancelled(self) -> bool:
        """Whether the task failed because somebody cancelled it."""
        return self.error is not None and self.error.code == _CANCELLED

    def completed(self) -> "Task":
        """The task itself. Raises TaskFailed if it failed."""
        if self.error is not None:
            raise TaskFailed(self.error.code, self.error.message)
        return self


@dataclass(frozen=True, slots=True)
class ListedTask:
    """A task in a list, which has no links. `created_s` is Unix time. `error_code` says why a failed task failed."""

    id: str
    status: Status
    progress: int
    model: str
    created_s: int
    credits: float
    has_results: bool
    has_error: bool
    error_code: str | None = None

    @property
    def was_cancelled(self) -> bool:
        """Whether the task failed because somebody cancelled it."""
        return self.error_code == _CANCELLED


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A page of an account's tasks, newest first. `total` counts all of them."""

    tasks: tuple[ListedTask, ...]
    page: int
    page_size: int
    total: int


@dataclass(frozen=True, slots=True)
class Credits:
    """The credits of a key and of its account. The key's own remainder is never more than the account's."""

    remaining: float
    used: float
    is_limited: bool
    account_remaining: float
    account_used: float


@dataclass(frozen=True, slots=True)
class Picture:
    """A completed task and the file of its picture."""

    task: Task
    file: bytes

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file, replacing an existing one, and return its path. Raises OSError."""
        written = Path(path)
        written.write_bytes(self.file)
        return written


def task_of(body: Mapping[str, Any]) -> Task:
    """The task in an answer."""
    info, usage, error = body.get("task_info") or {}, body.get("usage") or {}, body.get("error")
    return Task(
        id=str(body["id"]),
        status=_status(body["status"]),
        progress=int(body["progress"]),
        model=str(body["model"]),
        created_s=_unix_s(body["created"]),
        credits=float(usage.get("credits_used", usage.get("credits_reserved", 0))),
        fields=body,
        estimated_s=_whole(info.get("estimated_time")),
        place_in_line=_whole(info.get("queue_position")),
        steps_done=_whole(info.get("steps_done")),
        steps_total=_whole(info.get("steps_total")),
        results=_results(body),
        error=None if not error else TaskError(str(error["code"]), str(error["message"])),
    )


def page_of(body: Mapping[str, Any]) -> TaskPage:
    """The page in an answer."""
    listed = tuple(
        ListedTask(
            id=str(each["id"]),
            status=_status(each["status"]),
            progress=int(each["progress"]),
            model=str(each["model"]),
            created_s=_unix_s(each["created_at"]),
            credits=float(each["credits_used"]),
            has_results=bool(each["has_results"]),
            has_error=bool(each["has_error"]),
            error_code=_text(each.get("error_code")),
        )
        for each in body["data"]
    )
    return TaskPage(listed, int(body["page"]), int(body["page_size"]), int(body["total"]))


def credits_of(body: Mapping[str, Any]) -> Credits:
    """The credits in an answer."""
    key, account = body["data"]["token"], body["data"]["user"]
    return Credits(
        remaining=float(key["remaining_credits"]),
        used=float(key["used_credits"]),
        is_limited=not key["unlimited_credits"],
        account_remaining=float(account["remaining_credits"]),
        account_used=float(account["used_credits"]),
    )


def models_of(body: Mapping[str, Any]) -> list[str]:
    """The names of the models in an answer."""
    return [str(model["id"]) for model in body["data"]]


def _status(text: object) -> Status:
    if text not in get_args(Status):
        raise ValueError(f"{text!r} is not a state of a task")
    return cast("Status", text)


def _results(body: Mapping[str, Any]) -> tuple[Result, ...]:
    data = body.get("result_data")
    if not data:
        return tuple(Result(str(url)) for url in body.get("results") or ())
    return tuple(
        Result(
            url=str(each["url"]),
            width=_whole(each.get("width")),
            height=_whole(each.get("height")),
            seed=_whole(each.get("seed")),
            engine=_text(each.get("engine")),
            not_drawn=tuple(str(word) for word in each.get("not_drawn") or ()),
        )
        for each in data
    )


def _unix_s(value: Any) -> int:
    seconds = int(value)
    if not 0 <= seconds <= UNIX_S_MAX:
        raise ValueError(f"{seconds} is not the time of a task")
    return seconds


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
