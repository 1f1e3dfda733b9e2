"""What is counted and answered when the database ends a connection in the middle of an action."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from easel.actions.abandon import abandon
from easel.actions.erase import erase
from easel.actions.sweep import Lifetimes, Sweep
from easel.domain import task as task_rules
from easel.domain.api_key import Holder, Scope
from easel.domain.order import Order
from easel.domain.task import ErrorCode, Status
from easel.live import measured
from easel.outside.pictures.storage import Pictures
from easel.outside.postgres import private_postgres
from easel.store import acceptance, accounts, endings
from easel.store.acceptance import NewTask
from easel.store.accounts import NewKey
from easel.store.database import Database, DatabaseUnavailable, Writer
from easel.store.endings import Completion
from easel.store.tasks import Task
from tests.support.answering_relay import FAREWELL, relayed
from tests.support.data_folders import prepared_folder

NOT_KEPT: Final = Lifetimes(queue_timeout_s=0, picture_h=None, prompt_h=None, idempotency_h=24, moderation_h=None)
PICTURE: Final = "heron.webp"
_numbers = itertools.count()


@dataclass(frozen=True)
class Stage:
    """A database, and a folder of pictures."""

    url: str
    folder: Path

    @property
    def pictures(self) -> Pictures:
        return Pictures(str(self.folder))

    async def accepted(self, picture_name: str | None = None) -> Task:
        """A new task. If it has a picture, it is completed."""
        connection = await Writer.connect(self.url, autocommit=True)
        async with connection:
            account_id = await accounts.open_account(connection, "heron")
            key = NewKey("", next(_numbers).to_bytes(32), "hint", (), None, None, None, None, None)
            key_id, _ = await accounts.add_key(connection, account_id, key)
            task = await acceptance.accept(connection, _new_task(account_id, key_id))
            if picture_name is not None:
                assert await endings.complete(connection, task.id, Completion("blank", 1, picture_name, 1))
        return task


def _new_task(account_id: int, key_id: int) -> NewTask:
    return NewTask(
        id=task_rules.new_id(1_700_000_000, next(_numbers)), account_id=account_id, api_key_id=key_id,
        request_id="req-test", public_url="http://127.0.0.1", user_group="default", price_microcredits=0,
        order=Order("z-image-turbo", "a heron"), seed=1, estimated_time_s=1, created_at=datetime.now(UTC),
    )  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with prepared_folder() as folder, private_postgres.attach(folder) as server:
        yield Stage(server.url, tmp_path_factory.mktemp("pictures"))


def run_over(url: str, act: Callable[[Database], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        database = Database(url, connections_max=2)
        await database.open()
        try:
            await act(database)
        finally:
            await database.close()

    asyncio.run(run())


def counted(code: ErrorCode) -> float:
    """How many tasks this process counted as failed with the code."""
    count = dict(measured.ENDED.read().values).get((Status.FAILED, code, ""), 0)
    assert isinstance(count, int | float)
    return count


def test_an_abandoned_task_whose_first_commit_fails_is_counted_once(stage: Stage, tmp_path: Path) -> None:
    task = asyncio.run(stage.accepted())
    before = counted(ErrorCode.REQUEST_CANCELLED)

    async def act(database: Database) -> None:
        (ended,) = await abandon(database, [task])
        assert ended.status == Status.FAILED

    with relayed(stage.url, tmp_path, b"COMMIT", FAREWELL, times=1) as relay:
        run_over(relay, act)
    assert counted(ErrorCode.REQUEST_CANCELLED) == before + 1


def test_a_task_that_waited_too_long_is_counted_when_its_end_is_committed(stage: Stage, tmp_path: Path) -> None:
    asyncio.run(stage.accepted())
    before = counted(ErrorCode.GENERATION_TIMEOUT)

    async def act(database: Database) -> None:
        sweep = Sweep(database, stage.pictures, NOT_KEPT)
        with pytest.raises(DatabaseUnavailable):
            await sweep()
        assert counted(ErrorCode.GENERATION_TIMEOUT) == before
        for _ in range(100):
            if (await sweep()).timed_out:  # until then, the server has not noticed that the first connection ended
                break
            await asyncio.sleep(0.1)

    with relayed(stage.url, tmp_path, b"COMMIT", FAREWELL, times=1) as relay:
        run_over(relay, act)
    assert counted(ErrorCode.GENERATION_TIMEOUT) == before + 1


def test_a_task_is_erased_although_the_deletion_of_its_picture_cannot_be_recorded(stage: Stage, tmp_path: Path) -> None:
    task = asyncio.run(stage.accepted(PICTURE))
    holder = Holder(task.account_id, task.api_key_id, "default", frozenset(Scope), None, {}, None, None, None)

    async def act(database: Database) -> None:
        await erase(database, stage.pictures, holder, task.id)
        assert (await Sweep(database, stage.pictures, NOT_KEPT)()).pictures == 1

    with relayed(stage.url, tmp_path, b"picture_gone_at = now()", FAREWELL, times=1) as relay:
        run_over(relay, act)
