"""The account's tasks as the console shows them: as the API does, and with their orders."""

from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from easel.actions.renew_link import renew_expired_links
from easel.domain import link
from easel.domain.errors import InvalidRequest, TaskNotFound
from easel.domain.link import LinkKeys
from easel.domain.task import is_id
from easel.store import account_history, tasks
from easel.store.account_history import Excerpt
from easel.store.database import Database
from easel.store.tasks import Task
from easel.web.answers import json_answer
from easel.web.auth import Auth
from easel.web.requests import BaseUrl, task_id, whole_number
from easel.web.task_lists import statuses
from easel.web.task_view import TaskView

COUNT_MAX: Final = 50
WORDS_CHARACTERS_MAX: Final = 200


class ConsoleTaskEndpoints:
    """`GET /console/tasks` and `GET /console/tasks/{task_id}`."""

    def __init__(self, auth: Auth, database: Database, view: TaskView, base_url: BaseUrl, link_keys: LinkKeys) -> None:
        self._auth = auth
        self._database = database
        self._view = view
        self._base_url = base_url
        self._link_keys = link_keys

    async def page(self, request: Request) -> Response:
        """Tasks of the account, newest first, and after which one to go on."""
        holder = await self._auth.reader(request)
        excerpt = Excerpt(
            account_id=holder.account_id,
            statuses=statuses(request.query_params.get("status")),
            words=_words(request.query_params.get("words", "")),
            after_id=_cursor(request.query_params.get("cursor")),
            count_max=whole_number(request, "limit", COUNT_MAX, 1, COUNT_MAX),
        )
        async with self._database.reading() as connection:
            found = await account_history.read(connection, excerpt)
        if found is None:
            raise _no_such_cursor()
        current = await renew_expired_links(self._database, found.tasks)
        base_url = self._base_url.of(request)
        return json_answer({"data": [await self._body(task, base_url) for task in current], "next": found.next_id})

    async def read(self, request: Request) -> Response:
        """One task of the account."""
        holder = await self._auth.reader(request)
        wanted = task_id(request)
        async with self._database.reading() as connection:
            task = await tasks.find(connection, holder.account_id, wanted)
        if task is None:
            raise TaskNotFound
        [task] = await renew_expired_links(self._database, [task])
        return json_answer(await self._body(task, self._base_url.of(request)))

    async def _body(self, task: Task, base_url: str) -> dict[str, Any]:
        # Its link leads to the address at which the page is open, whatever address ordered it.
        body = await self._view.current(task._replace(public_url=base_url))
        order = {
            "height": task.height_px,
            "nsfw_check": task.nsfw_check,
            "output_format": task.output_format,
            "prompt": task.prompt,
            "seed": task.seed,
            "width": task.width_px,
        }
        return body | order | self._thumbnail(task, base_url)

    def _thumbnail(self, task: Task, base_url: str) -> dict[str, str]:
        """The link of the thumbnail, which works as long as the picture's."""
        if task.picture_name is None or task.link_expires_at is None or task.picture_withdrawn_at is not None:
            return {}
        path = link.thumbnail_path(task.picture_name, int(task.link_expires_at.timestamp()), self._link_keys)
        return {"thumbnail_url": base_url + path}


def _words(text: str) -> Sequence[str]:
    if len(text) > WORDS_CHARACTERS_MAX or "\0" in text:
        raise InvalidRequest(f"words must be at most {WORDS_CHARACTERS_MAX} characters without NUL characters", "words")
    return text.split()


def _cursor(text: str | None) -> str | None:
    if not text:
        return None
    if not is_id(text):
        raise _no_such_cursor()
    return text


def _no_such_cursor() -> InvalidRequest:
    return InvalidRequest("cursor must be `next` of an earlier answer", "cursor")
