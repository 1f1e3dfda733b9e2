"""Lives of tasks, made up at random and played on a real database: whatever happens in whatever order, the books are
right after every step, and the service does what a model in plain Python says.

Hypothesis chooses the steps: orders, drawings, cancels, deaths of workers, losses of a falling database, erasures, old
age. One thing happens at a time, save where a test says that two race; `test_money.py` has the crowds. `--lives` says
how many lives are tried.
"""

import asyncio
import sys
from collections.abc import Iterator
from typing import Final, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from easel.actions import cancel, erase, rescue
from easel.actions.renew_link import renew_expired_link
from easel.domain.api_key import Holder
from easel.domain.errors import AlreadyCompleted, TaskNotFound, TaskUnfinished
from easel.domain.task import ErrorCode, Status
from easel.engines.engine import DrawingFailed, OutOfMemory
from easel.store import retention, tasks
from tests.support.data_folders import prepared_folder
from tests.support.life_model import Task
from tests.support.life_orders import PICKS, LifeOfAccounts, pick
from tests.support.life_stage import STEPS, Held, Stage, Worker, stage
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.timeout(7200)

STEPS_OF_A_LIFE: Final = 50
FAILURES: Final = {
    ErrorCode.CONTENT_POLICY_VIOLATION: DrawingFailed(ErrorCode.CONTENT_POLICY_VIOLATION, "Content policy violation."),
    ErrorCode.RESOURCE_EXHAUSTED: OutOfMemory(),
}
OLDER: Final = {
    "is_too_late": "UPDATE tasks SET created_at = now() - interval '2 hours' WHERE id = %s",
    "is_link_old": "UPDATE tasks SET link_expires_at = now() WHERE status = 'completed' AND id = %s",
    "is_picture_old": "UPDATE tasks SET ended_at = least(ended_at, now() - interval '49 hours') WHERE id = %s",
    "is_prompt_old": "UPDATE tasks SET ended_at = least(ended_at, now() - interval '73 hours') WHERE id = %s",
    "erasing": "",
    "claim": "UPDATE idempotency_keys SET claimed_at = now() - interval '25 hours' WHERE account_id = %s AND key = %s",
}
RARELY: Final = st.integers(0, 5).map(lambda number: number == 5)
NOT_BEGUN: Final = "UPDATE tasks SET status = 'pending', started_at = NULL, progress = 0, steps_done = 0, steps_total = 0 WHERE id = %s"
SILENT: Final = "UPDATE workers SET heartbeat_at = now() - interval '30 seconds' WHERE id = %s"
SILENT_SINCE_BEFORE_THE_CLOCK_WAS_SET_BACK: Final = SILENT.replace("- interval '30 seconds'", "+ interval '1 day'")
NOT_TAKEN: Final = """
    UPDATE tasks SET queue_state = 'waiting', worker_id = NULL, taken_at = CASE WHEN %s THEN taken_at END
    WHERE queue_state = 'taken' AND id = %s
"""
"""The row from before a worker took the task. Whether one had it even before that has to be said."""


