"""Customers: each orders pictures and follows them in various ways.

They retry after network errors and after 429, 502 and 503, like the client of the hosted service. Each makes its own
random choices from the seed. The tally receives every answer and decides what is a finding.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx2

from tools.soak.tally import Account, Order, Tally

GENERATIONS: Final = "/v1/images/generations"
RETRIED: Final = frozenset({429, 502, 503})
PAUSE_S_MAX: Final = 2.0
REQUEST_TIMEOUT_S: Final = 10.0
WAIT_S_MAX: Final = 10
HEARTBEAT_S: Final = 15.0
ENDS: Final = ("completed", "failed")

Asking = Callable[[], Awaitable[httpx2.Response]]


class Customer:
    """One customer of one account."""

    def __init__(self, url: str, account: Account, tally: Tally, rng: random.Random) -> None:
        self._account = account
        self._tally = tally
        self._rng = rng
        self._http = httpx2.AsyncClient(
            base_url=url,
            headers={"authorization": f"Bearer {account.key}"},
            timeout=REQUEST_TIMEOUT_S,
            trust_env=False,
        )

    async def run(self) -> None:
        """Order pictures until the soak is over."""
        ways = [self._wait, self._poll, self._stream, self._cancel, self._leave]
        async with self._http:
            while not self._tally.is_over:
                if self._rng.random() < 0.1:
                    await self._browse()
                order = self._tally.order(self._account, self._rng)
                if await self._place(order):
                    (way,) = self._rng.choices(ways, weights=[3, 2, 3, 2, 1])
                    await way(order)
                    await self._afterwards(order)
                elif not self._tally.is_over:
                    await asyncio.sleep(self._rng.uniform(0.5, 2.0))

    async def _ask(self, what: str, asking: Asking) -> httpx2.Response | None:
        """The first answer that needs no retry; None if the soak is over before."""
        while True:
            try:
                response = await asking()
            except httpx2.HTTPError as error:
                self._tally.answers[what, type(error).__name__] += 1
                pause_s = 0.2
            else:
                self._meet(what, response)
                if response.status_code not in RETRIED:
                    return response
                pause_s = float(response.headers.get("retry-after", "1"))
            if self._tally.is_over:
                return None
            await asyncio.sleep(min(pause_s, PAUSE_S_MAX) * self._rng.uniform(0.5, 1.5))

    def _meet(self, what: str, response: httpx2.Response) -> None:
        status = response.status_code
        self._tally.answers[what, str(status)] += 1
        if status >= 500 and status != 503:
            self._tally.find(f"{what} was answered {status} ({response.headers.get('x-request-id')})")
        if status in {429, 503} and "retry-after" not in response.headers:
            self._tally.find(f"{what} was answered {status} without Retry-After")

    async def _place(self, order: Order, body: dict[str, Any] | None = None) -> bool:
        """Whether the order was accepted, as far as the customer knows."""
        headers = {"idempotency-key": order.idempotency_key} if order.idempotency_key else {}
        if self._rng.random() < 0.2:
            headers["prefer"] = f"wait={self._rng.randint(1, 5)}"

        async def post() -> httpx2.Response:
            order.sent += 1
            return await self._http.post(GENERATIONS, json=body or order.body, headers=headers)

        response = await self._ask("create", post)
        if response is None:
            return False
        if response.status_code == 200:
            task = response.json()
            is_replay = response.headers.get("idempotency-replayed") == "true"
            self._tally.note_accepted(order, task["id"], is_replay=is_replay)
            # A replay returns the original body, whatever has happened to the task since.
            if not is_replay or "preference-applied" in response.headers:
                self._tally.note(order, task)
            return True
        order.is_refused = response.status_code == 402
        if not order.is_refused:
            self._tally.find(f"Order {order.seed} was answered {response.status_code}: {response.text[:200]}")
        return False

    async def _read(self, order: Order, wait_s: int = 0) -> None:
        asked = {"wait": wait_s} if wait_s else None
        path = f"/v1/tasks/{order.task_id}"
        response = await self._ask(
            "read", lambda: self._http.get(path, params=asked, timeout=REQUEST_TIMEOUT_S + wait_s)
        )
        if response is None:
            return
        if response.status_code == 200:
            self._tally.note(order, response.json())
        else:
            self._tally.find(f"Reading {order.task_id} was answered {response.status_code}: {response.text[:200]}")

    async def _wait(self, order: Order) -> None:
        while order.end is None and not self._tally.is_over:
            await self._read(order, self._rng.randint(1, WAIT_S_MAX))

    async def _poll(self, order: Order) -> None:
        while order.end is None and not self._tally.is_over:
            await asyncio.sleep(self._rng.uniform(0.1, 0.5))
            await self._read(order)

    async def _leave(self, order: Order) -> None:
        """Never read the task."""

    async def _cancel(self, order: Order) -> None:
        await asyncio.sleep(self._rng.choice([0.0, 0.1, 0.5, 2.0]) * self._rng.random())
        was_shown_ended = order.end is not None
        response = await self._ask("cancel", lambda: self._http.post(f"/v1/tasks/{order.task_id}/cancel"))
        if response is None:
            return
        if response.status_code == 200:
            order.was_cancelled = True
            self._tally.note(order, response.json())
        if response.status_code not in {200, 409} or (was_shown_ended and response.status_code == 200):
            self._tally.find(f"Cancelling {order.task_id} was answered {response.status_code}")
        await self._read(order)
        if response.status_code == 409 and order.end is None and not self._tally.is_over:
            self._tally.find(f"Cancelling {order.task_id} was refused, although it has not ended")

    async def _stream(self, order: Order) -> None:
        """Follow the events to the last one. A broken stream is resumed where it ended."""
        seen_id = ""
        while order.end is None and not self._tally.is_over:
            try:
                seen_id = await self._stream_once(order, seen_id)
            except httpx2.HTTPError as error:
                self._tally.answers["events", type(error).__name__] += 1
                await asyncio.sleep(self._rng.uniform(0.1, 0.5))

    async def _stream_once(self, order: Order, seen_id: str) -> str:
        path, event_id, data = f"/v1/tasks/{order.task_id}/events", seen_id, ""
        timeout = httpx2.Timeout(REQUEST_TIMEOUT_S, read=HEARTBEAT_S + REQUEST_TIMEOUT_S)
        async with self._http.stream("GET", path, headers={"last-event-id": seen_id}, timeout=timeout) as response:
            self._meet("events", response)
            if response.status_code == 204:
                await self._read(order)
                if order.end is None and not self._tally.is_over:
                    self._tally.find(f"The events of {order.task_id} ended, although it has not")
            if response.status_code != 200:
                await asyncio.sleep(0.5)
                return seen_id
            async for line in response.aiter_lines():
                if line.startswith("id: "):
                    event_id = line.removeprefix("id: ")
                elif line.startswith("data: "):
                    data = line.removeprefix("data: ")
                elif not line and data:
                    self._tally.note(order, _decoded(data))
                    seen_id, data = event_id, ""
                if self._tally.is_over:
                    break
        return seen_id

    async def _afterwards(self, order: Order) -> None:
        """Use the ended task: fetch the picture, erase it, or repeat the order."""
        if order.end is not None and order.end[0] == "completed" and self._rng.random() < 0.4:
            await self._fetch(order)
        if order.end is not None and self._rng.random() < 0.3:
            await self._erase(order)
        if order.idempotency_key and self._rng.random() < 0.2:
            await self._place(order)
        if order.idempotency_key and self._rng.random() < 0.1:
            await self._place_another(order)

    async def _fetch(self, order: Order) -> None:
        task = await self._ask("read", lambda: self._http.get(f"/v1/tasks/{order.task_id}"))
        if task is None or task.status_code != 200:
            return
        self._tally.note(order, task.json())
        (link,) = task.json()["results"]
        picture = await self._ask("picture", lambda: self._http.get(link))
        if picture is not None and (picture.status_code != 200 or picture.content[:4] != b"RIFF"):
            self._tally.find(f"The picture of {order.task_id} was answered {picture.status_code}")

    async def _erase(self, order: Order) -> None:
        order.erase_sent = True
        response = await self._ask("delete", lambda: self._http.delete(f"/v1/tasks/{order.task_id}"))
        if response is None:
            return
        order.was_erased = response.status_code == 200
        if not order.was_erased:
            self._tally.find(f"Deleting {order.task_id} was answered {response.status_code}: {response.text[:200]}")
            return
        read = await self._ask("read", lambda: self._http.get(f"/v1/tasks/{order.task_id}"))
        if read is not None and read.status_code == 200:
            self._tally.note(order, read.json())
            if read.json().get("results"):
                self._tally.find(f"Task {order.task_id} was deleted but still shows its picture")

    async def _place_another(self, order: Order) -> None:
        """Use the same idempotency key for another order, which must be refused."""
        headers = {"idempotency-key": str(order.idempotency_key)}
        body = {**order.body, "prompt": "another order"}
        response = await self._ask("create", lambda: self._http.post(GENERATIONS, json=body, headers=headers))
        if response is not None and response.status_code != 409:
            self._tally.find(f"Another order with the key of order {order.seed} was answered {response.status_code}")

    async def _browse(self) -> None:
        known = [order.task_id for order in self._tally.accepted if order.account is self._account][-50:]
        asking: list[tuple[str, Asking]] = [
            ("list", lambda: self._http.get("/v1/tasks", params={"page_size": 50})),
            ("credits", lambda: self._http.get("/v1/credits")),
            ("models", lambda: self._http.get("/v1/models")),
        ]
        if known:
            asking.append(("batch", lambda: self._http.post("/v1/tasks/batch", json={"task_ids": known})))
        what, ask = self._rng.choice(asking)
        response = await self._ask(what, ask)
        if response is None:
            return
        if response.status_code != 200:
            self._tally.find(f"{what} was answered {response.status_code}: {response.text[:200]}")
        elif what == "batch" and len(response.json()["data"]) != len(set(known)):
            self._tally.find(f"A batch of {len(set(known))} accepted tasks had {len(response.json()['data'])}")


def _decoded(data: str) -> dict[str, Any]:
    task: dict[str, Any] = httpx2.Response(200, content=data).json()
    return task
