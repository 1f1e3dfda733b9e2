"""Logs of several processes on one descriptor: each event has its own line, and a stop writes nothing else."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from easel.runtime.log_lines import LOCK_S_MAX, WholeLines
from tests.support.data_folders import prepared_folder
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, ORDER, Service

WRITERS: Final = 4
EVENTS_MIN: Final = 50
COUNTS: Final = {40: 60, 5_000: 60, 200_000: 12}
"""How many lines of each length a process writes: below what the kernel takes at once for a pipe (4096 bytes), above
it, and above what a pipe holds (64 KB). Many of the longest would keep a writer waiting for longer than LOCK_S_MAX."""


@contextmanager
def writing(length: int, to: int) -> Iterator[None]:
    """Run processes that write to one descriptor, and wait for their end."""
    command = [sys.executable, "-m", "tests.support.log_writer"]
    with ExitStack() as running:
        writers = [
            running.enter_context(
                subprocess.Popen([*command, f"writer-{number}", str(COUNTS[length]), str(length)], stderr=to)
            )
            for number in range(WRITERS)
        ]
        yield
    assert [writer.returncode for writer in writers] == [0] * WRITERS


def assert_whole(said: bytes, length: int) -> None:
    events = [json.loads(line) for line in said.splitlines()]
    assert Counter(event["process"] for event in events) == dict.fromkeys(
        (f"writer-{number}" for number in range(WRITERS)), COUNTS[length]
    )


@pytest.mark.parametrize("length", COUNTS)
def test_log_lines_of_several_processes_on_one_pipe_stay_whole(length: int) -> None:
    read_end, write_end = os.pipe()
    with writing(length, write_end), os.fdopen(read_end, "rb") as pipe:
        os.close(write_end)
        said = pipe.read()
    assert_whole(said, length)


@pytest.mark.parametrize("mode", ["ab", "wb"])
def test_log_lines_of_several_processes_in_one_file_stay_whole(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "log"
    with file.open(mode) as log, writing(5_000, log.fileno()):
        pass
    assert_whole(file.read_bytes(), 5_000)


def test_a_nonblocking_pipe_gets_whole_lines_too() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    lines, said = WholeLines(writing), bytearray()

    def read() -> None:
        while part := os.read(reading, 1000):
            said.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(5):
        lines.write(json.dumps({"number": number, "filling": "x" * 150_000}) + "\n")
    os.close(writing)
    reader.join()
    os.close(reading)
    assert [json.loads(line)["number"] for line in said.splitlines()] == [0, 1, 2, 3, 4]


def test_a_full_pipe_or_a_frozen_process_blocks_no_logger() -> None:
    reading, writing = os.pipe()
    lines = WholeLines(writing)
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import fcntl, sys, time; fcntl.lockf({writing}, fcntl.LOCK_EX); print(1, flush=True); time.sleep(60)"],
        pass_fds=[writing], stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        began_s = time.monotonic()
        for _ in range(20):
            lines.write("while another holds the lock\n")
            assert os.read(reading, 100) == b"while another holds the lock\n"
        assert time.monotonic() - began_s < 10 * LOCK_S_MAX, "a frozen process was waited for again and again"
    finally:
        holder.kill()
        holder.communicate()
    os.close(reading)
    lines.write("nobody reads\n")
    os.close(writing)
    lines.write("nobody can\n")


class Crowd:
    """Clients that order, wait, stream and read until they are stopped."""

    def __init__(self, service: Service, key: str) -> None:
        self._service = service
        self._key = key
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(12)]

    def __enter__(self) -> "Crowd":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(40)

    def _run(self, number: int) -> None:
        with self._service.client(self._key) as client:
            while not self._is_over.is_set():
                try:
                    self._ask(client, number)
                except (httpx2.HTTPError, KeyError):  # it stops, or is refused
                    time.sleep(0.02)

    def _ask(self, client: httpx2.Client, number: int) -> None:
        kind = number % 4
        if kind == 0:
            client.get("/v1/tasks")
            return
        headers = {"prefer": "wait=5"} if kind == 1 else {}
        task: dict[str, Any] = client.post(GENERATIONS, json=ORDER, headers=headers).json()
        if kind == 2:
            with client.stream("GET", f"/v1/tasks/{task['id']}/events") as stream:
                stream.read()


@contextmanager
def busy_service(drain_s: int) -> Iterator[Service]:
    limits = {"creates_per_minute": "100000", "reads_per_minute": "1000000", "unfinished_max": "100000"}
    with prepared_folder() as folder:
        yield Service(folder, blank_step_s="0.02", drain_timeout_s=str(drain_s), **limits)


def test_a_stop_under_load_logs_only_json_and_no_warning() -> None:
    with busy_service(drain_s=0) as service:
        service.start()
        greeted = service.log_file.read_bytes().index(b" is ready at ")
        with Crowd(service, service.new_key("crowd", "1000")):
            eventually(lambda: len(service.log_lines()) > 2 * EVENTS_MIN)
            assert service.stop() == 0
        said = service.log_file.read_bytes()[greeted:].splitlines()[1:]
        events = [json.loads(line) for line in said]
        assert [event for event in events if event["level"] not in {"debug", "info"}] == []
        assert len(events) > EVENTS_MIN
