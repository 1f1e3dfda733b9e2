"""Several web processes on one port (EASEL_WEB_PROCESSES): who answers, what they share, and how they die and stop."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from easel.outside.postgres import private_postgres
from tests.support.bare_http import ALIVE, Peer
from tests.support.command_line import easel
from tests.support.data_folders import prepared_folder
from tests.support.event_stream import all_events
from tests.support.faults import assert_nothing_runs, load, processes_of
from tests.support.patience import PATIENCE_S, eventually
from tests.support.ports import free_port
from tests.support.running_fleet import SECRET
from tests.support.running_service import GENERATIONS, ORDER, Service, read_task, submit

PROCESSES: Final = 4
NAMES: Final = {f"web {number}" for number in range(1, PROCESSES + 1)}
READS_MAX: Final = 60
FAILURES_MAX: Final = 20
STREAMS_MAX: Final = 6
CONNECTIONS_MAX: Final = 30
ENOUGH_CONNECTIONS: Final = 60
"""With this many, a process that gets none would be a miracle: the chance is 4 times 0.75 to this power."""
STEP_S: Final = "0.05"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service with four web processes and strict limits. It trusts this machine as a proxy."""
    limits = {
        "reads_per_minute": str(READS_MAX),
        "auth_failures_per_minute": str(FAILURES_MAX),
        "streams_per_key": str(STREAMS_MAX),
        "connections_per_address": str(CONNECTIONS_MAX),
        "trusted_proxies": "127.0.0.1",
    }
    with prepared_folder() as folder:
        with Service(folder, web_processes=str(PROCESSES), workers="1", blank_step_s=STEP_S, **limits) as running:
            yield running
        assert_nothing_runs(folder)


@pytest.fixture
def key(service: Service, account: str) -> str:
    return service.new_key(account, "1000")


@pytest.fixture(scope="module")
def account_numbers() -> Iterator[int]:
    return iter(range(1000))


@pytest.fixture
def account(account_numbers: Iterator[int]) -> str:
    return f"web-processes-{next(account_numbers)}"


def web_pids(service: Service) -> dict[str, int]:
    """The process ids of the web processes, by name."""
    lines = service.log_lines()
    started = {line["child"]: line["pid"] for line in lines if line["event"] == "child_started"}
    return {name: pid for name, pid in started.items() if name.startswith("web")}


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def ask_on_many_connections(
    service: Service, key: str, path: str, count: int, address: str = "10.0.0.1"
) -> list[httpx2.Response]:
    """The answers to GET requests from this address, each on a connection of its own."""
    answers = []
    for _ in range(count):
        with service.client(key) as client:
            answers.append(client.get(path, headers={"x-forwarded-for": address}))
    return answers


