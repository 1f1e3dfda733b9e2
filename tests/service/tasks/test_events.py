"""`GET /v1/tasks/{task_id}/events`: a task's progress as server-sent events, from the moment of the connection."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from easel.live.forecast import MEASUREMENT_LIFETIME_S
from easel.live.task_watcher import LOOK_EVERY_S
from tests.support.bare_http import Peer
from tests.support.event_stream import Event, EventStream, all_events, parse
from tests.support.faults import await_draw, deaths, events, postgres_of
from tests.support.frozen import nobody_draws
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, read_task, submit
from tests.support.slow_service import STEP_S, STEPS, cancelling_client, slow_service

DRAIN_S: Final = 10
"""How long the service may take to stop (`running_service`)."""


@pytest.fixture(scope="module")
def slow() -> Iterator[Service]:
    with slow_service() as running:
        yield running


@pytest.fixture(scope="module")
def key(slow: Service) -> str:
    return slow.new_key("events")


@pytest.fixture
def client(slow: Service, key: str) -> Iterator[httpx2.Client]:
    with cancelling_client(slow, key) as client:
        yield client


def request(key: str, task_id: str) -> bytes:
    return (
        f"GET /v1/tasks/{task_id}/events HTTP/1.1\r\nHost: easel.example\r\nAuthorization: Bearer {key}\r\n"
        "Connection: close\r\n\r\n"
    ).encode()


def body_of(raw: bytes) -> bytes:
    """The body of a chunked answer. Fails unless it is complete."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    assert b"transfer-encoding: chunked" in head
    body = b""
    while not rest.startswith(b"0\r\n\r\n"):
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body, rest = body + rest[:length], rest[length + 2 :]
    assert rest == b"0\r\n\r\n"
    return body


def assert_ends_as_read(client: httpx2.Client, stream: list[Event]) -> dict[str, Any]:
    """Fails unless the last event is the ended task, byte for byte as in a read. Returns the task."""
    task: dict[str, Any] = stream[-1].task
    assert stream[-1].name == task["status"]
    assert stream[-1].data.encode() == client.get(f"/v1/tasks/{task['id']}").content
    return task


def assert_in_order(stream: list[Event]) -> None:
    """Fails unless positions fall, then steps rise, then the end follows, without duplicate events."""
    names = [event.name for event in stream]
    order = ["pending", "processing", "completed"]
    assert names == sorted(names, key=order.index)
    places = [event.task["task_info"]["queue_position"] for event in stream if event.name == "pending"]
    steps = [event.task["task_info"]["steps_done"] for event in stream if event.name == "processing"]
    assert places == sorted(set(places), reverse=True), places
    assert steps == sorted(set(steps)), steps
    assert len({event.id for event in stream}) == len(stream)
    assert all(event.task["status"] == event.name for event in stream)


def test_a_stream_reports_the_queue_position_and_each_step_and_ends_with_the_task(
    slow: Service, client: httpx2.Client
) -> None:
    time.sleep(MEASUREMENT_LIFETIME_S)  # in which a place may still be told by the line of another test
    with ExitStack() as stack:
        with nobody_draws(slow):  # until the stream is open
            _, _, task = submit(client), submit(client), submit(client)
            submit(client), submit(client)
            stream = stack.enter_context(EventStream(client, task["id"]))
            coming = iter(stream)
            told = [next(coming)]
        told += coming
    assert stream.response.headers["content-type"].startswith("text/event-stream")
    assert stream.response.headers["cache-control"] == "no-store"
    assert stream.reader.retry_ms == 1000
    assert [(event.id, event.name, event.data) for event in parse(stream.raw)] == [
        (event.id, event.name, event.data) for event in told
    ]
    assert_in_order(told)
    pending = [event for event in told if event.name == "pending"]
    processing = [event for event in told if event.name == "processing"]
    assert pending[0].task["task_info"]["queue_position"] in {2, 3}
    assert pending[-1].task["task_info"]["queue_position"] == 1
    assert len(processing) > STEPS / 2
    assert {event.task["task_info"]["steps_total"] for event in processing} <= {0, STEPS}
    assert all(event.task["task_info"]["can_cancel"] is True for event in [*pending, *processing])
    assert [event.task["progress"] for event in processing] == sorted(event.task["progress"] for event in processing)
    assert assert_ends_as_read(client, told)["status"] == "completed"


def test_a_task_taken_but_not_started_is_next_in_line(client: httpx2.Client) -> None:
    # A worker takes the next task while it draws the last step of the one before.
    ahead = submit(client)
    for _ in range(3):
        task, *behind = [submit(client) for _ in range(4)]
        await_last_step(client, ahead["id"])
        time.sleep(STEP_S / 4)
        with EventStream(client, task["id"]) as stream:
            first = next(iter(stream))
        assert first.task["task_info"].get("queue_position", 1) == 1, first
        for other in behind:
            client.post(f"/v1/tasks/{other['id']}/cancel")
        ahead = task


