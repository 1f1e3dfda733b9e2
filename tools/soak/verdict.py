"""The verdict: after everything has ended, do the database and the storage agree with what customers saw, and with
themselves?

It expects a running service and stops it.
"""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2
import psycopg

from easel.domain import link
from easel.domain.secret import Secret
from easel.outside.postgres.private_postgres import PostgresUnusable
from tools.soak import callback_verdict
from tools.soak.callback_verdict import Kept
from tools.soak.installation import Installation
from tools.soak.receiver import Received
from tools.soak.tally import Order, Tally

SETTLE_S_MAX: Final = 180.0
GONE_S_MAX: Final = 10.0
BATCH_MAX: Final = 50
READ_BACK_MAX: Final = 500
"""Callbacks per account whose bodies are compared with a read of the task."""
NAMED_MAX: Final = 10
"""The number of things that one finding lists."""

_UNSETTLED: Final = """
    SELECT 'task ' || id || ', ' || status FROM tasks WHERE status IN ('pending', 'processing')
    UNION ALL
    SELECT 'task ' || id || ', in the queue as ' || queue_state FROM tasks WHERE queue_state IS NOT NULL
    UNION ALL
    SELECT 'picture of ' || id || ', withdrawn but not deleted' FROM tasks
    WHERE picture_withdrawn_at IS NOT NULL AND picture_gone_at IS NULL
    UNION ALL
    SELECT 'callback of ' || task_id || ', ' || state || ' after ' || attempts || ' attempts' FROM callbacks
    WHERE state = 'delivering' OR is_erased
"""
_TASKS: Final = """
    SELECT tasks.id, seed, status, error_code, price_microcredits, picture_name, picture_withdrawn_at IS NOT NULL,
        prompt = '', holds.state, holds.amount_microcredits,
        ARRAY (SELECT kind FROM ledger WHERE cause = tasks.id AND amount_microcredits = price_microcredits ORDER BY id)
    FROM tasks LEFT JOIN holds ON holds.task_id = tasks.id
"""


class Task(NamedTuple):
    """A task in the database, with its hold and the kinds of its ledger entries."""

    id: str
    seed: int
    status: str
    error_code: str | None
    price: int
    picture_name: str | None
    is_withdrawn: bool
    is_prompt_erased: bool
    hold: str | None
    held: int | None
    entries: Sequence[str]

    @property
    def is_shown(self) -> bool:
        """Whether its picture must exist."""
        return self.status == "completed" and not self.is_withdrawn


async def judge(
    installation: Installation, tally: Tally, received: Sequence[Received], accounts: Sequence[str]
) -> None:
    """Wait until everything has settled, stop the service, and record findings. `received` are the callbacks."""
    await _settle(installation, tally)
    await asyncio.to_thread(_ask_for_all, installation, tally)
    await asyncio.to_thread(_stop, installation, tally)
    tasks = [Task(*row) for row in await asyncio.to_thread(installation.rows, _TASKS)]
    tally.ends = Counter(f"{task.status} {task.error_code or ''}".strip() for task in tasks)
    tally.ends["erased by their customers"] = sum(order.was_erased for order in tally.orders)
    _judge_orders(tasks, tally)
    _judge_money(tasks, tally)
    _judge_pictures(tasks, installation.folder, tally)
    await asyncio.to_thread(_judge_callbacks, installation, tally, received, accounts)
    await asyncio.to_thread(_audit, installation, tally)


async def _settle(installation: Installation, tally: Tally) -> None:
    """Wait until no task is unfinished or in the queue, no callback is pending, and no deleted picture is left."""
    give_up_s = time.monotonic() + SETTLE_S_MAX
    left: list[str] = ["no answer from the database"]
    while left and time.monotonic() < give_up_s:
        try:
            left = [what for (what,) in await asyncio.to_thread(installation.rows, _UNSETTLED)]
        except (psycopg.Error, PostgresUnusable) as error:
            left = [str(error)]
        if left:
            await asyncio.sleep(1.0)
    if left:
        tally.find(f"After {SETTLE_S_MAX:.0f} s without mishaps, these were left: {_named(left)}")


def _ask_for_all(installation: Installation, tally: Tally) -> None:
    """Read every accepted task through the API."""
    orders_of: dict[str, list[Order]] = defaultdict(list)
    for order in tally.accepted:
        orders_of[order.account.key].append(order)
    for key, orders in orders_of.items():
        with httpx2.Client(
            base_url=installation.url, headers={"authorization": f"Bearer {key}"}, timeout=30, trust_env=False
        ) as client:
            for start in range(0, len(orders), BATCH_MAX):
                batch = {str(order.task_id): order for order in orders[start : start + BATCH_MAX]}
                answer = client.post("/v1/tasks/batch", json={"task_ids": list(batch)})
                shown = {task["id"]: task for task in answer.json()["data"]} if answer.status_code == 200 else {}
                for task_id, order in batch.items():
                    if task_id in shown:
                        tally.note(order, shown[task_id])
                    else:
                        tally.find(f"Accepted task {task_id} (order {order.seed}) cannot be read")
            _read_back(client, [order for order in orders if order.callback_url is not None][:READ_BACK_MAX])


