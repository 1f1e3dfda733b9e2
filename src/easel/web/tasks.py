"""Creates, reads, cancels and erases one task."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from easel.actions import cancel, erase
from easel.actions.submit import Submission, Submit
from easel.domain.callback import Destinations
from easel.domain.errors import InvalidRequest, RateLimitExceeded, TaskNotFound
from easel.domain.order import parse_order
from easel.live.batched_reader import BatchedReader
from easel.outside.pictures.storage import Pictures
from easel.store.database import Database
from easel.store.tasks import Task, TaskKey
from easel.web.answers import json_answer
from easel.web.auth import Auth
from easel.web.requests import (
    WAIT_S_MAX,
    BaseUrl,
    idempotency_key,
    json_body,
    preferred_wait_s,
    task_id,
    whole_number,
)
from easel.web.task_view import TASK_OBJECT, TaskView
from easel.web.waiting import Waiting

_HEADER_OF_OPENAIS_SDKS: Final = "x-stainless-"
_OPENAIS_FIELD: Final = "response_format"
_WRONG_BASE_URL: Final = (
    "This address creates tasks, which OpenAI's clients cannot read. "
    "Set the client's base URL to this service's address followed by /openai/v1"
)


class CreationEndpoint:
    """`POST /v1/images/generations`."""

    def __init__(
        self,
        auth: Auth,
        submit: Submit,
        view: TaskView,
        waiting: Waiting,
        base_url: BaseUrl,
        destinations: Destinations,
    ) -> None:
        self._auth = auth
        self._submit = submit
        self._view = view
        self._waiting = waiting
        self._base_url = base_url
        self._destinations = destinations

    async def create(self, request: Request) -> Response:
        """Accept an order, and answer with its pending task. With `Prefer: wait`, first wait for the task to end."""
        holder = await self._auth.creator(request)
        fields = await json_body(request)
        _refuse_openai_clients(request, fields)
        order = parse_order(fields, self._destinations)
        submission = Submission(
            holder, [order], request.state.request_id, self._base_url.of(request), idempotency_key(request)
        )
        accepted = await self._submit(submission)
        task = accepted.tasks[0]
        request.state.task_id = task.id
        request.state.standing = accepted.standing
        headers = {"idempotency-replayed": "true"} if accepted.is_replay else {}
        wait_s = preferred_wait_s(request)
        if wait_s is None:
            return json_answer(self._view.as_accepted(task), headers=headers)
        try:
            task = await self._waiting.until_ended(request, holder, task, wait_s)
        except RateLimitExceeded:  # the order is accepted, and waiting is only a preference
            return json_answer(self._view.as_accepted(task), headers=headers)
        headers["preference-applied"] = f"wait={wait_s}"
        return json_answer(await self._view.current(task), headers=headers)


class TaskEndpoints:
    """`GET` and `DELETE /v1/tasks/{task_id}`, and `POST /v1/tasks/{task_id}/cancel`."""

    def __init__(
        self,
        auth: Auth,
        database: Database,
        reader: BatchedReader[TaskKey, Task],
        view: TaskView,
        waiting: Waiting,
        pictures: Pictures,
    ) -> None:
        self._auth = auth
        self._database = database
        self._reader = reader
        self._view = view
        self._waiting = waiting
        self._pictures = pictures

    async def read(self, request: Request) -> Response:
        """The task as it is, or with `?wait` once it has ended."""
        holder = await self._auth.reader(request)
        wait_s = whole_number(request, "wait", 0, 0, WAIT_S_MAX)
        task = await self._reader.find((holder.account_id, task_id(request)))
        if task is None:
            raise TaskNotFound
        if wait_s:
            task = await self._waiting.until_ended(request, holder, task, wait_s)
        return json_answer(await self._view.current(task))

    async def cancel(self, request: Request) -> Response:
        """End an unfinished task without charging for it."""
        holder = await self._auth.holder(request)
        task = await cancel.cancel(self._database, holder, task_id(request))
        return json_answer(await self._view.current(task))

    async def erase(self, request: Request) -> Response:
        """Remove the picture and the prompt of a task that has ended."""
        holder = await self._auth.holder(request)
        erased_id = task_id(request)
        await erase.erase(self._database, self._pictures, holder, erased_id)
        return json_answer({"deleted": True, "id": erased_id, "object": TASK_OBJECT})


def _refuse_openai_clients(request: Request, fields: object) -> None:
    """Refuse OpenAI's clients, which cannot read a task, before anything is charged.

    Raises InvalidRequest, which names the right base URL, for a header of their SDKs and for `response_format`, which
    only they send.
    """
    for name in request.headers:
        if name.startswith(_HEADER_OF_OPENAIS_SDKS):
            raise InvalidRequest(_WRONG_BASE_URL)
    if isinstance(fields, dict) and _OPENAIS_FIELD in fields:
        raise InvalidRequest(f"{_WRONG_BASE_URL}. To create a task, leave out {_OPENAIS_FIELD}", _OPENAIS_FIELD)