def await_last_step(client: httpx2.Client, task_id: str) -> None:
    eventually(lambda: read_task(client, task_id)["progress"] >= 87, every_s=0.01)


def test_an_event_is_the_task_as_it_is_read_with_further_fields(slow: Service, client: httpx2.Client) -> None:
    with nobody_draws(slow):
        ahead, task = submit(client), submit(client)
        with EventStream(client, task["id"]) as stream:
            first = next(iter(stream))
        read = read_task(client, task["id"])
    assert re.fullmatch(r"\{[^\n]*\}", first.data)
    assert json.dumps(first.task, sort_keys=True, separators=(",", ":")) == first.data
    more = first.task["task_info"].keys() - read["task_info"].keys()
    assert more == {"queue_position"}
    assert first.task | {"task_info": None} == read | {"task_info": None}
    finish(client, ahead["id"])


def test_the_stream_of_an_ended_task_has_one_event(client: httpx2.Client) -> None:
    done = finish(client, submit(client)["id"])
    told = all_events(client, done["id"])
    assert [event.name for event in told] == ["completed"]
    assert_ends_as_read(client, told)


def test_a_stream_reports_a_cancel(slow: Service, client: httpx2.Client) -> None:
    with nobody_draws(slow):
        task = submit(client)
        told = []
        with EventStream(client, task["id"]) as stream:
            for event in stream:
                told.append(event)
                if len(told) == 1:
                    cancelled = client.post(f"/v1/tasks/{task['id']}/cancel")
                    at_s = time.time()
    assert told[-1].data.encode() == cancelled.content
    assert told[-1].at_s - at_s < LOOK_EVERY_S, "it was told, and not found out"


def test_a_reconnecting_client_gets_no_event_twice_and_none_after_the_end(client: httpx2.Client) -> None:
    _, task = submit(client), submit(client)
    told: list[Event] = []
    last_id: str | None = None
    for _ in range(40):
        with EventStream(client, task["id"], last_id) as stream:
            if stream.response.status_code == 204:
                break
            event = next(iter(stream))
        told.append(event)
        last_id = event.id
    assert_in_order(told)
    assert_ends_as_read(client, told)
    assert len(told) >= STEPS / 2
    gone = client.get(f"/v1/tasks/{task['id']}/events", headers={"last-event-id": told[-1].id})
    assert (gone.status_code, gone.content) == (204, b"")
    for other_id in ("failed", "processing-3", "", "é".encode("latin-1").decode("latin-1"), "x" * 4000):
        headers = [("last-event-id", other_id.encode("latin-1"))]
        raw = client.get(f"/v1/tasks/{task['id']}/events", headers=headers).content  # type: ignore[arg-type]
        assert [event.name for event in parse(raw)] == ["completed"]


def test_another_accounts_or_a_missing_task_has_no_stream(slow: Service, client: httpx2.Client) -> None:
    task = submit(client)
    with slow.client(slow.new_key("stranger")) as stranger, slow.client() as nobody:
        foreign = stranger.get(f"/v1/tasks/{task['id']}/events")
        unknown = stranger.get("/v1/tasks/task-unified-1763632800-0a1b2c3d/events")
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.content == unknown.content
        assert stranger.get("/v1/tasks/task-1/events").json()["error"]["code"] == "invalid_task_id"
        assert nobody.get(f"/v1/tasks/{task['id']}/events").status_code == 401
    with slow.client(slow.new_key("events", "1", "--scope", "generate")) as writer:
        assert writer.get(f"/v1/tasks/{task['id']}/events").status_code == 403


def test_a_head_request_for_a_stream_is_answered_at_once(slow: Service, client: httpx2.Client) -> None:
    with nobody_draws(slow):  # so that a stream would not end
        task = submit(client)
        response = client.head(f"/v1/tasks/{task['id']}/events")
        assert client.get("/healthz").status_code == 200  # on the same connection, which a stream would hold
    assert (response.status_code, response.content) == (200, b"")


def test_an_idle_stream_sends_a_heartbeat_every_fifteen_seconds(slow: Service, key: str, client: httpx2.Client) -> None:
    task = submit(client)
    await_draw(slow, task["id"])
    with (
        nobody_draws(slow),
        slow.client(key) as another,
        ThreadPoolExecutor(1) as beside,
        EventStream(client, task["id"]) as stream,
    ):
        opened_at_s = time.time()
        told = beside.submit(list, stream)
        eventually(lambda: stream.reader.comments)
        ((comment, at_s),) = stream.reader.comments
        another.post(f"/v1/tasks/{task['id']}/cancel")
        assert told.result()[-1].name == "failed"
    assert comment == " heartbeat"
    assert 13 < at_s - opened_at_s < 25


