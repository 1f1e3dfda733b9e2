"""Shows a task's callback and delivers it again."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from easel.actions import task_callback
from easel.domain.delivery import State, message_id
from easel.domain.errors import RateLimitExceeded
from easel.domain.rate import Quota
from easel.live.rate_limiter import RateLimiter, Times
from easel.store.callbacks import Callback
from easel.store.database import Database
from easel.store.tasks import Task
from easel.web.answers import json_answer
from easel.web.auth import Auth
from easel.web.requests import task_id

REDELIVERIES_PER_MINUTE: Final = 60
"""Per key. Redeliveries are limited because they may go to a receiver that does not want them."""


class CallbackEndpoints:
    """`GET /v1/tasks/{task_id}/callback` and `POST /v1/tasks/{task_id}/callback/redeliver`."""

    def __init__(self, auth: Auth, database: Database, times: Times | None = None) -> None:
        self._auth = auth
        self._database = database
        self._redeliveries = RateLimiter(Quota("redeliver", REDELIVERIES_PER_MINUTE), times=times)

    async def read(self, request: Request) -> Response:
        """The callback's state and all attempts to deliver it."""
        holder = await self._auth.reader(request)
        found = await task_callback.find(self._database, holder.account_id, task_id(request))
        return json_answer(callback_body(*found))

    async def redeliver(self, request: Request) -> Response:
        """Start a new delivery at once."""
        holder = await self._auth.holder(request)
        redelivered_id = task_id(request)
        try:
            self._redeliveries.take(holder.api_key_id)
        except RateLimitExceeded as error:
            # Raised again without this limit's standing, because the rate headers show the limit on reads.
            raise RateLimitExceeded(error.retry_after_s or 1) from None
        return json_answer(callback_body(*await task_callback.redeliver(self._database, holder, redelivered_id)))


def callback_body(task: Task, callback: Callback | None) -> dict[str, Any]:
    """A task's callback and the attempts to deliver it. `callback` is None before the task has ended."""
    attempts = [] if callback is None else callback.attempts
    waits = callback is not None and callback.state == State.DELIVERING and not callback.is_claimed
    return {
        "attempts": [
            {
                "at": int(attempt.began_at.timestamp()),
                "duration_ms": attempt.duration_ms,
                "number": attempt.number,
                "outcome": attempt.outcome,
                "status_code": attempt.status_code,
            }
            for attempt in attempts
        ],
        "id": message_id(task.id),
        "next_attempt_at": int(callback.next_attempt_at.timestamp()) if callback is not None and waits else None,
        "object": "callback",
        "state": State.WAITING if callback is None else callback.state,
        "task_id": task.id,
        "url": task.callback_url,
    }
