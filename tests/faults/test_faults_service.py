"""The web process or the whole service is killed, stopped and started under load: no accepted task is lost."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from easel.outside.postgres import private_postgres
from tests.support.command_line import environment
from tests.support.data_folders import prepared_folder
from tests.support.faults import assert_all_drawn, assert_nothing_runs, events, load, processes_of
from tests.support.patience import eventually
from tests.support.running_service import Service, submit

STEP_S = "0.01"
EXIT_UNUSABLE = 78
SECRET = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The data folder that the services of this file share, one after the other."""
    with prepared_folder() as folder:
        yield folder
        assert_nothing_runs(folder)


@pytest.fixture
def fast(folder: Path) -> Iterator[Service]:
    """A service on that folder."""
    with Service(folder, workers="1", blank_step_s=STEP_S) as running:
        yield running
    assert_nothing_runs(folder)


def test_killing_the_web_process_loses_no_task_and_connections_wait_for_its_successor(fast: Service) -> None:
    key = fast.new_key("web-killed", "1000")
    with load(fast, key) as met:
        time.sleep(1.0)
        web = fast.child_pid("web")
        os.kill(web, signal.SIGKILL)
        eventually(lambda: fast.child_pid("web") != web)
        time.sleep(1.0)
    # Only requests that were in its hands broke off; nobody was refused.
    assert set(met.failures) <= {"ReadError", "RemoteProtocolError"}
    assert sum(met.failures.values()) <= 3
    assert set(met.statuses) == {200}
    assert_all_drawn(fast, key, met.accepted)
    fast.audit()


def test_the_next_start_takes_over_everything_that_a_killed_service_left(fast: Service, folder: Path) -> None:
    key = fast.new_key("serve-killed", "1000")
    with load(fast, key) as met:
        time.sleep(1.0)
        fast.kill()
    eventually(lambda: not [line for line in processes_of(folder).values() if "-m easel" in line])
    assert met.accepted
    fast.start()
    assert_all_drawn(fast, key, met.accepted)
    fast.audit()


def test_a_service_starts_immediately_after_another_was_killed(fast: Service) -> None:
    key = fast.new_key("restarted-at-once", "1000")
    with fast.client(key) as client:
        accepted = [submit(client)["id"] for _ in range(5)]
        fast.kill()
        fast.start()
        accepted.append(submit(client)["id"])
    assert_all_drawn(fast, key, accepted)
    fast.audit()


def test_a_service_stopped_under_load_exits_cleanly_and_loses_no_task(fast: Service) -> None:
    key = fast.new_key("stopped-under-load", "1000")
    with load(fast, key) as met:
        time.sleep(1.0)
        assert fast.stop(signal.SIGTERM) == 0
    assert set(met.statuses) == {200}
    fast.start()
    assert_all_drawn(fast, key, met.accepted)
    fast.audit()


def test_a_queue_of_twenty_survives_a_restart(folder: Path) -> None:
    with Service(folder, workers="1", blank_step_s="0.015") as service:
        key = service.new_key("queued")
        with service.client(key) as client:
            accepted = [submit(client)["id"] for _ in range(20)]
        assert service.stop(signal.SIGINT) == 0
        assert_nothing_runs(folder)
        drawn_before = {line["task_id"] for line in events(service, "task_completed")}
        assert set(accepted) - drawn_before, "all were drawn before it stopped"
        service.start()
        assert_all_drawn(service, key, accepted)
        service.audit()


