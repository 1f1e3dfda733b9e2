"""Shows a key its credits and its models."""

from collections.abc import Collection
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from easel.domain.credits import credits_shown
from easel.domain.errors import ModelNotFound
from easel.domain.openai_order import named_model
from easel.domain.order import MODELS
from easel.store import ledger
from easel.store.database import Database
from easel.web.answers import json_answer
from easel.web.auth import Auth


class AccountEndpoints:
    """`GET /v1/credits`, `GET /v1/models` and `GET /v1/models/{model}`, and the models for OpenAI's clients."""

    def __init__(self, database: Database, auth: Auth, model_aliases: Collection[str]) -> None:
        self._database = database
        self._auth = auth
        self._model_aliases = model_aliases

    async def credits(self, request: Request) -> Response:
        """The credits that the account and the key have left and have used."""
        holder = await self._auth.reader(request)
        async with self._database.reading() as connection:
            balance = await ledger.balance(connection, holder.account_id)
            spending = await ledger.key_spending(connection, holder.api_key_id)
        of_key = {
            "remaining_credits": credits_shown(spending.remaining(balance.available)),
            "unlimited_credits": spending.credit_limit is None,
            "used_credits": credits_shown(spending.used),
        }
        of_account = {
            "remaining_credits": credits_shown(balance.available),
            "used_credits": credits_shown(balance.used),
        }
        return json_answer({"data": {"token": of_key, "user": of_account}, "message": "", "success": True})

    async def models(self, request: Request) -> Response:
        """The models that the key may use, as OpenAI lists models."""
        holder = await self._auth.holder(request)
        models = [_model_body(model) for model in MODELS if holder.may_use(model)]
        return json_answer({"data": models, "object": "list"})

    async def model(self, request: Request) -> Response:
        """One model that the key may use, by its own name."""
        holder = await self._auth.holder(request)
        name = request.path_params["model"]
        if name not in MODELS or not holder.may_use(name):
            raise ModelNotFound(name)
        return json_answer(_model_body(name))

    async def openai_model(self, request: Request) -> Response:
        """One model that the key may use. OpenAI's clients may also name it by an alias."""
        holder = await self._auth.holder(request)
        name = request.path_params["model"]
        model = named_model(name, self._model_aliases)
        if model not in MODELS or not holder.may_use(model):
            raise ModelNotFound(name)
        return json_answer(_model_body(name))


def _model_body(name: str) -> dict[str, Any]:
    # OpenAI's clients require a number in `created`; Easel records no creation time for a model.
    return {"created": 0, "id": name, "object": "model", "owned_by": "easel"}