def statuses(answers: Sequence[httpx2.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def answered_by(service: Service, answers: Sequence[httpx2.Response]) -> Counter[str]:
    """How many of these answers came from each process, by the log. Waits for all their lines."""
    ids = {answer.headers["x-request-id"] for answer in answers}

    def lines() -> list[dict[str, Any]]:
        found = [line for line in service.log_lines() if line.get("request_id") in ids and line["event"] == "request"]
        return found if len(found) == len(answers) else []

    return Counter(line["process"] for line in eventually(lines))


def test_connections_spread_over_all_processes_and_the_log_says_which_answered(service: Service, key: str) -> None:
    found = answered_by(service, ask_on_many_connections(service, key, "/v1/nothing-here", ENOUGH_CONNECTIONS))
    assert set(found) == NAMES
    assert max(found.values()) < ENOUGH_CONNECTIONS / 2


def test_the_ready_line_and_doctor_show_the_number_of_processes(service: Service) -> None:
    assert "(engine blank; 4 web processes; API page " in service.log_file.read_text()
    assert f"ok       web        {PROCESSES} web processes on port 8000\n" in service.cli("doctor").stdout


def test_a_limit_on_reads_holds_for_all_processes_together(service: Service, key: str) -> None:
    started_s = time.monotonic()
    allowed = 0
    while statuses(ask_on_many_connections(service, key, "/v1/tasks", 1)) == {200: 1}:
        allowed += 1
    returned = int((time.monotonic() - started_s) * READS_MAX / 60) + 1
    assert READS_MAX <= allowed <= READS_MAX + returned


def test_a_limit_on_streams_holds_for_all_processes_together(service: Service, key: str) -> None:
    with service.client(key) as client:
        tasks = [submit(client)["id"] for _ in range(20)]
    with ExitStack() as stack:
        found = []
        for _ in range(STREAMS_MAX + 4):
            client = stack.enter_context(service.client(key))
            stream = client.stream("GET", f"/v1/tasks/{tasks[-1]}/events")
            found.append(stack.enter_context(stream).status_code)
        assert Counter(found) == {200: STREAMS_MAX, 429: 4}


def test_a_limit_on_connections_holds_for_all_processes_together_and_ends_with_them(service: Service) -> None:
    def open_connections() -> int:
        with ExitStack() as stack:
            peers = [stack.enter_context(Peer(service, "127.0.0.7")) for _ in range(CONNECTIONS_MAX + 10)]
            answers = 0
            for peer in peers:
                try:
                    peer.send(ALIVE)
                    answers += peer.one_answer().status == 200
                except (OSError, AssertionError):
                    continue
            return answers

    assert open_connections() == CONNECTIONS_MAX
    eventually(lambda: open_connections() == CONNECTIONS_MAX)


def test_failed_authentications_are_limited_for_all_processes_together(service: Service) -> None:
    unknown = "sk-easel-" + "0" * 38
    found = statuses(ask_on_many_connections(service, unknown, "/v1/tasks", FAILURES_MAX + 15, "10.0.0.2"))
    assert FAILURES_MAX <= found[401] <= FAILURES_MAX + 5
    assert set(found) == {401, 429}


def test_streams_and_waiting_requests_end_whichever_process_has_them(service: Service, key: str) -> None:
    def wait(task_id: str) -> str:
        with service.client(key) as client:
            return str(client.get(f"/v1/tasks/{task_id}", params={"wait": 30}).json()["status"])

    def listen(task_id: str) -> str:
        with service.client(key) as client:
            return all_events(client, task_id)[-1].name

    with service.client(key) as client, ThreadPoolExecutor(STREAMS_MAX) as pool:
        first, second = submit(client)["id"], submit(client)["id"]
        assert list(pool.map(wait, [first] * STREAMS_MAX)) == ["completed"] * STREAMS_MAX
        assert list(pool.map(listen, [second] * STREAMS_MAX)) == ["completed"] * STREAMS_MAX


def test_a_revoked_key_is_refused_by_every_process(service: Service, account: str) -> None:
    made = json.loads(service.cli("keys", "create", "--account", account, "--json").stdout)
    key = made["key"]
    assert set(statuses(ask_on_many_connections(service, key, "/v1/tasks", 20))) == {200}
    service.cli("keys", "revoke", str(made["id"]))
    time.sleep(1.0)
    assert set(statuses(ask_on_many_connections(service, key, "/v1/tasks", 19, "10.0.0.3"))) == {401}


def test_killing_one_process_loses_nothing_and_the_others_go_on_answering(service: Service, key: str) -> None:
    before = web_pids(service)
    assert set(before) == NAMES
    with load(service, key, clients=4) as met:
        time.sleep(1.0)
        os.kill(before["web 2"], signal.SIGKILL)
        eventually(lambda: web_pids(service)["web 2"] != before["web 2"])
        time.sleep(0.5)
    assert set(met.failures) <= {"ReadError", "RemoteProtocolError"}
    assert sum(met.failures.values()) <= 4
    assert set(met.statuses) <= {200, 429}
    assert {name: pid for name, pid in web_pids(service).items() if name != "web 2"} == {
        name: pid for name, pid in before.items() if name != "web 2"
    }
    service.audit()


def test_a_stop_lets_every_process_answer_its_waiting_requests() -> None:
    with prepared_folder() as folder:
        with Service(folder, web_processes="3", workers="1", blank_step_s="10", drain_timeout_s="2") as service:
            key = service.new_key("drained")
            with service.client(key) as client:
                task_id = submit(client)["id"]

            def wait(_: int) -> int:
                with service.client(key) as client:
                    return client.get(f"/v1/tasks/{task_id}?wait=60").status_code

            with ThreadPoolExecutor(12) as pool:
                before = sum(map(open_files, web_pids(service).values()))
                waiting = [pool.submit(wait, number) for number in range(12)]
                eventually(lambda: sum(map(open_files, web_pids(service).values())) >= before + 12)
                time.sleep(1.0)  # they are connected, and are about to ask
                assert service.stop() == 0
                assert {each.result() for each in waiting} == {200}
        assert_nothing_runs(folder)


def test_easel_web_supervises_several_processes_and_stops_them() -> None:
    with prepared_folder() as folder, private_postgres.attach(folder) as server:
        service = Service(folder, web_processes="3", secret=SECRET, database_url=server.url)
        with service.log_file.open("ab") as log:
            web = subprocess.Popen(
                [sys.executable, "-m", "easel", "web", "--port", str(service.port)],
                env=service.environment, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        assert web.stdout is not None
        try:
            assert web.stdout.readline() == b"ready\n", service.log_file.read_text()
            key = service.new_key("web-alone")
            answers = ask_on_many_connections(service, key, "/v1/tasks", 40)
            assert set(statuses(answers)) == {200}
            assert set(answered_by(service, answers)) == set(web_pids(service)) == {"web 1", "web 2", "web 3"}
        finally:
            web.terminate()
            assert web.wait(PATIENCE_S) == 0
            web.stdout.close()
        assert not [line for line in processes_of(folder).values() if "-m easel" in line]


def test_the_children_of_a_killed_easel_web_end() -> None:
    with prepared_folder() as folder, private_postgres.attach(folder) as server:
        service = Service(folder, web_processes="2", secret=SECRET, database_url=server.url)
        with service.log_file.open("ab") as log:
            web = subprocess.Popen(
                [sys.executable, "-m", "easel", "web", "--port", str(service.port)],
                env=service.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        eventually(lambda: "ready\n" in service.log_file.read_text())
        web.kill()
        web.wait()
        eventually(lambda: not [line for line in processes_of(folder).values() if "-m easel" in line])


def test_a_port_that_another_service_uses_is_refused_with_several_processes_too() -> None:
    with prepared_folder() as folder, socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = str(taken.getsockname()[1])
        ran = easel("serve", EASEL_DATA_DIR=str(folder), EASEL_ENGINE="blank", EASEL_PORT=port, EASEL_WEB_PROCESSES="2")
        assert ran.returncode == 78
        assert f"Cannot listen on 127.0.0.1:{port} (Address already in use)" in ran.stderr


def test_more_processes_than_the_private_database_has_connections_for_are_refused() -> None:
    with prepared_folder() as folder:
        ran = easel(
            "serve", EASEL_DATA_DIR=str(folder), EASEL_ENGINE="blank", EASEL_WEB_PROCESSES="12", EASEL_WORKERS="1"
        )
    assert ran.returncode == 78
    assert ran.stderr == (
        "Error: 12 web processes and 1 worker may need 127 connections, but the private PostgreSQL allows 100: lower "
        "EASEL_DATABASE_CONNECTIONS, EASEL_WEB_PROCESSES or EASEL_WORKERS, or use your own server "
        "(EASEL_DATABASE_URL).\n"
    )


def test_an_order_accepted_by_one_process_is_read_through_all(service: Service, key: str) -> None:
    with service.client(key) as client:
        created = client.post(GENERATIONS, json=ORDER, headers={"idempotency-key": "ordered-exactly-once"}).json()
    again = set()
    for _ in range(10):
        with service.client(key) as client:
            replay = client.post(GENERATIONS, json=ORDER, headers={"idempotency-key": "ordered-exactly-once"})
            assert replay.status_code == 200, replay.text
            again.add(replay.json()["id"])
            assert read_task(client, created["id"])["id"] == created["id"]
    assert again == {created["id"]}
    with service.client(key) as client:
        assert client.get(f"/v1/tasks/{created['id']}", params={"wait": 30}).json()["status"] == "completed"
