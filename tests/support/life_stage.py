"""The real parts for lives of tasks: a private PostgreSQL, a folder of pictures, the actions, and workers whose engine
draws each step on command.

A worker here takes tasks with the queue's own statements and gives them to the real `Draw` and `Finish`, as a worker
process does. It has no loop of its own, so that nothing happens between two calls. Commits do not wait for the disk,
since no test cuts the power.
"""

import asyncio
import queue as threads_queue
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from psycopg.conninfo import make_conninfo

from easel.actions.draw import Draw, DrawSettings
from easel.actions.finish import Finish, FinishSettings
from easel.actions.rescue import Rescue
from easel.actions.submit import Submit, SubmitSettings
from easel.actions.sweep import Lifetimes, Sweep
from easel.domain import link
from easel.domain.picture import object_name
from easel.domain.secret import Secret
from easel.engines.engine import Drawing, OnStep, Pixels
from easel.live.forecast import Forecast
from easel.live.judge import Judge, JudgeSettings
from easel.live.task_watcher import TaskWatcher
from easel.outside.judges import rulebook
from easel.outside.pictures.storage import Pictures
from easel.outside.postgres import private_postgres
from easel.store import audit, queue, schema, workers
from easel.store.database import Database, Reader, RelaxedDatabase
from easel.store.notifications import Channel
from easel.store.queue import Claimed
from easel.store.workers import Clock
from tests.support.life_model import Seen

STEPS: Final = 4
DRAWS_AT_ONCE: Final = 32
PRICE: Final = 26_000
QUEUE_TIMEOUT_S: Final = 3600
PICTURE_H, PROMPT_H, IDEMPOTENCY_H = 48, 72, 24
NO_LIMIT: Final = 1_000_000_000
SERVER_AGE_S: Final = 8.5
"""How old the server must be before anybody is taken for dead."""
SECRET: Final = Secret("0123456789abcdef" * 4)
NAME_SECRET: Final = b"picture names of a test"

_EMPTY: Final = """
    SET LOCAL session_replication_role = replica;
    DELETE FROM idempotency_keys; DELETE FROM ledger; DELETE FROM holds; DELETE FROM tasks; DELETE FROM daily_usage; DELETE FROM api_keys;
    DELETE FROM accounts; DELETE FROM prices; DELETE FROM workers
"""


_SEEN: Final = (
    "SELECT name, available_microcredits, reserved_microcredits, used_microcredits FROM accounts",
    "SELECT id, used_microcredits, reserved_microcredits, unfinished FROM api_keys",
    """
    SELECT id, status, error_code, worker_deaths, CASE WHEN status = 'processing' THEN steps_done ELSE 0 END, prompt = '',
        picture_withdrawn_at IS NOT NULL
    FROM tasks
    """,
    """
    SELECT id, queue_state = 'taken', (SELECT id FROM workers WHERE workers.id = tasks.worker_id) FROM tasks
    WHERE queue_state IS NOT NULL
    """,
    "SELECT account_id, key, task_id FROM idempotency_keys",
)


class Sitting:
    """A draw in progress, in its thread."""

    def __init__(self) -> None:
        self.said: threads_queue.SimpleQueue[int | Exception] = threads_queue.SimpleQueue()
        self.steps_done = 0