def test_an_interrupt_stops_a_service_that_was_started_with_interrupts_ignored(folder: Path) -> None:
    """A shell without job control starts its background jobs like this."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        service = Service(folder)
        service.start()
    finally:
        signal.signal(signal.SIGINT, before)
    assert service.stop(signal.SIGINT) == 0
    assert_nothing_runs(folder)


def test_closing_the_terminal_stops_the_service_cleanly(folder: Path) -> None:
    with Service(folder) as service:
        assert service.stop(signal.SIGHUP) == 0
        assert_nothing_runs(folder)


def test_a_stopping_service_refuses_connections_at_once(folder: Path) -> None:
    with Service(folder, workers="1", blank_step_s="0.5") as service:
        with service.client(service.new_key("refused")) as client:
            task = submit(client)
            eventually(lambda: events(service, "draw_started", task["id"]))
        assert service.process is not None
        service.process.terminate()
        eventually(lambda: refuses_connections(service.port))
        assert service.process.poll() is None, "it should be drawing still"


def refuses_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("after_s", [0.0, 0.4, 0.8, 1.2])
def test_a_service_stopped_during_its_start_leaves_nothing_running(folder: Path, after_s: float) -> None:
    service = Service(folder)
    service.start(wait=False)
    time.sleep(after_s)
    service.stop()
    assert_nothing_runs(folder)


def refusal(service: Service) -> str:
    """The message with which `easel serve` rejects its settings."""
    assert service.process is None
    started = subprocess.run(
        [sys.executable, "-m", "easel", "serve", "--port", str(service.port)],
        env=service.environment, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert started.returncode == EXIT_UNUSABLE, started.stderr
    assert "Traceback" not in started.stderr
    told = re.findall(r"^Error: .*", started.stderr, re.MULTILINE)
    assert len(told) == 1
    return str(told[0])


def test_a_port_in_use_stops_the_start_with_a_message(folder: Path) -> None:
    service = Service(folder)
    with socket.create_server(("127.0.0.1", service.port)):
        assert refusal(service) == (
            f"Error: Cannot listen on 127.0.0.1:{service.port} (Address already in use): "
            "choose another port with --port or EASEL_PORT."
        )
    assert_nothing_runs(folder)


def test_an_invalid_port_stops_the_start_with_a_message(folder: Path) -> None:
    service = Service(folder)
    del service.environment["EASEL_DATA_DIR"]
    service.environment["EASEL_PORT"] = "eighty"
    command = [sys.executable, "-m", "easel", "serve", "--data-dir", str(folder)]
    started = subprocess.run(command, env=service.environment, capture_output=True, text=True, timeout=60)
    assert started.returncode == EXIT_UNUSABLE
    assert started.stderr.startswith("Error: EASEL_PORT must be a whole number ")
    assert started.stderr.count("\n") == 1


def test_a_secret_that_does_not_match_the_database_stops_the_start_with_a_message(fast: Service, folder: Path) -> None:
    fast.stop()
    assert "EASEL_SECRET is not the secret that this database was set up with" in refusal(
        Service(folder, secret=SECRET)
    )
    assert_nothing_runs(folder)


def test_a_missing_model_stops_the_start_with_a_message(folder: Path) -> None:
    service = Service(folder, engine="zimage", model="/nonexistent", device="cpu")
    assert refusal(service).startswith("Error: The folder /nonexistent does not exist")
    assert_nothing_runs(folder)


def test_an_external_database_without_a_secret_stops_the_start_with_a_message(folder: Path) -> None:
    service = Service(folder, database_url="postgresql://nobody@127.0.0.1:1/none")
    assert refusal(service).startswith("Error: EASEL_SECRET is required with EASEL_DATABASE_URL")
    assert_nothing_runs(folder)


def test_an_unreachable_database_stops_the_start_with_a_message(folder: Path) -> None:
    service = Service(folder, database_url="postgresql://nobody@127.0.0.1:1/none", secret=SECRET, database_wait_s="1")
    assert refusal(service).startswith("Error: The database cannot be reached")
    assert_nothing_runs(folder)


def test_ten_processes_that_start_together_set_up_an_empty_database_once() -> None:
    # A folder of its own: this one gets a database without a secret, in which no service would start.
    with prepared_folder() as folder, private_postgres.attach(folder) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE fresh")
        url = server.url.replace("/postgres?", "/fresh?")
        variables = environment(
            EASEL_DATABASE_URL=url, EASEL_SECRET=SECRET, EASEL_ENGINE="blank", EASEL_DATA_DIR=str(folder)
        )
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "easel", "worker"],
                env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            for _ in range(10)
        ]  # fmt: skip
        try:
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
            with psycopg.connect(url) as connection:
                count = connection.execute("SELECT count(*), count(DISTINCT name) FROM easel_migrations").fetchone()
                assert count is not None
                assert count[0] == count[1] > 1
                assert connection.execute("SELECT count(*) FROM installation").fetchone() == (1,)
        finally:
            for process in processes:
                process.terminate()
            said = [process.communicate(timeout=60)[1].decode() for process in processes]
        assert [process.returncode for process in processes] == [0] * 10, said
