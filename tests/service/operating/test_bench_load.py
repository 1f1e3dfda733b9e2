"""The load generator of `make bench`, where it measures callbacks and slow connections: a few of each, of a real
service.

Figures are not judged here; whether what it says is what happened is.
"""

import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
from bench.contender import ROOT
from bench.load.plans import (
    Answer,
    CallbacksFound,
    CallbacksPlan,
    Plan,
    SlowFound,
    SlowPlan,
    Target,
    TasksFound,
    TasksPlan,
)
from bench.receiver import CallbackReceiver

from tests.support.data_folders import prepared_folder, reachable_folder
from tests.support.running_service import Service

HOST = "127.0.0.1"
TASKS = 30
SOCKETS = 30


@pytest.fixture(scope="module")
def receiver() -> Iterator[CallbackReceiver]:
    with reachable_folder() as folder:
        running = CallbackReceiver(folder)
        yield running
        running.stop()


@pytest.fixture(scope="module")
def calling(receiver: CallbackReceiver) -> Iterator[Service]:
    """A service that can call the receiver."""
    settings = {name.removeprefix("EASEL_").lower(): value for name, value in receiver.settings().items()}
    with prepared_folder() as folder, Service(folder, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def target(calling: Service) -> Target:
    return Target(HOST, calling.port, [calling.new_key("measured")])


def found(plan: Plan) -> object:
    """What a generator of its own says when it has done a plan."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"], input=msgspec.json.encode(plan), capture_output=True, cwd=ROOT, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    begin, end, answer = done.stdout.splitlines()
    assert (begin, end) == (b"begin", b"end")
    return msgspec.json.decode(answer, type=Answer).found


@pytest.mark.parametrize("is_held", [False, True])
def test_the_bench_counts_each_callback_once_and_after_the_end_of_its_task(
    calling: Service, target: Target, receiver: CallbackReceiver, *, is_held: bool
) -> None:
    before = receiver.arrivals()
    told = found(CallbacksPlan(target, receiver.target(), TASKS, 4, is_held=is_held))
    assert isinstance(told, CallbacksFound)
    assert (told.wanted, told.delivered, told.refused) == (TASKS, TASKS, 0)
    assert told.seconds > 0
    arrived = receiver.arrivals().keys() - before.keys()
    with calling.database() as connection:
        ended = dict(connection.execute("SELECT id, extract(epoch FROM ended_at)::float FROM tasks").fetchall())
    assert len(arrived) == TASKS
    assert all(receiver.arrivals()[task_id] >= ended[task_id] for task_id in arrived)


def test_the_bench_measures_reads_while_all_slow_connections_are_open(target: Target) -> None:
    told = found(SlowPlan(target, SOCKETS, seconds=0.2, rounds=2))
    assert isinstance(told, SlowFound)
    assert told.open_at_least == told.sockets == SOCKETS
    assert told.opened == 2 * SOCKETS
    assert told.reads > 0
    assert 0 < told.alone.p50_ms <= told.alone.p99_ms
    assert 0 < told.beside.p50_ms <= told.beside.p99_ms


def test_the_bench_reads_no_task_that_it_only_counts(calling: Service, target: Target) -> None:
    told = found(TasksPlan(target, TASKS, connections=4, time_max_s=30, is_verified=False))
    assert isinstance(told, TasksFound)
    assert (told.completed, told.missing, told.refused) == (TASKS, 0, 0)
    with calling.database() as connection:
        ended = connection.execute("SELECT count(*) FROM tasks WHERE status = 'completed'").fetchone()
    assert ended is not None
    assert ended[0] >= TASKS