class PatientEngine:
    """Draws a step on command. `sittings` receives each draw that starts."""

    name = "patient"
    model = None
    draws_at_once = DRAWS_AT_ONCE
    tasks_at_once = DRAWS_AT_ONCE

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.sittings: asyncio.Queue[Sitting] = asyncio.Queue()

    def load(self) -> None:
        """Nothing to load."""

    def draw(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        """Follow commands until the last step."""
        sitting = Sitting()
        self._loop.call_soon_threadsafe(self.sittings.put_nowait, sitting)
        while True:
            said = sitting.said.get()
            if isinstance(said, Exception):
                raise said
            on_step(said, STEPS)
            if said == STEPS:
                return Pixels(drawing.width_px, drawing.height_px, bytes(3 * drawing.width_px * drawing.height_px))

    def probe(self) -> None:
        """There is no device."""


@dataclass(eq=False)
class Held:
    """A task that a worker process has, its drawing if that has begun, and whether it is all that is left of a
    worker."""

    worker: "Worker"
    claimed: Claimed
    drawing: asyncio.Task[bool] | None = None
    sitting: Sitting | None = None

    @property
    def task_id(self) -> str:
        return self.claimed.task.id


class Worker:
    """One worker process, and what it holds. Its `id` changes when the database has forgotten it."""

    def __init__(self, draw: Draw, finish: Finish, engine: PatientEngine, relaxed: RelaxedDatabase) -> None:
        self._draw = draw
        self._finish = finish
        self._engine = engine
        self._relaxed = relaxed
        self.id = 0
        self.is_silent = False
        self.held: list[Held] = []

    async def register(self) -> None:
        """Begin, or begin anew after having been forgotten."""
        async with self._relaxed.single_statement() as connection:
            self.id = await workers.register(connection, DRAWS_AT_ONCE)
        self.is_silent = False

    async def take(self, *, is_begun: bool) -> Held | None:
        """The next task. Whether its drawing counts as begun."""
        async with self._relaxed.single_statement() as connection:
            taken = await queue.claim(connection, self.id, 1, int(is_begun))
        if not taken:
            return None
        self.held.append(Held(self, taken[0]))
        return self.held[-1]

    async def begin(self, held: Held) -> bool:
        """Begin to draw; False when there was nothing to draw, and the task has left the queue."""
        held.drawing = asyncio.create_task(self._draw_and_finish(held))
        coming = asyncio.create_task(self._engine.sittings.get())
        await asyncio.wait({held.drawing, coming}, return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            held.sitting = coming.result()
            return True
        coming.cancel()
        await self._end(held)
        return False

    async def _draw_and_finish(self, held: Held) -> bool:
        return await self._finish(held.task_id, await self._draw(held.claimed, self._draw.slots.reserve()))

    def step(self, held: Held) -> int:
        """Have one more step drawn; how many are done then."""
        assert held.sitting is not None
        held.sitting.steps_done += 1
        held.sitting.said.put(held.sitting.steps_done)
        return held.sitting.steps_done

    async def finish(self, held: Held, error: Exception | None = None) -> bool:
        """Draw the last step, or fail; whether that decided the task's end."""
        assert held.sitting is not None
        held.sitting.said.put(error or STEPS)
        return await self._end(held)

    async def _end(self, held: Held) -> bool:
        assert held.drawing is not None
        has_decided = await held.drawing
        self.held.remove(held)
        if not has_decided:
            async with self._relaxed.single_statement() as connection:
                await queue.leave(connection, held.task_id)
        return has_decided

    async def die(self) -> None:
        """Die with all draws. The queue does not know of it yet."""
        for held in self.held:
            if held.drawing is not None:
                held.drawing.cancel()
                with suppress(asyncio.CancelledError):
                    await held.drawing
            if held.sitting is not None:
                held.sitting.said.put(STEPS)
        self.held.clear()

    async def leave(self) -> None:
        """Leave, and tell the database, but hand nothing back."""
        await self.die()
        async with self._relaxed.single_statement() as connection:
            await workers.unregister(connection, self.id)


JUDGE: Final = Judge(rulebook.load, [], None, None, JudgeSettings(bytes(32)))
JUDGE.load_rules()


@dataclass
class Stage:
    """The parts. `pictures` and `sweep` are made anew for each example."""

    database: Database
    relaxed: RelaxedDatabase
    news_of_changes: TaskWatcher
    news_of_cancels: TaskWatcher
    submit: Submit
    folder: Path
    examples: int = 0

    async def begin_example(self) -> None:
        """Empty the database and take a new folder."""
        async with self.database.transaction() as connection:
            await connection.execute(_EMPTY)
        self.examples += 1
        self.pictures_folder = self.folder / f"pictures-{self.examples}"
        self.pictures = Pictures(str(self.pictures_folder))
        lifetimes = Lifetimes(QUEUE_TIMEOUT_S, PICTURE_H, PROMPT_H, IDEMPOTENCY_H, None)
        self.sweep = Sweep(self.database, self.pictures, lifetimes)

    async def worker(self) -> Worker:
        """A worker that has just started."""
        engine = PatientEngine(asyncio.get_running_loop())
        draw_settings = DrawSettings(draw_timeout_s=3600, step_timeout_s=3600, on_hung=lambda: None, failures_max=10**9)
        draw = Draw(self.database, self.relaxed, self.news_of_cancels, engine, JUDGE, draw_settings)
        finish_settings = FinishSettings(
            picture_name_secret=NAME_SECRET,
            easel_version="0",
            recipe_in_pictures=False,
            on_hung=lambda: None,
            on_callback=lambda: None,
        )
        finish = Finish(self.database, self.pictures, JUDGE, finish_settings)
        worker = Worker(draw, finish, engine, self.relaxed)
        await worker.register()
        return worker

    async def rescue(self, *living: Worker) -> None:
        """One look of a living worker at the others."""
        age_s = 0.0
        while age_s < SERVER_AGE_S:
            await asyncio.sleep(SERVER_AGE_S - age_s if age_s else 0.0)
            clock = await self._beat(living)
            age_s = (clock.now - clock.server_started_at).total_seconds()
        await Rescue(self.database)(clock)

    async def _beat(self, living: Sequence[Worker]) -> Clock:
        """The heartbeats of these workers, or of one that the database does not know."""
        async with self.relaxed.single_statement() as connection:
            for worker_id in (0, *(worker.id for worker in living)):
                beat = await workers.beat(connection, worker_id, is_idle=True)
        return beat.clock

    async def execute(self, statement: str, *values: object) -> None:
        """A statement of the test's own, such as one that makes something older than it is."""
        async with self.database.transaction() as connection:
            await connection.execute(statement.encode(), values)

    async def look(self) -> tuple[list[audit.Finding], Seen]:
        """The broken invariants, and the whole state for comparison with a model."""
        async with self.database.snapshot() as connection:
            findings = await audit.findings(connection)
            accounts, keys, tasks, places, claims = [await _rows(connection, query) for query in _SEEN]
        names = {path.name for path in self.pictures_folder.rglob("*.webp")}
        names_of = {link.picture_name(task_id, NAME_SECRET, ".webp"): task_id for task_id, *_ in tasks}
        return findings, Seen(
            accounts={name: (available, reserved, used) for name, available, reserved, used in accounts},
            keys={key_id: (used, reserved, unfinished) for key_id, used, reserved, unfinished in keys},
            tasks={task_id: tuple(columns) for task_id, *columns in tasks},
            places={task_id: (is_taken, worker_id) for task_id, is_taken, worker_id in places},
            claims={(account_id, key): task_id for account_id, key, task_id in claims},
            files={names_of.get(name, name) for name in names},
        )

    async def store_picture(self, task_id: str) -> None:
        """Store a picture, as a worker does just before it settles."""
        await self.pictures.put(object_name(link.picture_name(task_id, NAME_SECRET, ".webp")), b"RIFF", "image/webp")


async def _rows(connection: Reader, query: str) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query.encode())).fetchall()


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """A stage on a private database of its own."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(private_postgres.attach(folder))
        await schema.prepare(server.url, SECRET)
        database = Database(make_conninfo(server.url, options="-c synchronous_commit=off"), 10)
        relaxed = RelaxedDatabase(server.url, 10)
        for opened in (database, relaxed):
            await opened.open()
            stack.push_async_callback(opened.close)
        changes, cancels = TaskWatcher(database, [Channel.CHANGES]), TaskWatcher(database, [Channel.WORKERS])
        listening = [asyncio.create_task(task_watcher.run()) for task_watcher in (changes, cancels)]
        settings = SubmitSettings(PRICE, NO_LIMIT, NO_LIMIT, IDEMPOTENCY_H)
        submit = Submit(database, JUDGE, Forecast(database, NO_LIMIT), settings)
        try:
            yield Stage(database, relaxed, changes, cancels, submit, folder)
        finally:
            for task in listening:
                task.cancel()
            await asyncio.wait(listening)
