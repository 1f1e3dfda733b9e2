"""Judges callbacks: was every wanted callback delivered, correctly signed, and with the same body at every attempt?

Repeated delivery is not a finding, because a process may die between the answer of a receiver and recording it.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from tools.soak.receiver import Received
from tools.soak.tally import Order, Tally

FAILURES_MAX: Final = 4
"""Failed attempts, or deaths of processes during attempts, after which a callback is given up."""
CLOCK_TOLERANCE_S: Final = 0.1
SIGNED_S_MAX: Final = 300.0
"""Maximum age of a signature on arrival in the libraries of the specification."""
CALLBACKS: Final = """
    SELECT tasks.id, tasks.seed, accounts.name, status, error_code, extract(epoch FROM ended_at)::float,
        callbacks.state, coalesce(failures, 0), coalesce(interruptions, 0), coalesce(attempts, 0),
        ARRAY (SELECT coalesce(outcome, 'unknown') FROM callback_attempts AS attempt
               WHERE attempt.task_id = tasks.id ORDER BY number)
    FROM tasks JOIN accounts ON accounts.id = tasks.account_id LEFT JOIN callbacks ON callbacks.task_id = tasks.id
"""


class Kept(NamedTuple):
    """A task and its callback in the database. The state is None if there is no callback or it was removed."""

    task_id: str
    seed: int
    account: str
    status: str
    error_code: str | None
    ended_at_s: float | None
    state: str | None
    failures: int
    interruptions: int
    attempts: int
    outcomes: Sequence[str]


def judge(rows: Sequence[Kept], received: Sequence[Received], secrets: Mapping[str, bytes], tally: Tally) -> None:
    """Compare the callback of every task with the received requests. `secrets` are those of the accounts, by name."""
    orders = {order.seed: order for order in tally.orders}
    sent: dict[str, list[Received]] = defaultdict(list)
    for each in received:
        sent[each.message_id].append(each)
    for kept in rows:
        order = orders.get(kept.seed)
        if order is None:
            continue
        requests = sent.pop(f"msg_{kept.task_id}", [])
        _judge_kept(kept, order, requests, tally)
        if requests:
            _judge_requests(kept, order, requests, secrets[kept.account], tally)
    for message_id, requests in sent.items():
        tally.find(f"{len(requests)} callbacks came with the id {message_id!r}, which belongs to no task")
    tally.callbacks = counted(rows, received, orders)


def counted(rows: Sequence[Kept], received: Sequence[Received], orders: Mapping[int, Order]) -> Counter[str]:
    """The counts of callbacks for the report."""
    states = Counter(kept.state or "" for kept in rows)
    wanted = sum(kept.seed in orders and orders[kept.seed].callback_url is not None for kept in rows)
    counts = Counter({
        "wanted": wanted,
        "delivered": states["delivered"],
        "failed": states["failed"],
        "removed with their erased tasks": wanted - states["delivered"] - states["failed"] - states["delivering"],
        "attempts received": len(received),
        "repeated attempts": len(received) - len({each.message_id for each in received}),
    })  # fmt: skip
    for each in received:
        counts[f"attempts answered {each.answered}" if each.answered else "attempts not answered"] += 1
    return counts


def _judge_kept(kept: Kept, order: Order, requests: Sequence[Received], tally: Tally) -> None:
    name = f"The callback of task {kept.task_id}"
    if order.callback_url is None:
        if requests or kept.state is not None:
            tally.find(f"{name} was not wanted but is {kept.state}, and {len(requests)} requests came")
        return
    if kept.state is None:
        # If the task is erased, its callback is removed as soon as its delivery has ended.
        if not order.erase_sent:
            tally.find(f"{name} is missing, although the task is {kept.status} and was not deleted")
        elif not requests:
            tally.find(f"{name} was removed with the task and never came")
        return
    is_taken = any(200 <= each.answered < 300 for each in requests)
    if kept.state == "delivered" and not is_taken:
        tally.find(f"{name} is delivered, but the receiver accepted none of {len(requests)} requests")
    if kept.state == "failed" and max(kept.failures, kept.interruptions) < FAILURES_MAX:
        tally.find(f"{name} failed after {kept.failures} failures and {kept.interruptions} interruptions")
    if kept.state not in {"delivered", "failed"}:
        tally.find(f"{name} is still {kept.state}")
    elif len(kept.outcomes) != kept.attempts or "unknown" in kept.outcomes:
        tally.find(f"{name} had {kept.attempts} attempts, but their recorded outcomes are {list(kept.outcomes)}")


def _judge_requests(kept: Kept, order: Order, requests: Sequence[Received], secret: bytes, tally: Tally) -> None:
    name = f"The callback of task {kept.task_id}"
    for each in requests:
        if not is_signed(each, secret):
            tally.find(f"{name} came with a wrong signature: {dict(each.headers)}")
        if order.callback_url is not None and not order.callback_url.endswith(each.path):
            tally.find(f"{name} went to {each.path} instead of {order.callback_url}")
        if kept.ended_at_s is None or each.at_s < kept.ended_at_s - CLOCK_TOLERANCE_S:
            tally.find(f"{name} came at {each.at_s}, but the task ended at {kept.ended_at_s}")
    bodies = {each.body for each in requests}
    if len(bodies) > 1:
        tally.find(f"{name} came {len(requests)} times with {len(bodies)} different bodies")
    _judge_body(kept, order, requests[0].body, tally)


def _judge_body(kept: Kept, order: Order, body: bytes, tally: Tally) -> None:
    try:
        told: dict[str, Any] = json.loads(body)
        end = (told["id"], told["status"], told["error"]["code"] if "error" in told else None)
    except (ValueError, KeyError, TypeError):
        tally.find(f"The callback of task {kept.task_id} is not a task: {body[:200]!r}")
        return
    if end != (kept.task_id, kept.status, kept.error_code):
        tally.find(f"The callback of task {kept.task_id} says {end}, but the task is {kept.status} {kept.error_code}")
    # A deleted task no longer shows its picture.
    is_comparable = order.task_id == kept.task_id and not order.erase_sent
    if is_comparable and order.last_read not in {None, body}:
        tally.find(
            f"The callback of task {kept.task_id} says {body!r}, but reading the task returned {order.last_read!r}"
        )


def is_signed(received: Received, secret: bytes) -> bool:
    """Whether a request was signed recently with this secret, according to Standard Webhooks."""
    timestamp = received.headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(int(timestamp) - received.at_s) > SIGNED_S_MAX:
        return False
    signed = f"{received.message_id}.{timestamp}.".encode() + received.body
    right = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    return f"v1,{right}" in received.headers.get("webhook-signature", "").split(" ")


def secret_of(text: str) -> bytes:
    """The bytes of a secret as the command line shows it. Raises ValueError for any other text."""
    prefix, _, encoded = text.partition("_")
    if prefix != "whsec":
        raise ValueError(f"{prefix!r} is not the prefix of a secret")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError("the secret is not base64") from error
