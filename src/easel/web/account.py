"""What a key can learn of itself: its credits and its models."""

from collections.abc import Collection

from starlette.requests import Request
from starlette.responses import Response

from easel.domain.errors import ModelNotFound
from easel.domain.openai_order import named_model
from easel.domain.order import MODELS
from easel.store import ledger
from easel.store.database import Database
from easel.web import wire
from easel.web.answers import json_answer
from easel.web.auth import Auth


class AccountEndpoints:
    """`GET /v1/credits`, `GET /v1/models` and, for OpenAI's clients, one model."""

    def __init__(self, database: Database, auth: Auth, model_aliases: Collection[str]) -> None:
        self._database = database
        self._auth = auth
        self._model_aliases = model_aliases

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

    async def model(self, request: Request) -> Response:
        """One model that the key may use, by its own name or another that OpenAI's clients may use for it."""
        holder = await self._auth.holder(request)
        name = request.path_params["model"]
        model = named_model(name, self._model_aliases)
        if model not in MODELS or not holder.may_use(model):
            raise ModelNotFound(name)
        return json_answer(wire.model_body(name))
