"""`Idempotency-Key`: a repeated order is answered again, and drawn and charged once."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from easel.live.forecast import MEASUREMENT_LIFETIME_S
from tests.support.data_folders import prepared_folder
from tests.support.faults import entries
from tests.support.frozen import nobody_draws
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, submit

KEY = "order-0123456789"
PRICE = "0.026"


@pytest.fixture(scope="module")
def slow() -> Iterator[Service]:
    """A service that takes almost a second for a picture, with a backlog of at most three tasks."""
    with prepared_folder() as folder, Service(folder, workers="1", blank_step_s="0.1", backlog_max="3") as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[httpx2.Client]:
    """A client with a new account."""
    with service.client(service.new_key(f"idempotent-{os.urandom(6).hex()}")) as client:
        yield client


def order(client: httpx2.Client, key: str = KEY, /, **changes: Any) -> httpx2.Response:
    """Order with an idempotency key, and return the answer."""
    return client.post(GENERATIONS, json={**ORDER, **changes}, headers={"idempotency-key": key})


def assert_first(response: httpx2.Response) -> str:
    """Fails unless the order was accepted and not replayed. Returns its task's id."""
    assert response.status_code == 200, response.text
    assert "idempotency-replayed" not in response.headers
    return str(response.json()["id"])


def assert_replay(response: httpx2.Response, first: httpx2.Response) -> None:
    """Fails unless the answer repeats the first."""
    assert (response.status_code, response.content) == (200, first.content)
    assert response.headers["idempotency-replayed"] == "true"


def tasks_of(client: httpx2.Client) -> list[str]:
    """The ids of all tasks of an account, newest first."""
    page = client.get("/v1/tasks?page_size=50").json()
    assert page["total"] == len(page["data"])
    return [task["id"] for task in page["data"]]


def used_credits(client: httpx2.Client) -> float:
    used: float = client.get("/v1/credits").json()["data"]["user"]["used_credits"]
    return used


def test_a_repeated_order_is_answered_with_the_first_body_and_creates_no_second_task(
    service: Service, client: httpx2.Client
) -> None:
    first = order(client)
    task_id = assert_first(first)
    for _ in range(3):
        assert_replay(order(client), first)
    finish(client, task_id)
    assert_replay(order(client), first)
    assert client.delete(f"/v1/tasks/{task_id}").status_code == 200
    assert_replay(order(client), first)
    assert tasks_of(client) == [task_id]
    assert entries(service, task_id) == ["hold", "capture"]


def test_a_replay_of_a_cancelled_order_returns_the_first_body_and_orders_nothing(slow: Service) -> None:
    with slow.client(slow.new_key("cancelled")) as client, nobody_draws(slow):
        first = order(client)
        task_id = assert_first(first)
        assert client.post(f"/v1/tasks/{task_id}/cancel").status_code == 200
        assert_replay(order(client), first)
        assert tasks_of(client) == [task_id]
        assert used_credits(client) == 0


