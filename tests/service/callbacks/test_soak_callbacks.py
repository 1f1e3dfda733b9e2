"""The part of `make soak` that checks callbacks: its receiver gets real ones, and its verdict finds their faults.

A whole soak takes minutes. These tests give its parts a real service, and then altered records.
"""

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import pytest
from tools.soak import callback_verdict
from tools.soak.callback_verdict import Kept
from tools.soak.receiver import Received, Receiver
from tools.soak.tally import Account, Order, Tally

from tests.support.data_folders import prepared_folder
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, Service

ORDERS = 12
REFUSED_SEED = ORDERS


@dataclass(frozen=True)
class Told:
    """The stored callbacks of some tasks, what the receiver got, and the results of the orders."""

    rows: list[Kept]
    received: list[Received]
    secrets: dict[str, bytes]
    orders: list[Order]


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    """Tasks of a real service with callbacks to the soak's receiver, which rejects those of the last task."""
    with prepared_folder() as folder:
        receiver = Receiver(folder, random.Random(1))
        with Service(folder, **settings_of(receiver)) as service:
            yield asyncio.run(told_of(service, receiver))


def settings_of(receiver: Receiver) -> dict[str, str]:
    return {name.removeprefix("EASEL_").lower(): value for name, value in receiver.settings().items()}


async def told_of(service: Service, receiver: Receiver) -> Told:
    async with receiver.serving():
        orders = await asyncio.to_thread(placed, service, receiver)
        await asyncio.to_thread(read_back, service, orders)
    shown = service.cli("keys", "callback-secret", "--account", "soaked", "--json")
    secret = callback_verdict.secret_of(json.loads(shown.stdout)["secrets"][0])
    with service.database() as connection:
        rows = [Kept(*row) for row in connection.execute(callback_verdict.CALLBACKS.encode())]
    by_seed = sorted((row for row in rows if row.account == "soaked"), key=lambda row: row.seed)
    return Told(by_seed, receiver.received, {"soaked": secret}, orders)


def placed(service: Service, receiver: Receiver) -> list[Order]:
    """Place orders, and wait until all their callbacks are delivered or given up."""
    account = Account("soaked", service.new_key("soaked"))
    orders = []
    with service.client(account.key) as client:
        for seed in range(1, ORDERS + 1):
            order = Order(seed, account, None, receiver.url(seed, is_refused=seed == REFUSED_SEED))
            order.task_id = client.post(GENERATIONS, json=order.body).raise_for_status().json()["id"]
            orders.append(order)
        eventually(lambda: all(state_of(client, order) in {"delivered", "failed"} for order in orders))
    return orders


def state_of(client: httpx2.Client, order: Order) -> Any:
    return client.get(f"/v1/tasks/{order.task_id}/callback").json()["state"]


def read_back(service: Service, orders: list[Order]) -> None:
    with service.client(orders[0].account.key) as client:
        for order in orders:
            order.last_read = client.get(f"/v1/tasks/{order.task_id}").content


def judged(told: Told) -> Tally:
    tally = Tally(lambda seed, **_: str(seed), orders=told.orders)
    callback_verdict.judge(told.rows, told.received, told.secrets, tally)
    return tally


def test_the_soak_finds_no_fault_in_a_healthy_services_callbacks(told: Told) -> None:
    tally = judged(told)
    assert tally.findings == []
    assert tally.callbacks["wanted"] == ORDERS
    assert (tally.callbacks["delivered"], tally.callbacks["failed"]) == (ORDERS - 1, 1)
    assert tally.callbacks["attempts received"] - tally.callbacks["repeated attempts"] == ORDERS
    assert tally.callbacks["attempts answered 500"] >= callback_verdict.FAILURES_MAX - 1
    assert {row.state for row in told.rows if row.seed == REFUSED_SEED} == {"failed"}


def with_request(told: Told, **changes: Any) -> Told:
    return replace(told, received=[replace(told.received[0], **changes), *told.received[1:]])


def with_row(told: Told, **changes: Any) -> Told:
    return replace(told, rows=[told.rows[0]._replace(**changes), *told.rows[1:]])


def forged(told: Told) -> Told:
    return replace(told, secrets={"soaked": bytes(32)})


def unreceived(told: Told) -> Told:
    """Remove the first task from what the receiver got."""
    first = f"msg_{told.rows[0].task_id}"
    return replace(told, received=[each for each in told.received if each.message_id != first])


def other_words(told: Told) -> Told:
    body = told.received[0].body
    return replace(told, received=[*told.received, replace(told.received[0], body=body + b" ")])


def renamed(told: Told) -> Told:
    return with_request(told, headers={**told.received[0].headers, "webhook-id": "msg_another"})


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (forged, "came with a wrong signature"),
        (unreceived, "is delivered, but the receiver accepted none of 0 requests"),
        (other_words, "with 2 different bodies"),
        (renamed, "which belongs to no task"),
        (lambda told: with_request(told, at_s=0.0), "but the task ended at"),
        (lambda told: with_request(told, path="/orders/77"), "went to /orders/77"),
        (lambda told: with_request(told, body=b"{}"), "is not a task"),
        (
            lambda told: with_row(told, status="failed", error_code="request_cancelled"),
            "but the task is failed request_cancelled",
        ),
        (lambda told: with_row(told, state=None), "is missing, although the task is completed"),
        (lambda told: with_row(told, state="delivering"), "is still delivering"),
        (lambda told: with_row(told, state="failed", failures=3, interruptions=1), "failed after 3 failures"),
        (lambda told: with_row(told, attempts=7), "had 7 attempts"),
    ],
)
def test_the_soak_finds_what_is_wrong_with_a_callback(told: Told, spoil: Callable[[Told], Told], finding: str) -> None:
    assert any(finding in found for found in judged(spoil(told)).findings)


def test_the_soak_finds_an_unrequested_callback(told: Told) -> None:
    orders = [replace(told.orders[0], callback_url=None), *told.orders[1:]]
    assert any("was not wanted" in found for found in judged(replace(told, orders=orders)).findings)


def test_the_soak_finds_a_callback_that_differs_from_a_read(told: Told) -> None:
    orders = [replace(told.orders[0], last_read=b"{}"), *told.orders[1:]]
    assert any("but reading the task returned" in found for found in judged(replace(told, orders=orders)).findings)
