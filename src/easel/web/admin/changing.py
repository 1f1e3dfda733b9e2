"""What operators change: they grant credits, revoke keys, and deliver callbacks again.

The audit log records each change with the key that was used and the address that the request came from.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from easel.actions import api_keys, credit_grants, task_callback
from easel.actions.audit_log import Remote, acting_for
from easel.domain.credits import parse_credits
from easel.domain.errors import AccountNotFound, InvalidRequest, KeyNotFound
from easel.store import account_pages
from easel.store.database import Database
from easel.web.admin.bodies import account_body, key_body
from easel.web.admin.reading import path_id
from easel.web.answers import json_answer
from easel.web.auth import Auth
from easel.web.requests import json_body, task_id


class AdminChangeEndpoints:
    """The POST endpoints below `/admin/v1`."""

    def __init__(self, auth: Auth, database: Database) -> None:
        self._auth = auth
        self._database = database

    async def grant(self, request: Request) -> Response:
        """Add credits to an account. Raises AccountNotFound, InvalidRequest."""
        holder = await self._auth.administrator(request)
        amount = _credits(await json_body(request))
        account_id = path_id(request, "account_id")
        async with self._database.reading() as connection:
            found = await account_pages.account(connection, account_id)
        if found is None:
            raise AccountNotFound
        with _recorded(request, holder.api_key_id):
            await credit_grants.grant(self._database, found.name, amount)
        async with self._database.reading() as connection:
            after = await account_pages.account(connection, account_id)
        assert after is not None
        return json_answer(account_body(after))

    async def revoke(self, request: Request) -> Response:
        """Revoke a key. Revoking it again changes nothing. Raises KeyNotFound."""
        holder = await self._auth.administrator(request)
        api_key_id = path_id(request, "key_id")
        with _recorded(request, holder.api_key_id):
            if not await api_keys.revoke(self._database, api_key_id):
                raise KeyNotFound
        async with self._database.reading() as connection:
            key = await account_pages.key(connection, api_key_id)
        assert key is not None
        return json_answer(key_body(key))

    async def redeliver(self, request: Request) -> Response:
        """Deliver a callback again at once. Raises TaskNotFound, CallbackNotFound, CallbackUnderWay."""
        holder = await self._auth.administrator(request)
        named = task_id(request)
        with _recorded(request, holder.api_key_id):
            await task_callback.redeliver_as_operator(self._database, named)
        return json_answer({"state": "delivering", "task_id": named})


@contextmanager
def _recorded(request: Request, api_key_id: int) -> Iterator[None]:
    """Record changes within the block with this key and the client's address."""
    with acting_for(Remote(api_key_id, request.client.host if request.client is not None else None)):
        yield


def _credits(body: object) -> int:
    """The micro-credits in a body such as `{"credits": 12.5}`. Raises InvalidRequest."""
    value = cast("dict[str, Any]", body).get("credits") if isinstance(body, dict) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 10**9:
        text = f"{value:.6f}"
        if float(text) == value:
            return parse_credits(text)
    raise InvalidRequest(
        "credits must be a number above 0, at most 1000000000, with at most six decimal places", "credits"
    )
