"""The expected state of accounts, keys, tasks and the queue: the service's rules written again in plain Python.

It knows no SQL and no time: things are new until it is told that they have expired. It does not compute fair shares. It
only knows that the lowest tag is drawn next, and of equal tags the earliest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from easel.domain.api_key import Holder
from easel.domain.errors import IdempotencyConflict, InsufficientQuota, RateLimitExceeded, Refusal, Unauthorized
from easel.domain.task import ENDS, WORKER_DEATHS_MAX, ErrorCode, Status

NOBODY: Final = None
"""The worker of a task that no worker has."""


@dataclass
class Account:
    """An account and its balance."""

    id: int
    name: str
    price: int
    available: int
    reserved: int = 0
    used: int = 0


@dataclass
class Key:
    """A key, what it has spent, and who held it when it was last looked up: a process may remember that."""

    id: int
    digest: bytes
    account: Account
    credit_limit: int | None
    unfinished_max: int
    holder: Holder | None = None
    price_seen: int = 0
    used: int = 0
    reserved: int = 0
    unfinished: int = 0
    is_revoked: bool = False
    is_expired: bool = False


@dataclass
class Place:
    """A task's place in the queue: it waits (for NOBODY), or is with a worker since the moment `taken_at`."""

    worker_id: int | None = NOBODY
    is_taken: bool = False
    taken_at: int = 0
    was_held: bool = False


@dataclass
class Task:
    """A task. `line` is its place in the line: its tag, and the order of its acceptance. `begun_at` is a moment."""

    id: str
    key: Key
    price: int
    line: tuple[int, int]
    status: Status = Status.PENDING
    code: ErrorCode | None = None
    steps_done: int = 0
    deaths: int = 0
    begun_at: int = 0
    place: Place | None = field(default_factory=Place)
    is_too_late: bool = False
    is_link_old: bool = False
    is_picture_old: bool = False
    is_prompt_old: bool = False
    is_prompt_erased: bool = False
    is_withdrawn: bool = False
    has_file: bool = False

    @property
    def has_ended(self) -> bool:
        return self.status in ENDS

    @property
    def is_waiting(self) -> bool:
        return self.place is not None and not self.place.is_taken

    @property
    def is_unheld(self) -> bool:
        return self.is_waiting or (self.place is not None and self.place.worker_id is None)

    @property
    def is_shown(self) -> bool:
        return self.status is Status.COMPLETED and not self.is_withdrawn


@dataclass
class Claim:
    """What an idempotency key was used for."""

    order: int
    task: Task
    is_old: bool = False


class Seen(NamedTuple):
    """Everything that is compared with the database and the storage."""

    accounts: dict[str, tuple[int, int, int]]
    keys: dict[int, tuple[int, int, int]]
    tasks: dict[str, tuple[object, ...]]
    places: dict[str, tuple[bool, int | None]]
    claims: dict[tuple[int, str], str]
    files: set[str]


