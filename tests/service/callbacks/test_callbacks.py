"""Callbacks: delivery after the end of a task, signatures, retries, inspection, redelivery and deletion."""

import itertools
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook

from easel.actions.deliver import PER_RECEIVER_MAX
from easel.domain.delivery import ATTEMPT_TIMEOUT_S, RETRY_DELAYS_S
from tests.support.callback_receiver import CallbackReceiver, Received, receiving
from tests.support.data_folders import prepared_folder
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, submit

EARLY_S = 0.1
"""By how much an attempt may seem to come too soon, since it counts from an answer that was sent a moment before."""
LATE_S = 0.5


@pytest.fixture
def client(calling: Service, account: str) -> Iterator[httpx2.Client]:
    with calling.client(calling.new_key(account)) as client:
        yield client


def secret_of(service: Service, account: str, *options: str) -> list[str]:
    """The secrets shown by the command line, newest first."""
    shown = service.cli("keys", "callback-secret", "--account", account, "--json", *options)
    secrets: list[str] = json.loads(shown.stdout)["secrets"]
    return secrets


def callback_of(client: httpx2.Client, task_id: str) -> dict[str, Any]:
    """A task's callback as the service shows it."""
    response = client.get(f"/v1/tasks/{task_id}/callback")
    assert response.status_code == 200, response.text
    shown: dict[str, Any] = response.json()
    return shown


def await_state(client: httpx2.Client, task_id: str, state: str) -> dict[str, Any]:
    """Wait until a task's callback is in this state, and return it."""
    eventually(lambda: callback_of(client, task_id)["state"] == state)
    return callback_of(client, task_id)


def test_a_completed_task_is_delivered_once_with_exactly_the_bytes_of_a_read(
    client: httpx2.Client, receiver: CallbackReceiver, calling: Service, account: str
) -> None:
    task = submit(client, callback_url=receiver.url("/completed"))
    (received,) = receiver.await_received("/completed")
    assert received.body == client.get(f"/v1/tasks/{task['id']}").content
    assert json.loads(received.body)["status"] == "completed"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["accept-encoding"] == "identity"
    assert received.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert received.headers["webhook-id"] == f"msg_{task['id']}"
    assert "cookie" not in received.headers
    Webhook(secret_of(calling, account)[0]).verify(received.body, dict(received.headers))
    shown = await_state(client, task["id"], "delivered")
    (attempt,) = shown.pop("attempts")
    assert shown == {
        "id": f"msg_{task['id']}", "next_attempt_at": None, "object": "callback", "state": "delivered",
        "task_id": task["id"], "url": receiver.url("/completed"),
    }  # fmt: skip
    assert (attempt["number"], attempt["outcome"], attempt["status_code"]) == (1, "delivered", 200)
    assert -2 < received.at_s - attempt["at"] < ATTEMPT_TIMEOUT_S
    assert 0 <= attempt["duration_ms"] < 1000 * ATTEMPT_TIMEOUT_S
    assert len(receiver.received("/completed")) == 1


def test_many_callbacks_share_few_connections(client: httpx2.Client, receiver: CallbackReceiver) -> None:
    connections = receiver.connections
    for _ in range(24):
        submit(client, callback_url=receiver.url("/many"))
    ids = {each.headers["webhook-id"] for each in receiver.await_received("/many", 24)}
    assert len(ids) == 24
    assert receiver.connections - connections <= PER_RECEIVER_MAX


def test_credits_are_settled_before_a_callback_is_sent(client: httpx2.Client, receiver: CallbackReceiver) -> None:
    spent = []

    def look(_: Received) -> int:
        spent.append(client.get("/v1/credits").json()["data"]["user"]["used_credits"])
        return 200

    receiver.answers["/settled"] = look
    submit(client, callback_url=receiver.url("/settled"))
    receiver.await_received("/settled")
    eventually(lambda: spent == [0.026])


def test_failed_and_cancelled_tasks_send_callbacks_too(receiver: CallbackReceiver, account: str) -> None:
    settings = {"blank_step_s": "1.2", "draw_timeout_s": "2", **receiver.settings()}
    with prepared_folder() as folder, Service(folder, **settings) as slow:
        with slow.client(slow.new_key(account)) as client:
            failing = submit(client, callback_url=receiver.url("/failed"))
            waiting = submit(client, callback_url=receiver.url("/cancelled"))
            assert callback_of(client, waiting["id"])["state"] == "waiting"
            assert client.post(f"/v1/tasks/{waiting['id']}/callback/redeliver").status_code == 409
            assert client.post(f"/v1/tasks/{waiting['id']}/cancel").status_code == 200
            (cancelled,) = receiver.await_received("/cancelled")
            (failed,) = receiver.await_received("/failed")
            for task, received, code in (
                (failing, failed, "generation_timeout"),
                (waiting, cancelled, "request_cancelled"),
            ):
                assert received.body == client.get(f"/v1/tasks/{task['id']}").content
                assert json.loads(received.body)["error"]["code"] == code
        slow.audit()