def test_a_replay_that_waits_returns_the_tasks_current_state(client: httpx2.Client) -> None:
    first = order(client)
    done = finish(client, assert_first(first))
    headers = {"idempotency-key": KEY, "prefer": "wait=10"}
    waited = client.post(GENERATIONS, json=ORDER, headers=headers)
    assert waited.json() == done
    assert (waited.headers["idempotency-replayed"], waited.headers["preference-applied"]) == ("true", "wait=10")
    assert_replay(order(client), first)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a cute cat "}, {"size": "377x376"}, {"size": "1:1"}, {"seed": 1}, {"nsfw_check": True},
        {"callback_url": "https://your-domain.com/done"}, {"output_format": "png"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_the_same_key_with_another_order_is_refused_and_orders_nothing(
    client: httpx2.Client, change: dict[str, Any]
) -> None:
    task_id = assert_first(order(client))
    refused = order(client, **change)
    assert refused.status_code == 409
    assert refused.json()["error"] == {
        "code": "idempotency_conflict",
        "message": "This Idempotency-Key was used with another order",
        "type": "invalid_request_error",
    }
    assert tasks_of(client) == [task_id]


@pytest.mark.parametrize(
    "body",
    [
        b'{"size":"1024x1024","prompt":"\\u732b","model":"z-image-turbo"}',
        b'{"model":"z-image-turbo","prompt":"\xe7\x8c\xab"}',
        b' { "prompt" : "\xe7\x8c\xab" ,\n "model" : "z-image-turbo", "size" : null }',
        b'{"model":"z-image-turbo","prompt":"\xe7\x8c\xab","seed":null,"nsfw_check":null,"callback_url":null}',
        b'{"model":"z-image-turbo","prompt":"\xe7\x8c\xab","size":"1:1","output_format":null}',
        b'{"model":"z-image-turbo","prompt":"\xe7\x8c\xab","size":"1:1","nsfw_check":false,"output_format":"webp"}',
        b'{"model":"z-image-turbo","prompt":"\xe7\x8c\xab","quality":"4K","n":3,"image_urls":[]}',
        b'{"model":"x","model":"z-image-turbo","prompt":"\xe7\x8c\xab"}',
    ],
)
def test_an_equivalent_order_in_another_notation_is_the_same_order(client: httpx2.Client, body: bytes) -> None:
    first = client.post(
        GENERATIONS,
        json={"model": "z-image-turbo", "prompt": "猫", "size": "1:1"},
        headers={"idempotency-key": KEY},
    )
    assert_first(first)
    assert_replay(client.post(GENERATIONS, content=body, headers={"idempotency-key": KEY}), first)


def test_an_idempotency_key_belongs_to_the_account_and_all_its_api_keys(
    service: Service, client: httpx2.Client
) -> None:
    account = f"idempotent-{os.urandom(6).hex()}"
    first = order(client)
    with service.client(service.new_key(account)) as one, service.client(service.new_key(account)) as another:
        theirs = order(one, prompt="a cute dog")
        assert assert_first(theirs) != assert_first(first)
        assert_replay(order(another, prompt="a cute dog"), theirs)
        assert order(another).status_code == 409
    assert_replay(order(client), first)


def test_of_twenty_identical_concurrent_orders_one_is_accepted_and_all_get_its_answer(service: Service) -> None:
    account = f"idempotent-{os.urandom(6).hex()}"
    both = [service.new_key(account), service.new_key(account)]
    together = threading.Barrier(20)

    def send(number: int) -> httpx2.Response:
        with service.client(both[number % 2]) as client:
            client.get("/v1/models")  # so that the connection stands
            together.wait()
            return order(client)

    for _ in range(3):
        with ThreadPoolExecutor(20) as at_once:
            answers = list(at_once.map(send, range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert sum("idempotency-replayed" not in answer.headers for answer in answers) <= 1
    with service.client(both[0]) as client:
        (task_id,) = tasks_of(client)
        finish(client, task_id)
        assert used_credits(client) == float(PRICE)
    assert entries(service, task_id) == ["hold", "capture"]
    service.audit()


def test_a_refused_order_does_not_use_up_its_idempotency_key(service: Service) -> None:
    account = f"idempotent-{os.urandom(6).hex()}"
    broke = service.new_key(account, "0.025")
    with service.client(broke) as client:
        assert order(client, seed=0).status_code == 400
        assert order(client, model="z-image-slow").status_code == 403
        assert order(client).status_code == 402
        service.cli("credits", "grant", "--account", account, "1")
        first = order(client)
        task_id = assert_first(first)
        assert order(client, seed=0).status_code == 400
        assert order(client, model="z-image-slow").status_code == 403
        assert_replay(order(client), first)
        assert tasks_of(client) == [task_id]


def test_an_order_without_the_scope_does_not_use_up_its_idempotency_key(service: Service) -> None:
    account = f"idempotent-{os.urandom(6).hex()}"
    with service.client(service.new_key(account, "1", "--scope", "read")) as client:
        assert order(client).status_code == 403
    with service.client(service.new_key(account)) as client:
        assert_first(order(client))


def test_an_order_over_a_limit_does_not_use_up_its_idempotency_key(slow: Service) -> None:
    limited = slow.new_key("limited", "1", "--rate", "1")
    crowded = slow.new_key("limited", "1", "--unfinished", "1")
    with slow.client(limited) as client:
        first = submit(client)
        assert order(client).status_code == 429
        finish(client, first["id"])
    with slow.client(crowded) as client:
        with nobody_draws(slow):
            unfinished = submit(client)
            assert order(client).status_code == 429
        finish(client, unfinished["id"])
        finish(client, assert_first(order(client)))


def await_idle(service: Service) -> None:
    """Other tests may have left tasks that are being drawn; and who accepts orders knows of that for a second."""

    def is_idle() -> bool:
        with service.database() as connection:
            return connection.execute("SELECT FROM tasks WHERE ended_at IS NULL").fetchone() is None

    eventually(is_idle)
    time.sleep(1.1 * MEASUREMENT_LIFETIME_S)


def test_a_full_backlog_uses_up_no_idempotency_key_and_still_replays_accepted_orders(slow: Service) -> None:
    with slow.client(slow.new_key("backlog")) as client:
        await_idle(slow)
        with nobody_draws(slow):
            first = order(client)
            ids = [assert_first(first), *(submit(client)["id"] for _ in range(2))]
            assert order(client, "another-order-0123").status_code == 503
            assert_replay(order(client), first)
        for task_id in ids:
            finish(client, task_id)
        accepted = eventually(lambda: answer if (answer := order(client, "another-order-0123")).is_success else None)
        assert accepted is not None
        finish(client, assert_first(accepted))


@pytest.mark.parametrize(
    "key",
    ["", "x" * 15, "x" * 97, "order 0123456789", "order-012345678/", '"order-0123456789"', "order-0123456789,x",
     "order-0123456789é", "order\t0123456789", "x" * 5000],
)  # fmt: skip
def test_an_invalid_idempotency_key_is_refused_and_orders_nothing(client: httpx2.Client, key: str) -> None:
    headers = {b"authorization": client.headers["authorization"].encode(), b"idempotency-key": key.encode("latin-1")}
    refused = client.post(GENERATIONS, json=ORDER, headers=headers)
    assert refused.status_code == 400
    assert refused.json()["error"] == {
        "code": "invalid_request",
        "message": "Idempotency-Key must be 16 to 96 letters, digits, dots, hyphens or underscores",
        "type": "invalid_request_error",
    }
    assert tasks_of(client) == []


def test_two_idempotency_keys_on_one_order_are_refused(client: httpx2.Client) -> None:
    headers = [("idempotency-key", KEY), ("idempotency-key", "another-order-0123")]
    assert client.post(GENERATIONS, json=ORDER, headers=headers).status_code == 400
    assert tasks_of(client) == []


@pytest.mark.parametrize("key", ["x" * 16, "x" * 96, "AZaz09._-AZaz09._-", "................"])
def test_a_valid_idempotency_key_is_accepted(client: httpx2.Client, key: str) -> None:
    first = order(client, key)
    assert_first(first)
    assert_replay(order(client, key), first)


def test_a_replay_uses_up_neither_rate_nor_credits(service: Service) -> None:
    account = f"idempotent-{os.urandom(6).hex()}"
    with service.client(service.new_key(account, PRICE, "--rate", "2", "--limit", PRICE)) as client:
        first = order(client)
        task_id = assert_first(first)
        assert first.headers["x-ratelimit-remaining"] == "1"
        for _ in range(10):
            assert_replay(order(client), first)
        finish(client, task_id)
        assert used_credits(client) == float(PRICE)
        broke = order(client, "another-order-0123")
        assert broke.status_code == 402  # and not 429: one of two is left
        assert_replay(order(client), first)
    service.audit()


def test_an_expired_idempotency_key_can_order_again(service: Service, client: httpx2.Client) -> None:
    first = order(client)
    for hours, is_kept in ((23.9, True), (24.1, False)):
        with service.database() as connection:
            connection.execute(
                "UPDATE idempotency_keys SET claimed_at = now() - make_interval(secs => %s) WHERE task_id = %s",
                (hours * 3600, first.json()["id"]),
            )
        answer = order(client)
        if is_kept:
            assert_replay(answer, first)
    assert assert_first(answer) != first.json()["id"]
    assert_replay(order(client), answer)
    assert len(tasks_of(client)) == 2


def test_an_order_repeated_until_it_is_answered_creates_one_task_however_often_the_web_process_dies() -> None:
    clients, orders = 4, 14
    with prepared_folder() as folder, Service(folder, workers="1") as mortal:
        key = mortal.new_key("repeated")
        count: Counter[int] = Counter()

        def insist(number: int) -> list[str]:
            ids = []
            for repeat in range(orders):
                ids.append(answered(mortal, key, f"insisted-{number:03}-{repeat:03}"))
                count[number] += 1
            return ids

        with ThreadPoolExecutor(clients) as at_once:
            insisting = [at_once.submit(insist, number) for number in range(clients)]
            for enough in (14, 28, 42):
                await_count(count, enough)
                os.kill(mortal.child_pid("web"), signal.SIGKILL)
            ids = [task_id for each in insisting for task_id in each.result()]
        assert len(set(ids)) == len(ids) == clients * orders
        with mortal.client(key) as client:
            eventually(lambda: client.get("/v1/tasks?status=completed").json()["total"] == len(ids))
            assert client.get("/v1/tasks").json()["total"] == len(ids)
        mortal.audit()


def await_count(count: Counter[int], enough: int) -> None:
    eventually(lambda: count.total() >= enough, 60)


def answered(service: Service, key: str, idempotency_key: str) -> str:
    """Send an order until it is answered, and return its task's id."""

    def ask() -> str | None:
        try:
            with service.client(key) as client:
                answer = order(client, idempotency_key)
        except httpx2.HTTPError:
            return None
        assert answer.status_code in {200, 503}, answer.text
        return str(answer.json()["id"]) if answer.status_code == 200 else None

    task_id = eventually(ask, 60.0)
    assert task_id is not None
    return task_id