class Life(LifeOfAccounts):
    """One example."""

    @rule(worker=PICKS, is_begun=st.booleans())
    def take(self, worker: int, is_begun: bool) -> None:
        taker = pick(self.workers, worker)
        if taker.is_silent:
            return
        expected = self.model.next()
        held = self.run(taker.take(is_begun=is_begun))
        assert (held and held.task_id) == (expected and expected.id)
        if held is not None and expected is not None:
            self.model.take(expected, taker.id, is_begun=is_begun)
            if is_begun:
                self.begin_with(held)

    @rule(worker=PICKS)
    def draw(self, worker: int) -> None:
        before = self.held(is_begun=True)
        self.take(worker, True)
        for held in self.held(is_begun=True):
            if held not in before:
                self.finish_with(held, None)

    @precondition(lambda self: self.held(is_begun=False))
    @rule(held=PICKS)
    def begin(self, held: int) -> None:
        self.begin_with(pick(self.held(is_begun=False), held))

    def begin_with(self, held: Held) -> None:
        task = self.task_of(held)
        assert self.run(held.worker.begin(held)) == (not task.has_ended)
        if not held.claimed.is_begun:
            self.model.begin(task)
        if task.has_ended:
            self.model.leave(task)

    @precondition(lambda self: self.held(is_begun=True))
    @rule(held=PICKS)
    def draw_a_step(self, held: int) -> None:
        drawn = pick(self.held(is_begun=True), held)
        task = self.task_of(drawn)
        if task.has_ended or drawn.sitting is None or drawn.sitting.steps_done >= STEPS - 1:
            return

        async def until_noted() -> None:
            with self.stage.news_of_changes.watch(task.id) as watch:
                done = drawn.worker.step(drawn)
                async with asyncio.timeout(PATIENCE_S):
                    while watch.task is None or watch.task.steps_done != done:
                        await watch.change(PATIENCE_S)

        self.run(until_noted())
        self.model.report(task, drawn.sitting.steps_done)

    @precondition(lambda self: self.held(is_begun=True))
    @rule(held=PICKS, failure=st.sampled_from([None, None, None, *FAILURES]))
    def finish(self, held: int, failure: ErrorCode | None) -> None:
        self.finish_with(pick(self.held(is_begun=True), held), failure)

    def finish_with(self, finished: Held, failure: ErrorCode | None) -> None:
        task = self.task_of(finished)
        error = None if failure is None else FAILURES[failure]
        assert self.run(finished.worker.finish(finished, error)) == (not task.has_ended)
        self.note_finished(task, failure)

    def note_finished(self, task: Task, failure: ErrorCode | None) -> None:
        if not task.has_ended and failure is None:
            self.model.complete(task)
        elif not task.has_ended and failure is not None:
            self.model.fail(task, failure)
        self.model.leave(task)

    @precondition(lambda self: self.held(is_begun=True))
    @rule(held=PICKS)
    def finish_while_it_is_cancelled(self, held: int) -> None:
        finished = pick(self.held(is_begun=True), held)
        task = self.task_of(finished)
        holder = self.holder(task)
        had_ended = task.has_ended

        async def race() -> tuple[bool, bool]:
            finishing = asyncio.create_task(finished.worker.finish(finished))
            try:
                await cancel.cancel(self.stage.database, holder, task.id)
            except AlreadyCompleted:
                return await finishing, False
            return await finishing, True

        is_finished, is_cancelled = self.run(race())
        assert is_finished + is_cancelled == (not had_ended)
        if is_cancelled:
            self.model.cancel(task)
        self.note_finished(task, None)

    @precondition(lambda self: self.tasks)
    @rule(task=PICKS, is_foreign=RARELY)
    def cancel(self, task: int, is_foreign: bool) -> None:
        cancelled = pick(self.tasks, task)
        answer = self.tried(cancel.cancel(self.stage.database, self.holder(cancelled, is_foreign), cancelled.id))
        if is_foreign:
            assert answer is TaskNotFound
        elif cancelled.has_ended:
            assert answer is AlreadyCompleted
        else:
            assert not isinstance(answer, type)
            assert answer.error_code == ErrorCode.REQUEST_CANCELLED
            self.model.cancel(cancelled)

    def holder(self, task: Task, is_foreign: bool = False) -> Holder:
        """Whoever ordered a task, or another account's key."""
        key = next(key for key in self.model.keys if key.account is not task.key.account) if is_foreign else task.key
        assert key.holder is not None
        return key.holder

    @precondition(lambda self: self.tasks)
    @rule(task=PICKS, is_foreign=RARELY)
    def erase(self, task: int, is_foreign: bool) -> None:
        erased = pick(self.tasks, task)
        holder = self.holder(erased, is_foreign)
        answer = self.tried(erase.erase(self.stage.database, self.stage.pictures, holder, erased.id))
        if is_foreign:
            assert answer is TaskNotFound
        elif not erased.has_ended:
            assert answer is TaskUnfinished
        else:
            assert answer is None
            self.model.erase(erased)

    def die_erasing(self, erased: Task) -> None:
        """A process erases a task and dies before storage has deleted the picture."""

        async def begin_to_erase() -> None:
            async with self.stage.database.transaction() as connection:
                await retention.erase(connection, erased.id)

        self.run(begin_to_erase())
        had_file = erased.has_file
        self.model.erase(erased)
        erased.has_file = had_file

    @rule(
        worker=PICKS,
        how=st.sampled_from(["dead", "dead, its pictures stored", "slow", "gone in order"]),
        is_noticed=st.booleans(),
        silent=st.sampled_from([SILENT, SILENT_SINCE_BEFORE_THE_CLOCK_WAS_SET_BACK]),
    )
    def lose_a_worker(self, worker: int, how: str, is_noticed: bool, silent: str = SILENT) -> None:
        """A worker reports no more: it is dead, or merely slow. Or it leaves in order, and leaves tasks behind."""
        lost = pick(self.workers, worker)
        if how == "gone in order":
            self.leave(lost)
        else:
            if how == "dead, its pictures stored":
                self.store_pictures(lost)
            if how != "slow":
                self.run(lost.die())
            self.run(self.stage.execute(silent, lost.id))
            lost.is_silent = True
        if is_noticed:
            self.rescue()

    def store_pictures(self, worker: Worker) -> None:
        """A worker stores what it draws, and comes no further."""
        for held in worker.held:
            task = self.task_of(held)
            if held.sitting is not None and task.place and task.place.is_taken and task.place.worker_id == worker.id:
                self.run(self.stage.store_picture(task.id))
                task.has_file = True

    @rule(worker=PICKS, times=st.integers(1, 3))
    def die_of_the_next(self, worker: int, times: int) -> None:
        """What is next in line kills workers, as may a picture that is too large for their devices."""
        for _ in range(times):
            self.take(worker, True)
            self.lose_a_worker(worker, "dead", True)

    def leave(self, worker: Worker) -> None:
        self.run(worker.leave())
        self.model.forget_workers([worker.id])
        self.run(worker.register())

    @rule()
    def rescue(self) -> None:
        silent = [worker for worker in self.workers if worker.is_silent]
        self.run(self.stage.rescue(*(worker for worker in self.workers if not worker.is_silent)))
        self.model.rescue([worker.id for worker in silent])
        for worker in silent:
            self.run(worker.register())

    @precondition(lambda self: self.held(is_begun=False))
    @rule(held=PICKS)
    def hand_back(self, held: int) -> None:
        """A worker finds that it has a task which it does not draw."""
        returned = pick(self.held(is_begun=False), held)
        returned.worker.held.remove(returned)
        self.run(rescue.hand_back(self.stage.relaxed, returned.worker.id, [returned.task_id]))
        place = self.task_of(returned).place
        if place is not None and place.is_taken and place.worker_id == returned.worker.id:
            self.model.hand_back(self.task_of(returned))

    @precondition(lambda self: self.held(is_begun=True))
    @rule(held=PICKS, with_taking=st.booleans(), is_finished=st.booleans())
    def forget_notes(self, held: int, with_taking: bool, is_finished: bool) -> None:
        """The database falls and has lost its last moments, as far as they did not wait for the disk."""
        drawn = pick(self.held(is_begun=True), held)
        forgotten = self.task_of(drawn)
        if forgotten.status is Status.PROCESSING:
            self.run(self.stage.execute(NOT_BEGUN, forgotten.id))
            if with_taking:
                was_held = forgotten.place is not None and forgotten.place.was_held
                self.run(self.stage.execute(NOT_TAKEN, was_held, forgotten.id))
            self.model.forget_notes(forgotten, with_taking=with_taking)
        if is_finished:
            self.finish_with(drawn, None)

    @rule(task=PICKS, age=st.sampled_from(list(OLDER)), is_swept=st.booleans())
    def grow_old(self, task: int, age: str, is_swept: bool) -> None:
        """Time goes by for a task or an idempotency key, or a process dies erasing; what is left is for the sweep."""
        candidates = [each for each in self.tasks if each.has_ended == (age != "is_too_late")]
        if age == "claim" and self.model.claims:
            account_id, text = pick(list(self.model.claims), task)
            self.run(self.stage.execute(OLDER[age], account_id, text))
            claim = self.model.claims[account_id, text]
            claim.is_old = True
            if not is_swept:
                self.order(claim.task.key, [claim.order], text, is_remembered=True)
        elif age == "erasing" and candidates:
            self.die_erasing(pick(candidates, task))
        elif age.startswith("is_") and candidates:
            old = pick(candidates, task)
            self.run(self.stage.execute(OLDER[age], old.id))
            setattr(old, age, True)
            old.is_picture_old |= old.is_prompt_old
        if is_swept:
            self.sweep()

    @rule()
    def sweep(self) -> None:
        swept = self.run(self.stage.sweep())
        assert (swept.timed_out, swept.pictures, swept.prompts, swept.idempotency_keys) == self.model.sweep()

    @precondition(lambda self: self.tasks)
    @rule(task=PICKS)
    def read_with_a_live_link(self, task: int) -> None:
        read = pick(self.tasks, task)

        async def renew() -> tuple[tasks.Task, tasks.Task]:
            async with self.stage.database.reading() as connection:
                row = await tasks.find(connection, read.key.account.id, read.id)
            assert row is not None
            return row, await renew_expired_link(self.stage.database, row)

        before, after = self.run(renew())
        if read.is_shown and read.is_link_old:
            assert before.link_expires_at is not None
            assert after.link_expires_at is not None
            assert after.link_expires_at > before.link_expires_at
            read.is_link_old = False
        else:
            assert after == before

    def let_everything_end(self) -> None:
        """All that is waiting and drawn comes to its end, and then nothing is left of the work."""
        while self.held(is_begun=True):
            self.finish(0, None)
        while self.held(is_begun=False):
            self.begin(0)
            if self.held(is_begun=True):
                self.finish(0, None)
        for worker in self.workers:
            self.leave(worker)
        self.rescue()
        while self.model.next() is not None:
            self.take(0, True)
            if self.held(is_begun=True):
                self.finish(0, None)
        assert all(task.has_ended for task in self.tasks)
        assert not self.run(self.stage.look())[1].places
        self.sweep()  # what a process died over while it erased
        # What timed out in the line is not taken once more, so a picture stays that a worker had stored and died over.
        left = {task.code for task in self.tasks if task.has_file and not task.is_shown}
        assert left <= {ErrorCode.GENERATION_TIMEOUT}

    @invariant()
    def all_is_right(self) -> None:
        """The books are, and everything is as the model says."""
        findings, seen = self.run(self.stage.look())
        assert findings == []
        assert seen == self.model.seen()

    def teardown(self) -> None:
        try:
            if sys.exception() is None and self.workers:
                self.let_everything_end()
                self.all_is_right()
        finally:
            for worker in self.workers:
                self.run(worker.die())


@pytest.fixture(scope="module")
def played() -> Iterator[tuple[asyncio.Runner, Stage]]:
    """One event loop and one stage for all lives."""
    with prepared_folder() as folder, asyncio.Runner() as runner:
        opened = stage(folder)
        try:
            yield runner, runner.run(opened.__aenter__())
        finally:
            runner.run(opened.__aexit__(None, None, None))


def test_whatever_happens_the_ledger_is_right_and_tasks_end_correctly(
    played: tuple[asyncio.Runner, Stage], request: pytest.FixtureRequest
) -> None:
    run_state_machine_as_test(
        cast("type[Life]", lambda: Life(*played)),  # any maker of machines will do
        settings=settings(
            max_examples=request.config.getoption("--lives"),
            stateful_step_count=STEPS_OF_A_LIFE,
            # A life that goes wrong is told once, and as short as can be.
            phases=[Phase.reuse, Phase.generate, Phase.shrink],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
