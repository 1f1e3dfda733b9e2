"""Callbacks when processes die and names lead astray: nothing is lost, an attempt is at most repeated, and nothing
internal is reached."""

import itertools
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from easel.actions.deliver import LOOK_EVERY_S
from tests.support.callback_receiver import CallbackReceiver, Received
from tests.support.data_folders import prepared_folder
from tests.support.name_server import NameServer, name_server
from tests.support.patience import eventually
from tests.support.running_fleet import Fleet
from tests.support.running_service import Service, finish, submit

CLAIM_RUNS_OUT_S = 90
"""A claim's 13 seconds, the look that comes after it, and a busy machine."""


def await_callback(client: httpx2.Client, task_id: str, state: str) -> dict[str, Any]:
    def shown() -> dict[str, Any] | None:
        callback: dict[str, Any] = client.get(f"/v1/tasks/{task_id}/callback").json()
        return callback if callback["state"] == state else None

    found = eventually(shown, CLAIM_RUNS_OUT_S)
    assert found is not None
    return found


def kill_worker(service: Service) -> None:
    os.kill(service.child_pid("worker 1"), signal.SIGKILL)


def assert_one_message(received: list[Received]) -> None:
    assert len({each.headers["webhook-id"] for each in received}) == 1
    assert len({each.body for each in received}) == 1


def test_an_attempt_interrupted_by_a_workers_death_is_repeated_with_the_same_body(
    calling: Service, receiver: CallbackReceiver, account: str
) -> None:
    killed = threading.Event()

    def die_once(_: Received) -> int | None:
        if killed.is_set():
            return 200
        killed.set()
        kill_worker(calling)
        return None

    receiver.answers["/during"] = die_once
    with calling.client(calling.new_key(account)) as client:
        task = submit(client, callback_url=receiver.url("/during"))
        received = receiver.await_received("/during", 2, CLAIM_RUNS_OUT_S)
        shown = await_callback(client, task["id"], "delivered")
    assert_one_message(received)
    assert [each["outcome"] for each in shown["attempts"]] == ["interrupted", "delivered"]
    assert len(receiver.received("/during")) == 2


def test_a_worker_that_dies_right_after_an_attempt_causes_at_most_one_repetition(
    calling: Service, receiver: CallbackReceiver, account: str
) -> None:
    killers: list[threading.Timer] = []

    def die_afterwards(_: Received) -> int:
        if not killers:
            killers.append(threading.Timer(0.002, kill_worker, [calling]))
            killers[0].start()
        return 200

    receiver.answers["/after"] = die_afterwards
    with calling.client(calling.new_key(account)) as client:
        task = submit(client, callback_url=receiver.url("/after"))
        await_callback(client, task["id"], "delivered")
        killers[0].join()
    received = receiver.received("/after")
    assert 1 <= len(received) <= 2
    assert_one_message(received)


def test_tasks_that_ended_without_a_worker_send_their_callbacks_when_one_starts(receiver: CallbackReceiver) -> None:
    with prepared_folder() as folder, Fleet(folder, webs=[receiver.settings()]) as fleet:
        with fleet.client(fleet.issue().key) as client:
            tasks = [submit(client, callback_url=receiver.url("/before")) for _ in range(20)]
            for task in tasks:
                assert client.post(f"/v1/tasks/{task['id']}/cancel").status_code == 200
            time.sleep(0.5)
            assert receiver.received("/before") == []
            with fleet.worker(receiver.settings()):
                received = receiver.await_received("/before", len(tasks))
                for task in tasks:
                    await_callback(client, task["id"], "delivered")
        assert {each.headers["webhook-id"] for each in received} == {f"msg_{task['id']}" for task in tasks}
        assert len(receiver.received("/before")) == len(tasks)


def test_three_workers_deliver_each_callback_once(receiver: CallbackReceiver) -> None:
    settings = receiver.settings()
    with prepared_folder() as folder, Fleet(folder, webs=[settings], workers=[settings] * 3) as fleet:
        key = fleet.issue().key
        body = {"model": "z-image-turbo", "prompt": "a cat", "size": "376x376", "callback_url": receiver.url("/three")}
        answers = fleet.race(key, 60, body)
        assert {answer.status_code for answer in answers} == {200}
        receiver.await_received("/three", 60)
        with fleet.client(key) as client:
            for answer in answers:
                await_callback(client, answer.json()["id"], "delivered")
    received = receiver.received("/three")
    # Whoever ends an attempt looks for more; if nobody did, nothing would come until the next look.
    times_s = sorted(each.at_s for each in received)
    assert max(later - earlier for earlier, later in itertools.pairwise(times_s)) < 0.7 * LOOK_EVERY_S
    ids = [each.headers["webhook-id"] for each in received]
    assert len(ids) == len(set(ids)) == 60


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    with name_server() as running:
        yield running


@pytest.fixture(scope="module")
def misled(names: NameServer) -> Iterator[Service]:
    """A service that can call no internal address and uses a name server that resolves to some."""
    with prepared_folder() as folder, Service(folder, callback_nameservers=names.address) as running:
        yield running


def test_a_name_that_resolves_to_an_internal_address_or_to_none_is_reported_and_never_dialled(
    misled: Service, names: NameServer, account: str
) -> None:
    names.zone["inside.easel-callbacks.com"] = ["127.0.0.1"]
    names.zone["mixed.easel-callbacks.com"] = ["1.1.1.1", "::1"]
    expected = {"inside": "refused", "mixed": "refused", "nobody": "dns_failed"}
    with socket.create_server(("127.0.0.1", 0)) as trap, misled.client(misled.new_key(account)) as client:
        trap.setblocking(False)
        port = trap.getsockname()[1]
        tasks = {
            host: submit(client, callback_url=f"https://{host}.easel-callbacks.com:{port}/secrets")["id"]
            for host in expected
        }
        for host, outcome in expected.items():
            shown = await_callback(client, tasks[host], "failed")
            assert [each["outcome"] for each in shown["attempts"]] == [outcome] * 4
            assert {each["status_code"] for each in shown["attempts"]} == {None}
            assert finish(client, tasks[host])["status"] == "completed"
        with pytest.raises(BlockingIOError):
            trap.accept()


def test_internal_callback_addresses_are_refused_with_the_order_by_default(misled: Service, account: str) -> None:
    with misled.client(misled.new_key(account)) as client:
        for url in ("https://127.0.0.1/", "https://10.0.0.5:8443/", "https://hooks.corp.internal/", "http://a.com/"):
            order = {"model": "z-image-turbo", "prompt": "a cat", "callback_url": url}
            answer = client.post("/v1/images/generations", json=order)
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, "callback_url")
