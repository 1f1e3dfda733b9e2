"""A revoked or expired key: its waiting requests and streams end at once and reveal nothing more."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import httpx2
import pytest

from easel.actions import api_keys
from easel.actions.abandon import MESSAGE
from easel.actions.api_keys import IssuedKey
from easel.live.key_watch import BELIEVED_FOR_S, KeyWatch
from easel.store.database import Database
from tests.support.event_stream import Event, EventStream
from tests.support.faults import entries
from tests.support.finishing import complete
from tests.support.patience import eventually
from tests.support.running_fleet import Fleet
from tests.support.running_service import GENERATIONS, ORDER, read_task, submit

LET_GO_WITHIN_S: Final = 25.0
"""Half a second is promised; the tests' machine may be slow. A wait that goes on lasts longer than this."""
EXPIRED: Final = "UPDATE api_keys SET expires_at = now() WHERE id = %s"
SOON: Final = "UPDATE api_keys SET expires_at = now() + interval '0.7 seconds' WHERE id = %s"
UNAUTHORIZED: Final = {
    "code": "unauthorized", "message": "Authentication required", "type": "authentication_error",
}  # fmt: skip


def revoke(fleet: Fleet, key: IssuedKey) -> None:
    assert fleet.on_database(lambda database: api_keys.revoke(database, key.id))


def by_statement(statement: str) -> Callable[[Fleet, IssuedKey], None]:
    def end(fleet: Fleet, key: IssuedKey) -> None:
        with fleet.database() as connection:
            connection.execute(statement.encode(), (key.id,))

    return end


ENDINGS = [revoke, by_statement(EXPIRED), by_statement(SOON)]
ENDING_NAMES = ["revoked", "expired", "expires soon"]


class Listener:
    """An open stream after its first event. A thread reads the others."""

    def __init__(self, stack: ExitStack, pool: ThreadPoolExecutor, client: httpx2.Client, task_id: str) -> None:
        stream = stack.enter_context(EventStream(client, task_id))
        events = iter(stream)
        self.first = next(events)
        self.rest: Future[list[Event]] = pool.submit(list, events)


@contextmanager
def listening(fleet: Fleet, key: str, task_id: str) -> Iterator[list[Listener]]:
    """Open a stream of a task at each web process."""
    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        clients = stack.enter_context(fleet.clients(key))
        yield [Listener(stack, pool, client, task_id) for client in clients]


def assert_ended_for_want_of_a_key(told: list[Event]) -> None:
    assert [event.name for event in told if event.name != "pending"] == ["error"]
    assert told[-1].task == {"error": UNAUTHORIZED}
    assert "/pictures/" not in "".join(event.data for event in told)


@pytest.mark.parametrize("end", ENDINGS, ids=ENDING_NAMES)
def test_streams_end_with_their_key_and_those_of_the_accounts_other_keys_continue(
    two_webs: Fleet, end: Callable[[Fleet, IssuedKey], None]
) -> None:
    ending = two_webs.issue()
    other = two_webs.issue(ending.account)
    with two_webs.client(ending.key) as client:
        task = submit(client)
    with listening(two_webs, other.key, task["id"]) as going_on:
        with listening(two_webs, ending.key, task["id"]) as let_go:
            end(two_webs, ending)
            told = [listener.rest.result(LET_GO_WITHIN_S) for listener in let_go]
        complete(two_webs, task["id"])
        for listener in going_on:
            assert listener.rest.result(LET_GO_WITHIN_S)[-1].name == "completed"
    for events in told:
        assert_ended_for_want_of_a_key(events)


def test_a_process_frozen_during_revocation_reveals_nothing_when_it_resumes(
    two_webs: Fleet,
) -> None:
    key = two_webs.issue()
    with two_webs.client(key.key) as client:
        task = submit(client)
    with listening(two_webs, key.key, task["id"]) as listeners:
        for web in two_webs.webs:
            os.kill(web.pid, signal.SIGSTOP)
        try:
            revoke(two_webs, key)
            complete(two_webs, task["id"])
            time.sleep(0.6)
        finally:
            for web in two_webs.webs:
                os.kill(web.pid, signal.SIGCONT)
        for listener in listeners:
            assert_ended_for_want_of_a_key(listener.rest.result(LET_GO_WITHIN_S))


