"""What the customers ordered and were told, and what went wrong on purpose; whatever contradicts itself is a finding.

An order is known by its seed, which no other order has and which outlives the erasing of its task.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

CALLED_BACK: Final = 1 / 3
"""The part of the orders that want a callback."""
CALLED_BACK_IN_VAIN: Final = 0.05
"""The part of these whose receiver never takes one."""
FINDINGS_MAX: Final = 200
"""More findings would say nothing more."""

End = tuple[str, str | None]
"""How a task ended: its status and the code of its error."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account and a key of it."""

    name: str
    key: str


@dataclass(slots=True)
class Order:
    """One order, however often it was sent. `end` is how its task ended, as a customer saw it, and `last_read` what reading
    it answered after that."""

    seed: int
    account: Account
    idempotency_key: str | None
    callback_url: str | None = None
    sent: int = 0
    task_id: str | None = None
    is_refused: bool = False
    end: End | None = None
    last_read: bytes | None = None
    was_cancelled: bool = False
    was_erased: bool = False
    erase_sent: bool = False

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        body = {"model": "z-image-turbo", "prompt": f"order {self.seed}", "size": "376x376", "seed": self.seed}
        return body if self.callback_url is None else body | {"callback_url": self.callback_url}


@dataclass
class Tally:
    """Everything that is counted. `callback_url` gives the address of an order's callback, by the order's seed."""

    callback_url: Callable[..., str]
    orders: list[Order] = field(default_factory=list)
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each request was answered with each status, or failed by which error."""
    mishaps: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    """How many tasks ended how, by the database."""
    callbacks: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    is_over: bool = False
    """Whether customers order no more, and do not try again what fails."""

    def order(self, account: Account, rng: random.Random) -> Order:
        """A new order, most often with an idempotency key, and now and then with a callback."""
        key = f"order-{rng.getrandbits(64):016x}" if rng.random() < 0.7 else None
        order = Order(len(self.orders) + 1, account, key)
        if rng.random() < CALLED_BACK:
            order.callback_url = self.callback_url(order.seed, is_refused=rng.random() < CALLED_BACK_IN_VAIN)
        self.orders.append(order)
        return order

    def find(self, finding: str) -> None:
        """Take note of something that must not be."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)

    @property
    def accepted(self) -> list[Order]:
        """The orders that were accepted, as far as their customers know."""
        return [order for order in self.orders if order.task_id is not None]

    def note_accepted(self, order: Order, task_id: str, *, is_replay: bool) -> None:
        """An order was answered with 200."""
        if order.idempotency_key is not None and order.task_id not in {None, task_id}:
            self.find(f"Order {order.seed} was accepted twice, as {order.task_id} and {task_id}")
        if is_replay and order.sent == 1:
            self.find(f"Order {order.seed} was taken for a replay when it was sent first ({task_id})")
        order.task_id = task_id

    def note(self, order: Order, task: dict[str, Any]) -> None:
        """A customer was shown an order's task."""
        if task["id"] != order.task_id:
            self.find(f"Task {task['id']} was shown for {order.task_id}")
        if task["status"] not in {"completed", "failed"}:
            if order.end is not None:
                self.find(f"Task {order.task_id} had ended as {order.end} and was then shown as {task['status']}")
            return
        end = (str(task["status"]), task["error"]["code"] if task["status"] == "failed" else None)
        if order.end not in {None, end}:
            self.find(f"Task {order.task_id} had ended as {order.end} and was then shown as {end}")
        order.end = end
