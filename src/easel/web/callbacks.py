"""A task's callback: reading what became of it, and asking for it once more."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from easel.actions import task_callback
from easel.domain.errors import RateLimitExceeded
from easel.domain.rate import Quota
from easel.live.rate_limiter import RateLimiter
from easel.store.database import Database
from easel.web import wire
from easel.web.answers import json_answer
from easel.web.auth import Auth
from easel.web.task_answers import check_id

REDELIVERIES_PER_MINUTE: Final = 60
"""Of one key, at each web process."""


class CallbackEndpoints:
    """`GET /v1/tasks/{task_id}/callback` and `POST /v1/tasks/{task_id}/callback/redeliver`."""

    def __init__(self, auth: Auth, database: Database) -> None:
        self._auth = auth
        self._database = database
        self._redeliveries = RateLimiter(Quota("redeliver", REDELIVERIES_PER_MINUTE))

    async def read(self, request: Request) -> Response:
        """The callback's state and every attempt at it."""
        holder = await self._auth.reader(request)
        task_id = _task_id(request)
        return json_answer(wire.callback_body(*await task_callback.look(self._database, holder.account_id, task_id)))

    async def redeliver(self, request: Request) -> Response:
        """Have it delivered at once. So many a minute, since each may go to somebody who wants none."""
        holder = await self._auth.holder(request)
        task_id = _task_id(request)
        try:
            self._redeliveries.take(holder.api_key_id)
        except RateLimitExceeded as error:
            # Without its standing: what answers tell is where the key stands with its reads.
            raise RateLimitExceeded(error.retry_after_s or 1) from None
        return json_answer(wire.callback_body(*await task_callback.redeliver(self._database, holder, task_id)))


def _task_id(request: Request) -> str:
    task_id: str = request.path_params["task_id"]
    check_id(task_id)
    request.state.task_id = task_id
    return task_id
