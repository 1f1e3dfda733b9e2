"""Creating a task, reading it, cancelling it, and erasing it."""

from contextlib import nullcontext

from starlette.requests import Request
from starlette.responses import Response

from easel.actions import cancel, erase
from easel.actions.submit import Submission, Submit
from easel.domain import order as order_rules
from easel.domain.callback import Destinations
from easel.domain.errors import RateLimitExceeded
from easel.outside.pictures.storage import Pictures
from easel.web import wire
from easel.web.answers import json_answer
from easel.web.auth import Auth
from easel.web.bodies import asked_wait_s, idempotency_key, json_body, preferred_wait_s
from easel.web.limits import Streams
from easel.web.links import LinkBase
from easel.web.openai import errors as openai_errors
from easel.web.task_answers import TaskAnswers, check_id


class TaskEndpoints:
    """`POST /v1/images/generations`, `GET` and `DELETE /v1/tasks/{task_id}`, `POST /v1/tasks/{task_id}/cancel`."""

    def __init__(
        self,
        auth: Auth,
        submit: Submit,
        answers: TaskAnswers,
        streams: Streams,
        pictures: Pictures,
        link_base: LinkBase,
        destinations: Destinations,
    ) -> None:
        self._auth = auth
        self._submit = submit
        self._answers = answers
        self._streams = streams
        self._pictures = pictures
        self._link_base = link_base
        self._destinations = destinations

    async def create(self, request: Request) -> Response:
        """Accept an order; the answer is its pending task, or with `Prefer: wait` what has become of it."""
        holder = await self._auth.creator(request)
        fields = await json_body(request)
        openai_errors.refuse_openai_clients(request, fields)
        order = order_rules.parse(fields, self._destinations)
        submission = Submission(
            holder, [order], request.state.request_id, self._link_base.of(request), idempotency_key(request)
        )
        accepted = await self._submit(submission)
        task = accepted.tasks[0]
        request.state.task_id = task.id
        request.state.standing = accepted.standing
        headers = {"idempotency-replayed": "true"} if accepted.is_replay else {}
        wait_s = preferred_wait_s(request)
        if wait_s is None:
            return json_answer(self._answers.creation_body(task), headers=headers)
        try:
            place = self._streams.open(request, holder)
        except RateLimitExceeded:  # the order is accepted, and a preference is no more than that
            return json_answer(self._answers.creation_body(task), headers=headers)
        headers["preference-applied"] = f"wait={wait_s}"
        with place:
            task = await self._answers.when_ended(holder, task, wait_s)
        return json_answer(await self._answers.body(task), headers=headers)

    async def read(self, request: Request) -> Response:
        """A task as it is now, or with `?wait` when it has ended."""
        holder = await self._auth.reader(request)
        wait_s = asked_wait_s(request)
        task = await self._answers.find(holder.account_id, request.path_params["task_id"])
        request.state.task_id = task.id
        with self._streams.open(request, holder) if wait_s else nullcontext():
            task = await self._answers.when_ended(holder, task, wait_s)
        return json_answer(await self._answers.body(task))

    async def cancel(self, request: Request) -> Response:
        """End an unfinished task, free."""
        holder = await self._auth.holder(request)
        task_id = request.path_params["task_id"]
        check_id(task_id)
        request.state.task_id = task_id
        task = await cancel.cancel(self._answers.database, holder, task_id)
        return json_answer(await self._answers.body(task))

    async def erase(self, request: Request) -> Response:
        """Remove a finished task's picture and prompt."""
        holder = await self._auth.holder(request)
        task_id = request.path_params["task_id"]
        check_id(task_id)
        request.state.task_id = task_id
        await erase.erase(self._answers.database, self._pictures, holder, task_id)
        return json_answer(wire.deleted_body(task_id))
