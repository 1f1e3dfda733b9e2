"""Records what customers ordered and saw, and the mishaps. Contradictions are findings.

Orders are identified by their seed, which is unique and survives the erasure of the task.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

CALLED_BACK: Final = 1 / 3
"""The share of orders that want a callback."""
CALLED_BACK_IN_VAIN: Final = 0.05
"""The share of these whose receiver never accepts it."""
FINDINGS_MAX: Final = 200
"""More findings would add nothing."""

End = tuple[str, str | None]
"""How a task ended: its status and the code of its error."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account and one of its keys."""

    name: str
    key: str


@dataclass(slots=True)
class Order:
    """One order, which may be sent several times.

    `end` is how a customer saw its task end. `last_read` is the body of a later read of the task.
    """

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
        """The body of the request."""
        body = {"model": "z-image-turbo", "prompt": f"order {self.seed}", "size": "376x376", "seed": self.seed}
        return body if self.callback_url is None else body | {"callback_url": self.callback_url}


@dataclass
class Tally:
    """All counts and findings. `callback_url` gives the URL for the callback of an order, by its seed."""

    callback_url: Callable[..., str]
    orders: list[Order] = field(default_factory=list)
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The number of answers per request and status, and of failures per request and error."""
    mishaps: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    """How tasks ended, according to the database."""
    callbacks: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    is_over: bool = False
    """Set when customers stop ordering and retrying."""

    def order(self, account: Account, rng: random.Random) -> Order:
        """A new order, usually with an idempotency key, sometimes with a callback."""
        key = f"order-{rng.getrandbits(64):016x}" if rng.random() < 0.7 else None
        order = Order(len(self.orders) + 1, account, key)
        if rng.random() < CALLED_BACK:
            order.callback_url = self.callback_url(order.seed, is_refused=rng.random() < CALLED_BACK_IN_VAIN)
        self.orders.append(order)
        return order

    def find(self, finding: str) -> None:
        """Record something that must not happen."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)

    @property
    def accepted(self) -> list[Order]:
        """The accepted orders, as far as their customers know."""
        return [order for order in self.orders if order.task_id is not None]

    def note_accepted(self, order: Order, task_id: str, *, is_replay: bool) -> None:
        """Record that an order was answered with 200."""
        if order.idempotency_key is not None and order.task_id not in {None, task_id}:
            self.find(f"Order {order.seed} was accepted twice, as {order.task_id} and {task_id}")
        if is_replay and order.sent == 1:
            self.find(f"Order {order.seed} was treated as a replay when it was first sent ({task_id})")
        order.task_id = task_id

    def note(self, order: Order, task: dict[str, Any]) -> None:
        """Record that a customer saw the task of an order."""
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
