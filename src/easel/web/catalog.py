"""The catalogue: what can be drawn with, and at what price. Anybody may read it, as at the hosted service.

Prices are those of accounts without a group of their own.
"""

from collections.abc import Collection
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

import easel
from easel.domain.credits import credits_shown
from easel.domain.order import MODELS
from easel.web.answers import json_answer

SCHEMA_VERSION: Final = "1"
CAPABILITY: Final = "image"
LIFECYCLE: Final = "active"
PROVIDER: Final = "easel"
PROTOCOLS: Final = ("tasks", "openai-images")


class CatalogEndpoints:
    """`GET /v1/catalog/models` and `GET /v1/catalog/pricing`."""

    def __init__(self, price_microcredits: int, model_aliases: Collection[str]) -> None:
        self._price_microcredits = price_microcredits
        self._aliases = sorted(model_aliases)

    async def models(self, request: Request) -> Response:
        """The models, or those that can do what `capability` names and are in the state that `lifecycle` names."""
        wanted = (request.query_params.get("capability"), request.query_params.get("lifecycle"))
        is_wanted = wanted[0] in {None, "", CAPABILITY} and wanted[1] in {None, "", LIFECYCLE}
        return json_answer(_catalog("models", [self._model(name) for name in MODELS if is_wanted]))

    async def pricing(self, request: Request) -> Response:
        """The prices, or those of the model that `model_id` names."""
        wanted = request.query_params.get("model_id")
        return json_answer(_catalog("prices", [self._price(name) for name in MODELS if wanted in {None, "", name}]))

    def _model(self, name: str) -> dict[str, Any]:
        return {
            "aliases": [alias for alias in self._aliases if alias != name],
            "capabilities": [CAPABILITY],
            "display_name": name,
            "lifecycle": LIFECYCLE,
            "model_id": name,
            "protocols": list(PROTOCOLS),
            "provider": PROVIDER,
        }

    def _price(self, name: str) -> dict[str, Any]:
        return {
            "currency": "credits",
            "model_id": name,
            "price": str(credits_shown(self._price_microcredits)),
            "role": "output",
            "sku_id": name,
            "unit": CAPABILITY,
        }


def _catalog(name: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"meta": {"catalog_version": easel.__version__, "schema_version": SCHEMA_VERSION}, name: entries}