def waiting_ways(client: httpx2.Client, task_id: str) -> dict[str, Callable[[], httpx2.Response]]:
    order = {"prompt": "a cat", "model": "z-image-turbo"}
    return {
        "wait": lambda: client.get(f"/v1/tasks/{task_id}?wait=30"),
        "prefer": lambda: client.post(GENERATIONS, json=ORDER, headers={"prefer": "wait=30"}),
        "openai": lambda: client.post("/openai/v1/images/generations", json=order),
        "openai again": lambda: client.post(
            "/openai/v1/images/generations", json=order, headers={"idempotency-key": "asked-once-and-again"}
        ),
    }


def tasks_of(fleet: Fleet, key: IssuedKey) -> dict[str, str]:
    """The ids and states of a key's tasks."""
    with fleet.database() as connection:
        rows = connection.execute("SELECT id, status FROM tasks WHERE api_key_id = %s ORDER BY position", (key.id,))
        return dict(rows.fetchall())


@pytest.mark.parametrize("end", ENDINGS[:2], ids=ENDING_NAMES[:2])
@pytest.mark.parametrize("web", [0, 1])
def test_a_wait_ends_with_401_when_its_key_does(
    two_webs: Fleet, end: Callable[[Fleet, IssuedKey], None], web: int
) -> None:
    key = two_webs.issue()
    other = two_webs.issue(key.account)
    with (
        two_webs.client(key.key, web) as client,
        two_webs.client(other.key) as observer,
        ThreadPoolExecutor(4) as pool,
    ):
        read = submit(client)
        asked = {name: pool.submit(ask) for name, ask in waiting_ways(client, read["id"]).items()}
        eventually(lambda: len(tasks_of(two_webs, key)) == 4)
        time.sleep(0.3)  # so that all wait
        end(two_webs, key)
        answers = {name: answer.result(LET_GO_WITHIN_S) for name, answer in asked.items()}
        assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 401)
        assert answers["wait"].json() == {"error": UNAUTHORIZED}
        # What nobody can ask for again is cancelled, free; what the account can still find goes on.
        eventually(lambda: list(tasks_of(two_webs, key).values()).count("failed") == 1)
        (failed,) = [task_id for task_id, status in tasks_of(two_webs, key).items() if status == "failed"]
        assert read_task(observer, failed)["error"]["message"] == MESSAGE
        assert entries(two_webs, failed) == ["hold", "release"]


def test_a_valid_key_waits_to_the_end_whatever_happens_to_other_keys(two_webs: Fleet) -> None:
    key, other = two_webs.issue(), two_webs.issue()
    with two_webs.client(key.key) as client, two_webs.client(other.key) as another, ThreadPoolExecutor(2) as pool:
        task, others = submit(client), submit(another)
        waiting = pool.submit(lambda: client.get(f"/v1/tasks/{task['id']}?wait=30"))
        let_go = pool.submit(lambda: another.get(f"/v1/tasks/{others['id']}?wait=30"))
        time.sleep(0.3)
        revoke(two_webs, other)
        assert let_go.result(LET_GO_WITHIN_S).status_code == 401
        complete(two_webs, task["id"])
        answer: dict[str, Any] = waiting.result(LET_GO_WITHIN_S).json()
        assert answer["status"] == "completed"


def test_nothing_is_revealed_while_the_key_cannot_be_checked(two_webs: Fleet) -> None:
    key = two_webs.issue()

    async def act(database: Database) -> None:
        watch = KeyWatch(database)
        with watch.permit(key.id, lambda: None) as permit:
            assert not await permit.is_good(0.05), "it was not looked at yet"
            looking = asyncio.create_task(watch.run())
            assert await permit.is_good(LET_GO_WITHIN_S)
            looking.cancel()
            await asyncio.sleep(BELIEVED_FOR_S + 0.1)
            assert not await permit.is_good(0.05), "what was seen is too old"

    two_webs.on_database(act)
