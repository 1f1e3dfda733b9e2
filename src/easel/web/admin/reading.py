"""What operators see: accounts, keys, groups, callbacks, the audit log, and an overview of the service."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response

import easel
from easel.actions import task_callback
from easel.domain.audit_log import Action
from easel.domain.delivery import State
from easel.domain.errors import AccountNotFound
from easel.store import account_pages, audit_log, callbacks, moderation_log, overview, user_groups
from easel.store.account_pages import ListedAccount
from easel.store.audit_log import EntrySearch
from easel.store.database import Database
from easel.store.overview import LiveWorker, Stored
from easel.web.admin.bodies import account_body, callback_body, entry_body, group_body, key_body
from easel.web.admin.filters import named, one_of, span
from easel.web.answers import json_answer
from easel.web.auth import Auth
from easel.web.callbacks import callback_body as shown_callback
from easel.web.requests import task_id, whole_number
from easel.web.shared_check import SharedCheck

PAGE_SIZE: Final = 50
PAGE_SIZE_MAX: Final = 100
GROUPS_MAX: Final = 1000
ID_MAX: Final = 999_999_999
STORED_LIFETIME_S: Final = 60.0
"""How old the sum of the pictures' sizes may be, because it takes long where there are many."""

_Row = TypeVar("_Row")


class AdminReadEndpoints:
    """The GET endpoints below `/admin/v1`."""

    def __init__(self, auth: Auth, database: Database) -> None:
        self._auth = auth
        self._database = database
        self._stored = SharedCheck(self._measure_stored, STORED_LIFETIME_S)

    async def overview(self, request: Request) -> Response:
        """The queue, the workers and their output, failures, callbacks, moderation and storage."""
        await self._auth.administrator(request)
        stored = await self._stored.found()
        async with self._database.reading() as connection:
            queue = await overview.queue(connection)
            workers = await overview.live_workers(connection)
            output = await overview.output(connection)
            failures = await overview.failures(connection)
            delivered = await overview.callbacks_by_state(connection)
            decisions = await moderation_log.count_decisions(connection, 1)
        return json_answer(
            {
                "callbacks": delivered,
                "engines": [asdict(each) for each in output],
                "failures": [asdict(each) for each in failures],
                "moderation": [asdict(each) for each in decisions],
                "queue": asdict(queue) | {"oldest_waiting_s": round(queue.oldest_waiting_s, 1)},
                "storage": {"bytes": stored.size_bytes, "pictures": stored.pictures},
                "version": easel.__version__,
                "workers": [_worker_body(worker) for worker in workers],
            }
        )

    async def accounts(self, request: Request) -> Response:
        """A page of the accounts whose names contain a text, oldest first."""
        await self._auth.administrator(request)
        after, limit, part = _cursor(request), page_limit(request), named(request, "name")
        async with self._database.reading() as connection:
            rows = await account_pages.accounts(connection, part or "", after, limit + 1)
        return _page(rows, limit, account_body, lambda row: row.id)

    async def account(self, request: Request) -> Response:
        """One account. Raises AccountNotFound."""
        await self._auth.administrator(request)
        return json_answer(account_body(await find_account(self._database, path_id(request, "account_id"))))

    async def keys(self, request: Request) -> Response:
        """A page of the keys of one account or of all, oldest first."""
        await self._auth.administrator(request)
        after, limit = _cursor(request), page_limit(request)
        account_id = whole_number(request, "account_id", 0, 1, ID_MAX) or None
        async with self._database.reading() as connection:
            rows = await account_pages.keys(connection, account_id, after, limit + 1)
        return _page(rows, limit, key_body, lambda row: row.id)

    async def groups(self, request: Request) -> Response:
        """The groups and their prices, by name."""
        await self._auth.administrator(request)
        async with self._database.reading() as connection:
            rows = await user_groups.list_groups(connection)
        return json_answer({"data": [group_body(row) for row in rows[:GROUPS_MAX]]})

    async def callbacks(self, request: Request) -> Response:
        """The latest callbacks, of one account or of all, in one state or in any."""
        await self._auth.administrator(request)
        account, state = named(request, "account"), one_of(request, "state", tuple(State))
        limit = page_limit(request)
        async with self._database.reading() as connection:
            rows = await callbacks.list_callbacks(connection, account, state, limit)
        return json_answer({"data": [callback_body(row) for row in rows]})

    async def callback(self, request: Request) -> Response:
        """A task's callback and every attempt to deliver it. Raises TaskNotFound, CallbackNotFound."""
        await self._auth.administrator(request)
        return json_answer(shown_callback(*await task_callback.find_as_operator(self._database, task_id(request))))

    async def audit_log(self, request: Request) -> Response:
        """A page of the audit log, newest first, as far as it matches the filters of `easel audit`."""
        await self._auth.administrator(request)
        limit = page_limit(request)
        search = EntrySearch(
            account=named(request, "account"),
            action=one_of(request, "action", tuple(Action)),
            operator=named(request, "operator"),
            api_key_id=whole_number(request, "key_id", 0, 1, ID_MAX) or None,
            since=span(request, "since"),
            before_id=_cursor(request) or None,
            count_max=limit + 1,
        )
        async with self._database.reading() as connection:
            rows = await audit_log.list_entries(connection, search)
        return _page(rows, limit, entry_body, lambda row: row.id)

    async def _measure_stored(self) -> Stored:
        async with self._database.reading() as connection:
            return await overview.stored(connection)


async def find_account(database: Database, account_id: int) -> ListedAccount:
    """An account by its id. Raises AccountNotFound."""
    async with database.reading() as connection:
        found = await account_pages.account(connection, account_id)
    if found is None:
        raise AccountNotFound
    return found


def path_id(request: Request, name: str) -> int:
    """The id in the path. 0, which nothing has, if it is none."""
    text: str = request.path_params[name]
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(ID_MAX)) else 0


def _cursor(request: Request) -> int:
    return whole_number(request, "cursor", 0, 0, ID_MAX)


def page_limit(request: Request) -> int:
    """The most rows that the answer may have. Raises InvalidRequest."""
    return whole_number(request, "limit", PAGE_SIZE, 1, PAGE_SIZE_MAX)


def _page(
    rows: Sequence[_Row], limit: int, body: Callable[[_Row], dict[str, Any]], place: Callable[[_Row], int]
) -> Response:
    """The first `limit` of these rows. One more row shows that there is a next page."""
    shown = rows[:limit]
    return json_answer({"data": [body(row) for row in shown], "next": place(shown[-1]) if len(rows) > limit else None})


def _worker_body(worker: LiveWorker) -> dict[str, Any]:
    return {
        "device": worker.device,
        "draws_at_once": worker.draws_at_once,
        "engine": worker.engine,
        "id": worker.id,
        "paused_because": worker.paused_because,
        "pictures_last_hour": worker.pictures_last_hour,
        "started": int(worker.started_at.timestamp()),
        "tasks": worker.tasks,
    }