def test_a_stream_survives_a_killed_worker(slow: Service, client: httpx2.Client) -> None:
    task = submit(client)
    told = []
    worker: int | None = slow.child_pid("worker 1")
    with EventStream(client, task["id"]) as stream:
        for event in stream:
            told.append(event)
            if event.name == "processing" and worker is not None:
                os.kill(worker, signal.SIGKILL)
                worker = None
    assert assert_ends_as_read(client, told)["status"] == "completed"
    assert deaths(slow, task["id"]) == 1


def test_a_stream_survives_a_restart_of_the_database(slow: Service, client: httpx2.Client) -> None:
    task = submit(client)
    told = []
    server: int | None = postgres_of(slow.data_dir)[0]
    with EventStream(client, task["id"]) as stream:
        for event in stream:
            told.append(event)
            if event.name == "processing" and server is not None:
                os.kill(server, signal.SIGQUIT)
                server = None
    eventually(lambda: client.get("/readyz").status_code == 200)
    assert assert_ends_as_read(client, told)["status"] == "completed"


def test_two_hundred_streams_of_one_task_all_report_its_end(slow: Service, key: str, client: httpx2.Client) -> None:
    _, task = submit(client), submit(client)
    with ExitStack() as open_now:
        peers = [open_now.enter_context(Peer(slow)) for _ in range(200)]
        for peer in peers:
            peer.send(request(key, task["id"]))
        streams = [parse(body_of(peer.until_closed())) for peer in peers]
    read = client.get(f"/v1/tasks/{task['id']}").content
    assert {stream[-1].data.encode() for stream in streams} == {read}
    for stream in streams:
        assert_in_order(stream)


def test_abandoned_streams_are_forgotten(slow: Service, key: str, client: httpx2.Client) -> None:
    for _ in range(6):
        submit(client)
    task = submit(client)
    web = slow.child_pid("web")
    before = open_files(web)
    with ExitStack() as open_now:
        peers = [open_now.enter_context(Peer(slow)) for _ in range(200)]
        for peer in peers:
            peer.send(request(key, task["id"]))
        eventually(lambda: open_files(web) >= before + 200)
    # All but what connections to the database there are more of.
    eventually(lambda: open_files(web) <= before + 10)
    assert client.get("/healthz").status_code == 200
    eventually(lambda: streams_answered(slow, task["id"]) == 200)
    assert not events(slow, "answer_cut_off")
    assert not events(slow, "request_failed")
    assert not events(slow, "task_watcher_failed")


def streams_answered(service: Service, task_id: str) -> int:
    """The number of a task's streams that have ended or were abandoned."""
    lines = [line for line in events(service, "request", task_id) if str(line["route"]).endswith("/events")]
    return len([line for line in lines if line["status"] in {200, 499}])


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_a_stream_ends_cleanly_when_its_process_stops_and_can_be_resumed(
    slow: Service, key: str, client: httpx2.Client
) -> None:
    running, queued = submit(client), submit(client)
    await_draw(slow, running["id"])
    with nobody_draws(slow), ExitStack() as open_now:
        streams = [iter(open_now.enter_context(EventStream(client, task["id"]))) for task in (running, queued)]
        told = [[next(stream)] for stream in streams]
        os.kill(slow.child_pid("web"), signal.SIGTERM)
        told_at_s = time.monotonic()
        for stream, events_, status in zip(streams, told, ("processing", "pending"), strict=True):
            assert [*events_, *stream][-1].name == status
        assert time.monotonic() - told_at_s < DRAIN_S / 2, "streams are not waited for"
        # The web process comes back by itself, and so does a client.
        again = eventually(lambda: first_event(slow, key, queued["id"]))
        assert again is not None
        assert again.name == "pending"


def first_event(service: Service, key: str, task_id: str) -> Event | None:
    try:
        with service.client(key) as client, EventStream(client, task_id) as stream:
            return next(iter(stream), None)
    except httpx2.HTTPError:
        return None


@pytest.mark.parametrize("query", ["", "?previews=true"])
def test_clients_that_leave_their_streams_cost_no_connection_to_the_database(
    slow: Service, key: str, client: httpx2.Client, query: str
) -> None:
    earlier = len(slow.log_lines())
    for number in range(40):
        asked = request(key, submit(client)["id"]).replace(b"/events", b"/events" + query.encode())
        with Peer(slow) as peer:
            peer.send(asked)
            time.sleep(number % 20 * 0.001)
    with EventStream(client, submit(client)["id"]) as stream:
        assert next(iter(stream)).name == "pending"
    assert [line for line in slow.log_lines()[earlier:] if line["level"] != "info"] == []
