"""A whole service with the sdcpp engine, whose child is a stand-in: tasks, estimates, previews, children that die."""

import shlex
import sys
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.support import sdcpp_stand_in
from tests.support.data_folders import prepared_folder
from tests.support.event_stream import EventStream
from tests.support.faults import events
from tests.support.gguf_files import write_model
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, submit

MINUTES_S = 300


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings for a stand-in in the place of another Python."""
    folder = write_model(tmp_path_factory.mktemp("model"))
    program = folder / "python"
    program.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(sdcpp_stand_in.__file__)} good\n")
    program.chmod(0o755)
    return {"engine": "sdcpp", "sdcpp_model": str(folder), "sdcpp_python": str(program), "sdcpp_threads": "2"}


@pytest.fixture(scope="module")
def small(settings: dict[str, str]) -> Iterator[Service]:
    with prepared_folder() as folder, Service(folder, **settings) as running:
        yield running


@pytest.fixture
def client(small: Service) -> Iterator[httpx2.Client]:
    with small.client(small.new_key("painter")) as client:
        yield client


def estimate(task: dict[str, Any]) -> int:
    """Seconds until the task ends, as its answer says."""
    return int(task["task_info"]["estimated_time"])


def test_tasks_survive_children_that_die_and_estimates_know_the_engine(small: Service, client: httpx2.Client) -> None:
    first = submit(client, prompt="a heron", size="400x376")
    # On two cores, a picture of 1024x1024 takes three quarters of an hour.
    assert estimate(first) > MINUTES_S
    drawn = finish(client, first["id"])
    assert (drawn["status"], drawn["result_data"][0]["engine"]) == ("completed", "sdcpp")
    started = len(events(small, "child_started"))
    assert finish(client, submit(client, prompt="aborts once")["id"])["status"] == "completed"
    failed = finish(client, submit(client, prompt="aborts")["id"])
    assert (failed["status"], failed["error"]["code"]) == ("failed", "service_error")
    empty = finish(client, submit(client, prompt="uniform")["id"])
    assert empty["error"]["code"] == "generation_failed_no_content"
    # What was measured counts within a second or two.
    eventually(lambda: estimate(submit(client)) < MINUTES_S, every_s=0.5)
    last = submit(client, prompt="a heron again")
    assert estimate(last) < MINUTES_S
    assert finish(client, last["id"])["status"] == "completed"
    assert len(events(small, "child_started")) == started
    assert len(events(small, "sdcpp_child_exited")) == 2


def test_a_spectator_of_a_task_sees_previews_of_the_child(settings: dict[str, str]) -> None:
    # A service of its own, because estimates of the other are about a worker that has drawn nothing.
    with (
        prepared_folder() as folder,
        Service(folder, **settings) as running,
        running.client(running.new_key("spectator")) as client,
    ):
        task = submit(client, prompt="is watched slowly")
        with EventStream(client, task["id"], query="?previews=true") as stream:
            names = [event.name for event in stream]
    assert "preview" in names
    assert names[-1] == "completed"


def test_the_doctor_lists_what_this_machine_can_draw_with(small: Service) -> None:
    listed = small.cli("doctor", "--engines").stdout.splitlines()
    (line,) = [line for line in listed if line.startswith("yes  sdcpp")]
    assert "turbo.gguf" in line
    assert "cyllama 0.7.0, which finds CPU (stand-in); 1024x1024 in about 43 minutes" in line
    assert [line.split()[1] for line in listed] == ["sketch", "zimage", "sdcpp", "remote"]
    assert any("no   remote   needs EASEL_REMOTE_URL: the address" in line for line in listed)
