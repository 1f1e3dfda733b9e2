"""What operators change of accounts, groups and callbacks. The audit log records each change."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.responses import Response

from easel.actions import account_groups, credit_grants, new_accounts, task_callback
from easel.actions.credit_grants import BalanceTooHigh, BalanceTooLow
from easel.domain.credits import credits_shown
from easel.domain.errors import InvalidRequest
from easel.store.database import Database
from easel.web.admin.bodies import account_body
from easel.web.admin.fields import (
    REASON_CHARACTERS_MAX,
    fields_of,
    microcredits,
    model,
    signed_microcredits,
    text,
)
from easel.web.admin.reading import find_account, path_id
from easel.web.admin.recording import recorded
from easel.web.answers import json_answer
from easel.web.auth import Auth
from easel.web.requests import idempotency_key, task_id


class AdminChangeEndpoints:
    """The POST endpoints below `/admin/v1` that concern accounts, groups and callbacks."""

    def __init__(self, auth: Auth, database: Database) -> None:
        self._auth = auth
        self._database = database

    async def open_account(self, request: Request) -> Response:
        """Open an account. Raises AccountExists, InvalidRequest."""
        holder = await self._auth.administrator(request)
        fields = await fields_of(request, ("name", "group", "credits"))
        name = text(fields, "name", characters_min=1)
        group = text(fields, "group", characters_min=1) if "group" in fields else None
        amount = microcredits(fields, "credits", is_zero_allowed=True) if "credits" in fields else 0
        with recorded(request, holder.api_key_id):
            account_id = await new_accounts.open_account(self._database, name, group, amount)
        return await self._account(account_id)

    async def grant(self, request: Request) -> Response:
        """Add credits to an account. Raises AccountNotFound, InvalidRequest, OtherAmountEntered."""
        holder = await self._auth.administrator(request)
        key = idempotency_key(request)
        amount = microcredits(await fields_of(request, ("credits",)), "credits")
        account = await find_account(self._database, path_id(request, "account_id"))
        with recorded(request, holder.api_key_id), _refused_amounts():
            await credit_grants.grant(self._database, account.name, amount, key)
        return await self._account(account.id)

    async def adjust(self, request: Request) -> Response:
        """Add credits to an account or take them back, with a reason. Raises AccountNotFound, InvalidRequest,
        OtherAmountEntered."""
        holder = await self._auth.administrator(request)
        key = idempotency_key(request)
        fields = await fields_of(request, ("credits", "reason"))
        amount = signed_microcredits(fields, "credits")
        reason = text(fields, "reason", characters_min=1, characters_max=REASON_CHARACTERS_MAX)
        account = await find_account(self._database, path_id(request, "account_id"))
        with recorded(request, holder.api_key_id), _refused_amounts():
            await credit_grants.adjust(self._database, account.name, amount, reason, key)
        return await self._account(account.id)

    async def assign_group(self, request: Request) -> Response:
        """Put an account into a group. Raises AccountNotFound, InvalidRequest."""
        holder = await self._auth.administrator(request)
        group = text(await fields_of(request, ("group",)), "group", characters_min=1)
        account = await find_account(self._database, path_id(request, "account_id"))
        with recorded(request, holder.api_key_id):
            await account_groups.assign(self._database, account.name, group)
        return await self._account(account.id)

    async def set_price(self, request: Request) -> Response:
        """Set what a group pays for a picture of a model, from the next order on. Raises InvalidRequest."""
        holder = await self._auth.administrator(request)
        fields = await fields_of(request, ("name", "price_credits", "model"))
        name, of = text(fields, "name", characters_min=1), model(fields)
        price = microcredits(fields, "price_credits", is_zero_allowed=True)
        with recorded(request, holder.api_key_id):
            await account_groups.set_price(self._database, name, of, price)
        return json_answer({"model": of, "name": name, "price_credits": credits_shown(price)})

    async def redeliver(self, request: Request) -> Response:
        """Deliver a callback again at once. Raises TaskNotFound, CallbackNotFound, CallbackUnderWay."""
        holder = await self._auth.administrator(request)
        named = task_id(request)
        with recorded(request, holder.api_key_id):
            await task_callback.redeliver_as_operator(self._database, named)
        return json_answer({"state": "delivering", "task_id": named})

    async def _account(self, account_id: int) -> Response:
        return json_answer(account_body(await find_account(self._database, account_id)))


@contextmanager
def _refused_amounts() -> Iterator[None]:
    """Refuse an amount that would leave an account with too few or too many credits."""
    try:
        yield
    except BalanceTooLow as error:
        left = credits_shown(error.available_microcredits)
        raise InvalidRequest(f"The account has only {left} credits available to take back", "credits") from None
    except BalanceTooHigh as error:
        raise InvalidRequest(str(error), "credits") from None
