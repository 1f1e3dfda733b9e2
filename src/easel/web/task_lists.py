"""Many tasks at once: an account's list, a page at a time, and a batch by id."""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import Response

from easel.domain.errors import InvalidRequest
from easel.domain.task import Status, is_id
from easel.store import task_pages, tasks
from easel.store.task_pages import Query
from easel.web import wire
from easel.web.answers import json_answer
from easel.web.auth import Auth
from easel.web.bodies import json_body, whole_number
from easel.web.task_answers import TaskAnswers

PAGE_MAX: Final = 10_000
PAGE_SIZE: Final = 20
PAGE_SIZE_MAX: Final = 50
BATCH_MAX: Final = 50
_IDS_SENTENCE: Final = f"task_ids must be a list of 1 to {BATCH_MAX} task ids"


class TaskListEndpoints:
    """`GET /v1/tasks` and `POST /v1/tasks/batch`."""

    def __init__(self, auth: Auth, answers: TaskAnswers) -> None:
        self._auth = auth
        self._answers = answers

    async def page(self, request: Request) -> Response:
        """The account's tasks, newest first."""
        holder = await self._auth.reader(request)
        query = Query(
            account_id=holder.account_id,
            statuses=_statuses(request.query_params.get("status")),
            model=request.query_params.get("model") or None,
            page=whole_number(request, "page", 1, 1, PAGE_MAX),
            page_size=whole_number(request, "page_size", PAGE_SIZE, 1, PAGE_SIZE_MAX),
        )
        if query.model is not None and "\0" in query.model:
            raise InvalidRequest("model must not contain NUL characters", "model")
        if request.query_params.get("type") not in {None, "", wire.TASK_TYPE}:
            page = task_pages.Page([], 0)
        else:
            async with self._answers.database.reading() as connection:
                page = await task_pages.read(connection, query)
        return json_answer(wire.page_body(page, query))

    async def batch(self, request: Request) -> Response:
        """Those of the tasks asked for that the account has, in the order asked."""
        holder = await self._auth.reader(request)
        wanted = _task_ids(await json_body(request))
        async with self._answers.database.reading() as connection:
            found = {
                task.id: task
                for task in await tasks.find_all(connection, wanted)
                if task.account_id == holder.account_id
            }
        bodies = [await self._answers.body(found[task_id]) for task_id in wanted if task_id in found]
        return json_answer({"data": bodies})


def _statuses(text: str | None) -> Sequence[Status] | None:
    if not text:
        return None
    if text not in set(Status):
        raise InvalidRequest(f"status must be one of {', '.join(Status)}", "status")
    status = Status(text)
    return [Status.PENDING, Status.PROCESSING] if status is Status.PROCESSING else [status]


def _task_ids(body: object) -> list[str]:
    """The ids asked for, each once, without those that no task can have. Raises InvalidRequest."""
    if not isinstance(body, dict):
        raise InvalidRequest("The request body must be a JSON object")
    ids = cast("Mapping[str, object]", body).get("task_ids")
    if not isinstance(ids, list) or not 1 <= len(ids) <= BATCH_MAX:
        raise InvalidRequest(_IDS_SENTENCE, "task_ids")
    texts = [text for text in ids if isinstance(text, str)]
    if len(texts) != len(ids):
        raise InvalidRequest(_IDS_SENTENCE, "task_ids")
    return [text for text in dict.fromkeys(texts) if is_id(text)]
