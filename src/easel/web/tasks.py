"""Creating a task and reading it."""

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from easel.actions import renew_link
from easel.actions.forecast import Forecast
from easel.actions.submit import Submission, Submit
from easel.domain import order as order_rules
from easel.domain import task as task_rules
from easel.domain.errors import InvalidRequest, InvalidTaskId, PayloadTooLarge, TaskNotFound
from easel.domain.link import LinkKeys
from easel.domain.task import ENDS
from easel.store import tasks
from easel.store.database import Database
from easel.web import wire
from easel.web.answers import json_answer
from easel.web.auth import Auth

BODY_BYTES_MAX: Final = 64 * 1024
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(?::[0-9]{1,5})?|\[[0-9a-fA-F:.]{2,45}\](?::[0-9]{1,5})?")


class TaskEndpoints:
    """`POST /v1/images/generations` and `GET /v1/tasks/{task_id}`.

    `public_url` is the base of links; without it they lead to the address that the creating client used.
    """

    def __init__(
        self,
        database: Database,
        auth: Auth,
        submit: Submit,
        forecast: Forecast,
        link_keys: LinkKeys,
        public_url: str | None,
    ) -> None:
        self._database = database
        self._auth = auth
        self._submit = submit
        self._forecast = forecast
        self._link_keys = link_keys
        self._public_url = public_url

    async def create(self, request: Request) -> Response:
        """Accept an order; the answer is its pending task."""
        holder = await self._auth.holder(request)
        order = order_rules.parse(await _json_body(request))
        submission = Submission(holder, order, request.state.request_id, self._base_of_links(request))
        task = await self._submit(submission)
        request.state.task_id = task.id
        return json_answer(wire.task_body(task, task.estimated_time_s, self._link_keys))

    async def read(self, request: Request) -> Response:
        """A task as it is now."""
        task_id = request.path_params["task_id"]
        holder = await self._auth.reader(request)
        if not task_rules.has_id_prefix(task_id):
            raise InvalidTaskId
        if not task_rules.is_id(task_id):
            raise TaskNotFound
        async with self._database.reading() as connection:
            task = await tasks.find(connection, holder.account_id, task_id)
        if task is None:
            raise TaskNotFound
        task = await renew_link.with_live_link(self._database, task)
        estimated_time_s = 0 if task.status in ENDS else await self._forecast.of(task)
        return json_answer(wire.task_body(task, estimated_time_s, self._link_keys))

    def _base_of_links(self, request: Request) -> str:
        if self._public_url is not None:
            return self._public_url
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            raise InvalidRequest("The Host header must name the host that you asked")
        return f"{request.url.scheme}://{host}"


async def _json_body(request: Request) -> object:
    try:
        return wire.decode(await _body(request))
    except ValueError:
        raise InvalidRequest("The request body must be valid JSON in UTF-8") from None


async def _body(request: Request) -> bytes:
    """The whole body, unless it is larger than we care to hold. Raises PayloadTooLarge."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > BODY_BYTES_MAX:
        raise PayloadTooLarge(BODY_BYTES_MAX)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise PayloadTooLarge(BODY_BYTES_MAX)
    return bytes(body)
