"""What a key can learn of itself: its credits and its models."""

from starlette.requests import Request
from starlette.responses import Response

from easel.store import credits as ledger
from easel.store.database import Database
from easel.web import wire
from easel.web.answers import json_answer
from easel.web.auth import Auth


class AccountEndpoints:
    """`GET /v1/credits` and `GET /v1/models`."""

    def __init__(self, database: Database, auth: Auth) -> None:
        self._database = database
        self._auth = auth

    async def credits(self, request: Request) -> Response:
        """What the account and the key have left and have used."""
        holder = await self._auth.reader(request)
        async with self._database.reading() as connection:
            balance = await ledger.balance(connection, holder.account_id)
            spending = await ledger.key_spending(connection, holder.api_key_id)
        return json_answer(wire.credits_body(balance, spending))

    async def models(self, request: Request) -> Response:
        """The models that the key may use."""
        holder = await self._auth.holder(request)
        return json_answer(wire.models_body(holder.models))
