"""A worker's bell rings for waiting tasks while the worker listens, and holds no connection while it does not."""

import asyncio
from collections.abc import Awaitable, Callable

from easel.actions import settle
from easel.live.task_watcher import LOOK_EVERY_S, TaskWatcher
from easel.live.work_bell import WorkBell
from easel.outside.postgres import private_postgres
from easel.store.database import Database
from easel.store.notifications import Channel
from tests.support.data_folders import prepared_folder

ATTEMPTS_MAX = 3000
LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN %' OR query = 'SELECT 1'"


async def until(ask: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the answer is yes."""
    for _ in range(ATTEMPTS_MAX):
        if await ask():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it was never so")


def test_the_bell_rings_while_the_worker_listens_and_its_connection_is_closed_when_it_does_not() -> None:
    async def act(database: Database) -> None:
        bell = WorkBell()
        watcher = TaskWatcher(database, [Channel.WORKERS, Channel.WORK], on_work=bell.ring)
        running = asyncio.create_task(watcher.run())

        async def listeners() -> int:
            async with database.reading() as connection:
                row = await (await connection.execute(LISTENERS)).fetchone()
            assert row is not None
            return int(row[0])

        async def rings_when_notified() -> bool:
            bell.hush()
            settle.announce_work(database)
            started_s = asyncio.get_running_loop().time()
            await bell.wait(LOOK_EVERY_S / 4)
            return asyncio.get_running_loop().time() - started_s < LOOK_EVERY_S / 4

        async def is_silent() -> bool:
            return await listeners() == 0

        await until(rings_when_notified)
        watcher.let_listen(wanted=False)
        await until(is_silent)
        assert not await rings_when_notified()
        watcher.let_listen(wanted=True)
        await until(rings_when_notified)
        running.cancel()
        await asyncio.wait({running})

    async def opened(url: str) -> None:
        database = Database(url, 2)
        await database.open()
        try:
            await act(database)
        finally:
            await database.close()

    with prepared_folder() as folder, private_postgres.attach(folder) as server:
        asyncio.run(opened(server.url))
