"""The models that a key may use, and the catalogue that anybody may read."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from tests.support.patience import eventually
from tests.support.running_fleet import Fleet
from tests.support.running_service import Service


def test_a_model_is_read_by_its_name(service: Service, new_key: Callable[..., str]) -> None:
    with service.client(new_key()) as client:
        found = client.get("/v1/models/z-image-turbo")
        assert found.json() == client.get("/v1/models").json()["data"][0]
        for name in ("gpt-image-1", "sdxl", "a/b"):
            missing = client.get(f"/v1/models/{name}")
            assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
    with service.client() as stranger:
        assert stranger.get("/v1/models/z-image-turbo").status_code == 401


@pytest.mark.parametrize(
    ("query", "count"), [("", 1), ("?capability=image&lifecycle=active", 1), ("?capability=video", 0)]
)
def test_the_catalogue_of_models_needs_no_key(service: Service, query: str, count: int) -> None:
    with service.client() as client:
        body = client.get(f"/v1/catalog/models{query}").json()
    assert body["meta"]["schema_version"] == "1"
    assert [model["model_id"] for model in body["models"]] == ["z-image-turbo"] * count


@pytest.mark.parametrize(("query", "count"), [("", 1), ("?model_id=z-image-turbo", 1), ("?model_id=sdxl", 0)])
def test_the_catalogue_of_prices_shows_the_price_of_a_picture(service: Service, query: str, count: int) -> None:
    with service.client() as client:
        prices = client.get(f"/v1/catalog/pricing{query}").json()["prices"]
    assert [(price["price"], price["currency"], price["unit"]) for price in prices] == [
        ("0.026", "credits", "image")
    ] * count


@pytest.mark.parametrize(("query", "count"), [("", 1), ("?model_id=z-image-turbo", 1), ("?model_id=sdxl", 0)])
def test_the_catalogue_tells_that_a_worker_draws(service: Service, query: str, count: int) -> None:
    with service.client() as client:
        answered = eventually(lambda: _health(client, query, "available", count))
    assert answered["meta"]["schema_version"] == "1"


def test_without_a_worker_the_model_is_unavailable(two_webs: Fleet) -> None:
    with two_webs.client() as client:
        assert _health(client, "", "unavailable", 1)


def _health(client: httpx2.Client, query: str, status: str, count: int) -> Any:
    body = client.get(f"/v1/catalog/health{query}").json()
    for model in body["models"]:
        datetime.strptime(model.pop("observed_at"), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return body if body["models"] == [{"model_id": "z-image-turbo", "status": status}] * count else None