class Model:
    """The whole state of one example."""

    def __init__(self) -> None:
        self.accounts: list[Account] = []
        self.keys: list[Key] = []
        self.tasks: dict[str, Task] = {}
        self.claims: dict[tuple[int, str], Claim] = {}
        self._moment = 0

    def seen(self) -> Seen:
        """The expected content of the database and the storage."""
        tasks = self.tasks.values()
        return Seen(
            accounts={each.name: (each.available, each.reserved, each.used) for each in self.accounts},
            keys={each.id: (each.used, each.reserved, each.unfinished) for each in self.keys},
            tasks={
                each.id: (
                    each.status, each.code, each.deaths, each.steps_done if each.status is Status.PROCESSING else 0,
                    each.is_prompt_erased, each.is_withdrawn,
                )
                for each in tasks
            },
            places={each.id: (each.place.is_taken, each.place.worker_id) for each in tasks if each.place},
            claims={(account, text): claim.task.id for (account, text), claim in self.claims.items()},
            files={each.id for each in tasks if each.has_file},
        )  # fmt: skip

    def replay(self, key: Key, order: int, text: str | None) -> Task | None:
        """The task that an order with this idempotency key was accepted as before. Raises IdempotencyConflict."""
        claim = self.claims.get((key.account.id, text)) if text else None
        if claim is None or claim.is_old:
            return None
        if claim.order != order:
            raise IdempotencyConflict
        return claim.task

    def refusal(self, key: Key, count: int) -> type[Refusal] | None:
        """Why this many new orders are refused, or None if they are accepted."""
        amount = count * key.price_seen
        if key.is_revoked:
            return Unauthorized
        if key.credit_limit is not None and key.used + key.reserved + amount > key.credit_limit:
            return InsufficientQuota
        if key.unfinished + count > key.unfinished_max:
            return RateLimitExceeded
        return InsufficientQuota if amount > key.account.available else None

    def accept(self, key: Key, order: int, text: str | None, rows: Iterable[tuple[str, int, int]]) -> None:
        """Record accepted tasks: their ids, tags and numbers."""
        for task_id, tag, number in rows:
            task = self.tasks[task_id] = Task(task_id, key, key.price_seen, (tag, number))
            for book in (key, key.account):
                book.reserved += task.price
            key.account.available -= task.price
            key.unfinished += 1
            if text:
                self.claims[key.account.id, text] = Claim(order, task)

    def next(self) -> Task | None:
        """The task that is taken next."""
        waiting = [task for task in self.tasks.values() if task.is_waiting]
        return min(waiting, key=lambda task: task.line, default=None)

    def take(self, task: Task, worker_id: int, *, is_begun: bool) -> None:
        """A worker takes a task, and may begin to draw it at the same moment."""
        assert task.place is not None
        task.place.is_taken, task.place.worker_id, task.place.taken_at = True, worker_id, self._tick()
        if is_begun:
            self.begin(task)

    def hand_back(self, task: Task) -> None:
        """A task returns to the line."""
        assert task.place is not None
        task.place.is_taken, task.place.worker_id = False, NOBODY
        task.place.was_held = True

    def begin(self, task: Task) -> None:
        """A worker begins to draw a task, or finds that it has ended."""
        if not task.has_ended:
            task.status, task.steps_done, task.begun_at = Status.PROCESSING, 0, self._tick()

    def report(self, task: Task, steps_done: int) -> None:
        """A worker saves its progress."""
        if task.status is Status.PENDING:
            self.begin(task)
        task.steps_done = steps_done

    def forget_notes(self, task: Task, *, with_taking: bool) -> None:
        """The database fell, and what was written without waiting for the disk was not there yet."""
        task.status, task.steps_done, task.begun_at = Status.PENDING, 0, 0
        if with_taking and task.place:
            task.place.is_taken, task.place.worker_id = False, NOBODY

    def complete(self, task: Task) -> None:
        """An unfinished task ends with a picture."""
        self._end(task, Status.COMPLETED, None)
        task.key.used += task.price
        task.key.account.used += task.price
        task.has_file = True

    def fail(self, task: Task, code: ErrorCode) -> None:
        """An unfinished task ends without one."""
        self._end(task, Status.FAILED, code)
        task.key.account.available += task.price

    def leave(self, task: Task) -> None:
        """A worker is done with a task that has ended, and with a picture that nobody is shown."""
        task.place = None
        task.has_file = task.is_shown

    def cancel(self, task: Task) -> None:
        """A client ends an unfinished task. The worker that has it finds out, and so does the next to take it where one
        had it before, since that one may have left a picture."""
        self.fail(task, ErrorCode.REQUEST_CANCELLED)
        if task.is_waiting and task.place and not task.place.was_held:
            task.place = None

    def erase(self, task: Task) -> None:
        """A client erases an ended task."""
        task.is_prompt_erased = True
        task.is_withdrawn = task.status is Status.COMPLETED
        task.has_file = False

    def rescue(self, silent: Sequence[int]) -> None:
        """Tasks of silent workers, and of such as left, go to others, or end."""
        for task in self.tasks.values():
            place = task.place
            if place is None or not place.is_taken or (place.worker_id is not None and place.worker_id not in silent):
                continue
            was_drawn = task.status is Status.PROCESSING and task.begun_at > place.taken_at
            task.deaths += was_drawn and place.worker_id is not None
            self.hand_back(task)
            if task.deaths >= WORKER_DEATHS_MAX and not task.has_ended:
                self.fail(task, ErrorCode.SERVICE_ERROR)
        self.forget_workers(silent)

    def forget_workers(self, worker_ids: Sequence[int]) -> None:
        """Workers that the queue knows no more."""
        for task in self.tasks.values():
            if task.place and task.place.worker_id in worker_ids:
                task.place.worker_id = None

    def sweep(self) -> tuple[int, int, int, int]:
        """End what waited too long and remove what grew old; how many tasks, pictures, prompts, and claims."""
        late = [task for task in self.tasks.values() if task.is_too_late and task.is_unheld and not task.has_ended]
        for task in late:
            self.fail(task, ErrorCode.GENERATION_TIMEOUT)
            task.place = None
        prompts = [task for task in self.tasks.values() if task.is_prompt_old and not task.is_prompt_erased]
        for task in prompts:
            task.is_prompt_erased = True
        for task in self.tasks.values():
            task.is_withdrawn |= task.status is Status.COMPLETED and task.is_picture_old and task.is_link_old
        pictures = [task for task in self.tasks.values() if task.is_withdrawn and task.has_file]
        for task in pictures:
            task.has_file = False
        old = [key for key, claim in self.claims.items() if claim.is_old]
        for key in old:
            del self.claims[key]
        return len(late), len(pictures), len(prompts), len(old)

    def _end(self, task: Task, status: Status, code: ErrorCode | None) -> None:
        assert not task.has_ended
        task.status, task.code = status, code
        for book in (task.key, task.key.account):
            book.reserved -= task.price
        task.key.unfinished -= 1

    def _tick(self) -> int:
        self._moment += 1
        return self._moment