def _read_back(client: httpx2.Client, orders: Sequence[Order]) -> None:
    """Read the tasks of these orders and keep the bodies, to compare them with the callbacks."""
    for order in orders:
        answer = client.get(f"/v1/tasks/{order.task_id}")
        if answer.status_code == 200:
            order.last_read = answer.content


def _stop(installation: Installation, tally: Tally) -> None:
    status = installation.stop()
    if status != 0:
        tally.find(f"`easel serve` was stopped, and its exit status was {status}")
    if left := installation.left(GONE_S_MAX):
        tally.find(f"Processes were left running: {_named(left)}")


def _audit(installation: Installation, tally: Tally) -> None:
    audited = installation.command("credits", "audit")
    if audited.returncode != 0:
        tally.find(f"`easel credits audit`: {audited.stdout}{audited.stderr}")
    if left := installation.left(GONE_S_MAX):
        tally.find(f"Processes were left running after the audit: {_named(left)}")


def _judge_orders(tasks: Sequence[Task], tally: Tally) -> None:
    by_seed: dict[int, list[Task]] = defaultdict(list)
    for task in tasks:
        by_seed[task.seed].append(task)
    for order in tally.orders:
        found = by_seed.pop(order.seed, [])
        by_id = {task.id: task for task in found}
        if order.idempotency_key and len(found) > (not order.is_refused):
            tally.find(f"Order {order.seed} has a key and the tasks {list(by_id)}; refused: {order.is_refused}")
        if len(found) > order.sent:
            tally.find(f"Order {order.seed} was sent {order.sent} times but accepted {len(found)} times: {list(by_id)}")
        if order.task_id is not None:
            _judge_order(order, by_id.get(order.task_id), tally)
    if by_seed:
        tally.find(f"Tasks without an order: {_named(list(by_seed.values()))}")


def _judge_order(order: Order, task: Task | None, tally: Tally) -> None:
    if task is None:
        tally.find(f"Accepted task {order.task_id} (order {order.seed}) is lost")
        return
    if task.status not in {"completed", "failed"}:
        tally.find(f"Accepted task {task.id} (order {order.seed}) has not ended: {task.status}")
    if order.end not in {None, (task.status, task.error_code)}:
        tally.find(f"Task {task.id} was shown as {order.end} but is {task.status} {task.error_code}")
    if order.was_cancelled and task.error_code != "request_cancelled":
        tally.find(f"Task {task.id} was cancelled but is {task.status} {task.error_code}")
    if order.was_erased and (task.is_shown or not task.is_prompt_erased):
        tally.find(f"Task {task.id} was deleted but still exists")
    if task.is_withdrawn and not order.erase_sent:
        tally.find(f"The picture of task {task.id} was withdrawn, but nobody deleted it")


_ENTRIES: Final[Mapping[str, tuple[str, list[str]]]] = {
    "completed": ("captured", ["hold", "capture"]),
    "failed": ("released", ["hold", "release"]),
}


def _judge_money(tasks: Sequence[Task], tally: Tally) -> None:
    for task in tasks:
        hold, entries = _ENTRIES.get(task.status, ("open", ["hold"]))
        if (task.hold, task.held, list(task.entries)) != (hold, task.price, entries):
            tally.find(f"Task {task.id}, {task.status}, has the hold {task.hold} and the entries {task.entries}")


def _judge_pictures(tasks: Sequence[Task], folder: Path, tally: Tally) -> None:
    stored = {path.name for path in (folder / "pictures").glob("[!.]*/*") if path.is_file()}
    shown = {str(task.picture_name): task for task in tasks if task.is_shown}
    for name in shown.keys() - stored:
        tally.find(f"Task {shown[name].id} is completed but its picture is missing")
    secret = Secret((folder / "secret").read_text(encoding="utf-8").strip()).derive("picture names")
    owners = {link.picture_name(task.id, secret, ".webp"): task for task in tasks}
    for name in stored - shown.keys():
        owner = owners.get(name)
        whose = "no task" if owner is None else f"{owner.id}, {owner.status} {owner.error_code or ''}"
        tally.find(f"The picture {name} is stored but not shown by any task; it belongs to {whose}")


def _judge_callbacks(
    installation: Installation, tally: Tally, received: Sequence[Received], accounts: Sequence[str]
) -> None:
    rows = [Kept(*row) for row in installation.rows(callback_verdict.CALLBACKS)]
    secrets = {}
    for account in accounts:
        shown = installation.command("keys", "callback-secret", "--account", account, "--json")
        if shown.returncode != 0:
            tally.find(f"`easel keys callback-secret` of {account}: {shown.stdout}{shown.stderr}")
            return
        secrets[account] = callback_verdict.secret_of(json.loads(shown.stdout)["secrets"][0])
    callback_verdict.judge(rows, received, secrets, tally)


def _named(things: Sequence[Any]) -> str:
    named = ", ".join(str(thing) for thing in things[:NAMED_MAX])
    return named if len(things) <= NAMED_MAX else f"{named} and {len(things) - NAMED_MAX} more"