def assert_delays(gaps_s: list[float]) -> None:
    """Fails unless these are the delays of 1, 2 and 4 seconds: none shorter, and on a busy machine one longer."""
    late_s = sorted(gap_s - delay_s for gap_s, delay_s in zip(gaps_s, RETRY_DELAYS_S, strict=True))
    assert late_s[0] >= -EARLY_S, gaps_s
    assert late_s[1] < LATE_S, gaps_s


def test_failed_attempts_are_repeated_after_1_2_and_4_seconds_with_the_same_body(
    client: httpx2.Client, receiver: CallbackReceiver, calling: Service, account: str
) -> None:
    receiver.answer_in_turn("/thrice", 500, 503, 429, 204)
    receiver.answer_in_turn("/never", 500, 302, 404, 418, 200)
    third, never = (submit(client, callback_url=receiver.url(path)) for path in ("/thrice", "/never"))
    webhook = Webhook(secret_of(calling, account)[0])
    for path in ("/thrice", "/never"):
        attempts = receiver.await_received(path, 4)
        gaps_s = [later.at_s - earlier.at_s for earlier, later in itertools.pairwise(attempts)]
        assert_delays(gaps_s)
        assert len({received.body for received in attempts}) == 1
        assert len({received.headers["webhook-id"] for received in attempts}) == 1
        for received in attempts:
            webhook.verify(received.body, dict(received.headers))
    delivered, failed = await_state(client, third["id"], "delivered"), await_state(client, never["id"], "failed")
    assert [each["status_code"] for each in delivered["attempts"]] == [500, 503, 429, 204]
    assert [each["outcome"] for each in delivered["attempts"]] == ["answered"] * 3 + ["delivered"]
    assert [each["status_code"] for each in failed["attempts"]] == [500, 302, 404, 418]
    assert failed["next_attempt_at"] is None

    again = client.post(f"/v1/tasks/{never['id']}/callback/redeliver")
    assert (again.status_code, again.json()["state"]) == (200, "delivering")
    all_five = receiver.await_received("/never", 5)
    assert len({each.headers["webhook-id"] for each in all_five}) == 1
    assert len({each.body for each in all_five}) == 1
    assert [each["number"] for each in await_state(client, never["id"], "delivered")["attempts"]] == [1, 2, 3, 4, 5]


def test_the_next_attempt_is_announced_and_cannot_be_requested_early(
    client: httpx2.Client, receiver: CallbackReceiver
) -> None:
    receiver.answer_in_turn("/later", 500)
    task = submit(client, callback_url=receiver.url("/later"))

    def announced() -> dict[str, Any] | None:
        shown = callback_of(client, task["id"])
        is_between = shown["attempts"] and shown["attempts"][-1]["outcome"] == "answered"
        return shown if is_between and shown["next_attempt_at"] is not None else None

    shown = eventually(announced, every_s=0.02)
    assert shown is not None
    refused = client.post(f"/v1/tasks/{task['id']}/callback/redeliver")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "callback_under_way")
    number = len(shown["attempts"])
    assert shown["state"] == "delivering"
    ended_at_s = receiver.received("/later")[number - 1].at_s + shown["attempts"][-1]["duration_ms"] / 1000
    # In whole seconds, and from when the answer had been read.
    assert -1.1 <= shown["next_attempt_at"] - (ended_at_s + RETRY_DELAYS_S[number - 1]) <= 3


def test_a_callback_is_visible_to_its_account_only_and_a_task_without_one_says_so(
    client: httpx2.Client, receiver: CallbackReceiver, calling: Service, account: str
) -> None:
    task, plain = submit(client, callback_url=receiver.url("/own")), submit(client)
    await_state(client, task["id"], "delivered")
    with calling.client(calling.new_key(f"{account}-stranger")) as stranger:
        paths = [f"/v1/tasks/{task['id']}/callback", f"/v1/tasks/{task['id']}/callback/redeliver"]
        answers = [stranger.get(paths[0]), stranger.post(paths[1])]
        assert [(each.status_code, each.json()["error"]["code"]) for each in answers] == [(404, "task_not_found")] * 2
    with calling.client(calling.new_key(account, "1", "--scope", "read")) as reader:
        assert reader.get(paths[0]).status_code == 200
        assert reader.post(paths[1]).status_code == 403
    for path, status, code in (
        (f"/v1/tasks/{plain['id']}/callback", 404, "callback_not_found"),
        ("/v1/tasks/nothing/callback", 400, "invalid_task_id"),
        ("/v1/tasks/task-unified-1757165031-uyujaw3d/callback", 404, "task_not_found"),
    ):
        for answer in (client.get(path), client.post(f"{path}/redeliver")):
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_hanging_receiver_delays_neither_drawing_nor_other_callbacks(
    client: httpx2.Client, receiver: CallbackReceiver, calling: Service, account: str
) -> None:
    released = threading.Event()
    with receiving(calling.data_dir) as hanging:

        def hang(_: Received) -> None:
            released.wait(30)

        hanging.answers["/hang"] = hang
        settings = {
            "callback_allow_hosts": f"127.0.0.1:{hanging.port},127.0.0.1:{receiver.port}",
            "callback_ca_file": str(calling.data_dir / "both.pem"),
        }
        (calling.data_dir / "both.pem").write_text(hanging.ca_file.read_text() + receiver.ca_file.read_text())
        with (
            prepared_folder() as folder,
            Service(folder, **settings) as service,
            service.client(service.new_key(account)) as many,
            service.client(service.new_key("other")) as other,
        ):
            with ThreadPoolExecutor(16) as pool:
                order = {**ORDER, "callback_url": hanging.url("/hang")}
                list(pool.map(lambda _: many.post(GENERATIONS, json=order).raise_for_status(), range(100)))
            hung_at_s = time.monotonic()
            hanging.await_received("/hang", 8)
            for number in range(5):
                task = submit(other, callback_url=receiver.url(f"/quick-{number}"))
                receiver.await_received(f"/quick-{number}")
                assert finish(other, task["id"])["status"] == "completed"
                if time.monotonic() - hung_at_s > 0.8 * ATTEMPT_TIMEOUT_S:
                    break  # on a busy machine, before others take the places of those that hang
            assert number > 0
            assert len(hanging.received("/hang")) == 8, "so many connections to one receiver, and no more"
            released.set()


