"""Lists an account's tasks, a page at a time, and reads several tasks by id."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from starlette.requests import Request
from starlette.responses import Response

from easel.actions.renew_link import renew_expired_links
from easel.domain.credits import credits_shown
from easel.domain.errors import InvalidRequest
from easel.domain.task import Status, is_id
from easel.store import task_pages, tasks
from easel.store.database import Database
from easel.store.task_pages import ListedTask, Page, Query
from easel.web.answers import json_answer
from easel.web.auth import Auth
from easel.web.requests import json_body, whole_number
from easel.web.task_view import TASK_TYPE, TaskView

PAGE_MAX: Final = 10_000
PAGE_SIZE: Final = 20
PAGE_SIZE_MAX: Final = 50
BATCH_MAX: Final = 50
_IDS_SENTENCE: Final = f"task_ids must be a list of 1 to {BATCH_MAX} task ids"


class TaskListEndpoints:
    """`GET /v1/tasks` and `POST /v1/tasks/batch`."""

    def __init__(self, auth: Auth, database: Database, view: TaskView) -> None:
        self._auth = auth
        self._database = database
        self._view = view

    async def page(self, request: Request) -> Response:
        """A page of the account's tasks, newest first, without links."""
        holder = await self._auth.reader(request)
        query = Query(
            account_id=holder.account_id,
            statuses=statuses(request.query_params.get("status")),
            model=request.query_params.get("model") or None,
            page=whole_number(request, "page", 1, 1, PAGE_MAX),
            page_size=whole_number(request, "page_size", PAGE_SIZE, 1, PAGE_SIZE_MAX),
        )
        if query.model is not None and "\0" in query.model:
            raise InvalidRequest("model must not contain NUL characters", "model")
        if request.query_params.get("type") not in {None, "", TASK_TYPE}:
            page = Page([], 0)
        else:
            async with self._database.reading() as connection:
                page = await task_pages.read(connection, query)
        return json_answer(_page_body(page, query))

    async def batch(self, request: Request) -> Response:
        """The account's tasks among the requested ids, in the order of the request."""
        holder = await self._auth.reader(request)
        wanted = _task_ids(await json_body(request))
        async with self._database.reading() as connection:
            found = {
                task.id: task
                for task in await tasks.find_all(connection, wanted)
                if task.account_id == holder.account_id
            }
        current = await renew_expired_links(self._database, [found[task_id] for task_id in wanted if task_id in found])
        return json_answer({"data": [await self._view.current(task) for task in current]})


def _page_body(page: Page, query: Query) -> dict[str, Any]:
    data = [_listed(task) for task in page.tasks]
    return {"data": data, "page": query.page, "page_size": query.page_size, "total": page.total}


def _listed(task: ListedTask) -> dict[str, Any]:
    body: dict[str, Any] = {
        "created_at": int(task.created_at.timestamp()),
        "credits_used": credits_shown(task.price_microcredits if task.status == Status.COMPLETED else 0),
    }
    if task.has_error:
        body["error_code"] = task.error_code
    return body | {
        "has_error": task.has_error,
        "has_results": task.has_results,
        "id": task.id,
        "model": task.model,
        "progress": task.progress,
        "status": task.status,
        "type": TASK_TYPE,
    }


def statuses(text: str | None) -> Sequence[Status] | None:
    """The states that a `status` in the query string means. None for all. Raises InvalidRequest."""
    if not text:
        return None
    if text not in set(Status):
        raise InvalidRequest(f"status must be one of {', '.join(Status)}", "status")
    status = Status(text)
    return [Status.PENDING, Status.PROCESSING] if status is Status.PROCESSING else [status]


def _task_ids(body: object) -> list[str]:
    """The requested ids that have the form of a task id, without duplicates. Raises InvalidRequest."""
    if not isinstance(body, dict):
        raise InvalidRequest("The request body must be a JSON object")
    ids = cast("Mapping[str, object]", body).get("task_ids")
    if not isinstance(ids, list) or not 1 <= len(ids) <= BATCH_MAX:
        raise InvalidRequest(_IDS_SENTENCE, "task_ids")
    texts = [text for text in ids if isinstance(text, str)]
    if len(texts) != len(ids):
        raise InvalidRequest(_IDS_SENTENCE, "task_ids")
    return [text for text in dict.fromkeys(texts) if is_id(text)]
