"""Engines that cannot draw any more cost neither money nor the queue."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from easel.assembly.worker import EXIT_DEVICE_LOST
from easel.live.circuit_breaker import FAILURES_MAX, PAUSES_S
from tests.support import faulty_engine, image_server
from tests.support.data_folders import prepared_folder
from tests.support.faults import another_worker, assert_picture_is_there, deaths, entries, events
from tests.support.faulty_engine import POISON, UNLUCKY
from tests.support.image_server import draws, says
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, read_task, submit

ORDERED: Final = 12


@pytest.fixture
def on_a_gpu(tmp_path: Path) -> Iterator[Service]:
    """A service whose one worker loses its device when a prompt says so."""
    with prepared_folder() as folder:
        service = Service(folder, workers="1", blank_step_s="0.02")
        service.environment |= faulty_engine.environment(tmp_path / "site")
        with service:
            yield service


def test_a_worker_whose_device_is_lost_ends_and_its_task_and_the_queue_are_drawn(on_a_gpu: Service) -> None:
    worker = on_a_gpu.child_pid("worker 1")
    with on_a_gpu.client(on_a_gpu.new_key("unlucky")) as client:
        unlucky = submit(client, prompt=UNLUCKY)
        others = [submit(client) for _ in range(4)]
        for task in [unlucky, *others]:
            assert_picture_is_there(client, finish(client, task["id"]))
    eventually(lambda: on_a_gpu.child_pid("worker 1") != worker)
    assert [line["status"] for line in events(on_a_gpu, "child_exited")] == [EXIT_DEVICE_LOST]
    assert "illegal memory access" in events(on_a_gpu, "device_lost")[0]["reason"]
    assert {deaths(on_a_gpu, task["id"]) for task in others} == {0}
    for task in [unlucky, *others]:
        assert entries(on_a_gpu, task["id"]) == ["hold", "capture"]
    on_a_gpu.audit()


def test_a_task_that_costs_the_device_three_times_fails_uncharged_and_the_queue_is_drawn(on_a_gpu: Service) -> None:
    with on_a_gpu.client(on_a_gpu.new_key("poison")) as client:
        poison, other = submit(client, prompt=POISON), submit(client)
        failed = finish(client, poison["id"])
        assert (failed["status"], failed["error"]["code"]) == ("failed", "service_error")
        assert_picture_is_there(client, finish(client, other["id"]))
    assert deaths(on_a_gpu, poison["id"]) == 3
    assert entries(on_a_gpu, poison["id"]) == ["hold", "release"]
    on_a_gpu.audit()


def test_an_engine_that_fails_at_everything_is_paused_and_the_queue_waits_until_it_draws_again() -> None:
    with image_server.image_server(says(500, "broken")) as server, prepared_folder() as folder:
        settings = {"engine": "remote", "remote_url": server.url, "remote_draws_at_once": "1", "workers": "1"}
        with Service(folder, **settings) as service, service.client(service.new_key("patient")) as client:
            ids = [submit(client)["id"] for _ in range(ORDERED)]
            eventually(lambda: client.get("/readyz").json()["workers_paused"] == 1)
            statuses = [read_task(client, task_id)["status"] for task_id in ids]
            assert statuses == ["failed"] * FAILURES_MAX + ["pending"] * (ORDERED - FAILURES_MAX)
            assert client.get("/readyz").json()["workers"] == 1
            told = service.cli("doctor", check=False).stdout
            assert (
                "PROBLEM  workers    1 worker takes no tasks, because its engine fails: "
                "The image server failed (it answered 500)\n"
            ) in told
            (paused,) = events(service, "engine_paused")
            assert paused["reason"] == "The image server failed (it answered 500)"
            server.behaves(draws())
            for task_id in ids[FAILURES_MAX:]:
                assert_picture_is_there(client, finish(client, task_id))
            assert len(events(service, "engine_resumed")) == 1
            eventually(lambda: client.get("/readyz").json()["workers_paused"] == 0)
            assert [entries(service, task_id)[-1] for task_id in ids] == ["release"] * FAILURES_MAX + ["capture"] * (
                ORDERED - FAILURES_MAX
            )
            service.audit()


def test_while_one_worker_is_paused_another_draws_and_a_paused_one_stops_at_once() -> None:
    with (
        image_server.image_server(says(500, "broken")) as broken,
        image_server.image_server(draws()) as working,
        prepared_folder() as folder,
    ):
        settings = {"engine": "remote", "remote_url": broken.url, "remote_draws_at_once": "1", "workers": "1"}
        with Service(folder, **settings) as service, service.client(service.new_key("patient")) as client:
            first = [submit(client)["id"] for _ in range(FAILURES_MAX)]
            assert {finish(client, task_id)["status"] for task_id in first} == {"failed"}
            with another_worker(service, remote_url=working.url):
                later = [submit(client)["id"] for _ in range(FAILURES_MAX)]
                assert {finish(client, task_id)["status"] for task_id in later} == {"completed"}
                assert client.get("/readyz").json()["workers"] == 2
            stopped_at_s = time.monotonic()
            service.stop()
            assert time.monotonic() - stopped_at_s < PAUSES_S[0] / 2
