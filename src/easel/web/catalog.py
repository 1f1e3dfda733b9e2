"""The catalogue: what can be drawn with, at what price, and whether it is drawn now. Anybody may read it, as at the
hosted service.

Prices are those of accounts without a group of their own.
"""

from collections.abc import Collection
from datetime import UTC
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

import easel
from easel.domain.credits import credits_shown
from easel.domain.order import MODELS
from easel.store import workers
from easel.store.database import Database
from easel.web.answers import json_answer
from easel.web.shared_check import SharedCheck

SCHEMA_VERSION: Final = "1"
CAPABILITY: Final = "image"
LIFECYCLE: Final = "active"
PROVIDER: Final = "easel"
PROTOCOLS: Final = ("tasks", "openai-images")
AVAILABILITY_LIFETIME_S: Final = 1.0


class CatalogEndpoints:
    """`GET /v1/catalog/models`, `GET /v1/catalog/pricing` and `GET /v1/catalog/health`."""

    def __init__(self, database: Database, price_microcredits: int, model_aliases: Collection[str]) -> None:
        self._availability = SharedCheck(partial(_availability, database), AVAILABILITY_LIFETIME_S)
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

    async def health(self, request: Request) -> Response:
        """Whether workers draw now: all models, or the one that `model_id` names."""
        wanted = request.query_params.get("model_id")
        names = [name for name in MODELS if wanted in {None, "", name}]
        observed = await self._availability.found() if names else {}
        return json_answer(_catalog("models", [{"model_id": name, **observed} for name in names]))

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


async def _availability(database: Database) -> dict[str, str]:
    """Whether a worker takes tasks, and when that was read. Raises DatabaseUnavailable."""
    async with database.reading() as connection:
        census = await workers.census(connection)
    now = await database.now()
    return {
        "observed_at": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "status": "available" if census.live > census.paused else "unavailable",
    }


def _catalog(name: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"meta": {"catalog_version": easel.__version__, "schema_version": SCHEMA_VERSION}, name: entries}