def test_during_a_rotation_both_secrets_sign_and_afterwards_only_the_new_one(
    client: httpx2.Client, receiver: CallbackReceiver, calling: Service, account: str
) -> None:
    def signed(path: str) -> tuple[Received, int]:
        submit(client, callback_url=receiver.url(path))
        (received,) = receiver.await_received(path)
        return received, len(received.headers["webhook-signature"].split())

    (first,) = secret_of(calling, account)
    assert secret_of(calling, account) == [first]
    second, still = secret_of(calling, account, "--rotate", "--overlap", "1h")
    assert (still, second == first) == (first, False)
    received, count = signed("/both")
    assert count == 2
    for secret in (first, second):
        Webhook(secret).verify(received.body, dict(received.headers))
    (third,) = secret_of(calling, account, "--rotate", "--overlap", "0")
    received, count = signed("/one")
    assert count == 1
    Webhook(third).verify(received.body, dict(received.headers))


def test_each_account_has_its_own_callback_secret(calling: Service, account: str) -> None:
    for name in (account, f"{account}-other"):
        calling.new_key(name)
    assert secret_of(calling, account) != secret_of(calling, f"{account}-other")
    unknown = calling.cli("keys", "callback-secret", "--account", "nobody", check=False)
    assert (unknown.returncode, "no account of that name" in unknown.stderr) == (1, True)


def test_a_deleted_task_still_sends_its_callback_and_is_no_longer_shown(
    client: httpx2.Client, receiver: CallbackReceiver
) -> None:
    receiver.answer_in_turn("/deleted", 500, 200)
    task = submit(client, callback_url=receiver.url("/deleted"))
    receiver.await_received("/deleted")
    assert client.delete(f"/v1/tasks/{task['id']}").status_code == 200
    gone = client.get(f"/v1/tasks/{task['id']}/callback")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "callback_not_found")
    bodies = [received.body for received in receiver.await_received("/deleted", 2)]
    assert bodies[0] == bodies[1]


def test_the_command_line_lists_shows_and_redelivers(
    client: httpx2.Client, receiver: CallbackReceiver, calling: Service, account: str
) -> None:
    receiver.answer_in_turn("/shown", 200)
    task = submit(client, callback_url=receiver.url("/shown"))
    await_state(client, task["id"], "delivered")
    listed = calling.cli("callbacks", "list", "--account", account, "--state", "delivered").stdout
    assert task["id"] in listed
    assert "delivered 200" in listed
    assert task["id"] not in calling.cli("callbacks", "list", "--account", account, "--state", "failed").stdout
    shown = json.loads(calling.cli("callbacks", "show", task["id"]).stdout)
    assert shown == callback_of(client, task["id"])
    assert "Callbacks to deliver again: 1." in calling.cli("callbacks", "redeliver", task["id"]).stdout
    receiver.await_received("/shown", 2)
    refused = calling.cli("callbacks", "redeliver", "task-unified-1757165031-uyujaw3d", check=False)
    assert (refused.returncode, "could not be found" in refused.stderr) == (1, True)


def test_no_address_secret_or_body_of_a_receiver_is_logged(
    client: httpx2.Client, receiver: CallbackReceiver, calling: Service, account: str
) -> None:
    task = submit(client, callback_url=receiver.url("/private?token=dont-log-this"))
    await_state(client, task["id"], "delivered")
    log = calling.log_file.read_text()
    assert '"callback_attempted"' in log
    assert "dont-log-this" not in log
    assert secret_of(calling, account)[0] not in log
