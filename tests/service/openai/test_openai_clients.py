"""OpenAI's clients out of the box: built-in model names, wrong base URLs, streams, Azure, and unsupported requests."""

import asyncio
import base64
import io
import json
import os
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import openai
import pytest
from PIL import Image

from easel.domain import openai_order
from easel.domain.errors import ModelNotFound
from easel.settings import settings
from easel.settings.fields.usage import DEFAULT_MODEL_ALIASES
from tests.support.data_folders import prepared_folder
from tests.support.moderated import MESSAGE, REFUSED
from tests.support.openai_client import DRAWN, OPENAI_GENERATIONS, PRICE, account_of, async_sdk, sdk
from tests.support.running_service import GENERATIONS, ORDER, Service

ALIASES: Final = DEFAULT_MODEL_ALIASES.split(", ")
AZURE_VERSION: Final = "2025-04-01-preview"


@pytest.fixture(scope="module")
def renamed() -> Iterator[Service]:
    """A service with one alias of the model that refuses prompts with the order."""
    named = {"model_aliases": "my-painter, art/painter-2", "moderation_block": "http"}
    with prepared_folder() as folder, Service(folder, **named) as running:
        yield running


@pytest.fixture
def key(service: Service) -> str:
    """The key of an account that no other test uses."""
    return service.new_key(f"openai-clients-{os.urandom(6).hex()}", "1")


@pytest.fixture
def client(service: Service, key: str) -> Iterator[openai.OpenAI]:
    with sdk(service, key) as client:
        yield client


@pytest.fixture
def plain(service: Service, key: str) -> Iterator[httpx2.Client]:
    with service.client(key) as client:
        yield client


def decoded(picture: str) -> Image.Image:
    image: Image.Image = Image.open(io.BytesIO(base64.b64decode(picture, validate=True)))
    image.load()
    return image


# What an answer holds.


def test_an_answer_holds_links_and_files_unless_one_of_them_is_requested(client: openai.OpenAI) -> None:
    def fields(**asked: Any) -> list[set[str]]:
        answer = client.images.generate(**DRAWN, n=2, **asked)
        return [each.model_dump(exclude_none=True).keys() - {"seed"} for each in answer.data or ()]

    assert fields() == [{"b64_json", "url"}] * 2
    assert fields(extra_body={"response_format": None}) == [{"b64_json", "url"}] * 2
    assert fields(response_format="url") == [{"url"}] * 2
    assert fields(response_format="b64_json") == [{"b64_json"}] * 2


def test_the_file_in_an_answer_is_the_one_behind_its_link(client: openai.OpenAI, plain: httpx2.Client) -> None:
    (picture,) = client.images.generate(**DRAWN).data or []
    assert picture.url is not None
    assert plain.get(picture.url).content == base64.b64decode(picture.b64_json or "", validate=True)


# Names of the model.


@pytest.mark.parametrize("name", ["z-image-turbo", *ALIASES])
def test_the_model_names_built_into_clients_work(client: openai.OpenAI, plain: httpx2.Client, name: str) -> None:
    assert client.images.generate(**{**DRAWN, "model": name}).data
    (task,) = plain.get("/v1/tasks").json()["data"]
    assert task["model"] == "z-image-turbo"
    assert client.models.retrieve(name).id == name


def test_aliases_work_on_openais_route_only_and_are_not_listed(plain: httpx2.Client) -> None:
    refused = plain.post(GENERATIONS, json={**ORDER, "model": "gpt-image-1"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_access_denied")
    assert [model["id"] for model in plain.get("/openai/v1/models").json()["data"]] == ["z-image-turbo"]


@pytest.mark.parametrize("name", ["z-image", "z-image-turbo/", "gpt-5", "GPT-IMAGE-1", "%20", "a%2Fb"])
def test_an_unknown_model_name_gets_404(plain: httpx2.Client, name: str) -> None:
    refused = plain.get(f"/openai/v1/models/{name}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")


def test_the_operator_configures_the_aliases(renamed: Service) -> None:
    with sdk(renamed, renamed.new_key("renamed")) as client:
        for name in ("my-painter", "art/painter-2", "z-image-turbo"):
            assert client.images.generate(**{**DRAWN, "model": name}).data
            assert client.models.retrieve(name).id == name
        for name in ("gpt-image-1", "my-painter "):
            with pytest.raises(openai.NotFoundError):
                client.images.generate(**{**DRAWN, "model": name})


def test_the_models_own_name_as_the_only_alias_disables_all_others() -> None:
    aliases = settings.read(
        {"EASEL_DATA_DIR": "/var/tmp/easel", "EASEL_MODEL_ALIASES": "z-image-turbo"}
    ).model_alias_set
    assert openai_order.parse(DRAWN, aliases).model == "z-image-turbo"
    with pytest.raises(ModelNotFound):
        openai_order.parse({**DRAWN, "model": "gpt-image-1"}, aliases)


def limit_to(service: Service, key: str, models: str) -> None:
    with service.database() as connection:
        connection.execute("UPDATE api_keys SET models = %s WHERE hint = %s", ([models], key[-4:]))


def test_a_key_without_the_model_cannot_use_its_aliases(service: Service, key: str) -> None:
    limit_to(service, key, "gpt-image-1")
    with sdk(service, key) as client:
        for ask in (
            lambda: client.images.generate(**{**DRAWN, "model": "gpt-image-1"}),
            lambda: client.models.retrieve("gpt-image-1"),
        ):
            with pytest.raises(openai.NotFoundError, match="`gpt-image-1`"):
                ask()


def test_a_key_with_the_model_can_use_its_aliases(service: Service, key: str) -> None:
    limit_to(service, key, "z-image-turbo")
    with sdk(service, key) as client:
        assert client.images.generate(**{**DRAWN, "model": "gpt-image-1"}).data
        assert client.models.retrieve("gpt-image-1").id == "gpt-image-1"


# Base URLs as people type them.


def test_the_sdk_at_a_wrong_base_url_is_told_the_right_one_and_pays_nothing(service: Service, key: str) -> None:
    with openai.OpenAI(
        base_url=f"{service.url}/v1", api_key=key, http_client=openai.DefaultHttpxClient(trust_env=False)
    ) as wrong:
        assert wrong.models.list().data
        with pytest.raises(openai.BadRequestError, match="/openai/v1"):
            wrong.images.generate(**DRAWN)
    assert account_of(service, key) == {"used": 0, "remaining": 1, "tasks": []}


@pytest.mark.parametrize(
    ("headers", "changes"),
    [({"X-Stainless-Lang": "js"}, {}), ({}, {"response_format": "url"}), ({}, {"response_format": None})],
)
def test_an_openai_request_to_the_creation_endpoint_gets_400(
    plain: httpx2.Client, headers: dict[str, str], changes: dict[str, Any]
) -> None:
    refused = plain.post(GENERATIONS, json={**ORDER, **changes}, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_request")
    assert "/openai/v1" in refused.json()["error"]["message"]
    assert plain.get("/v1/tasks").json()["total"] == 0


@pytest.mark.parametrize(
    "path",
    ["/v1", "/openai", "/openai/", "/openai/v1", "/images/generations", "/openai/images/generations",
     "/v1/openai/v1/images/generations", "/v1/chat/completions", "/openai/v1/responses"],
)  # fmt: skip
def test_an_unknown_path_names_the_right_ones(plain: httpx2.Client, path: str) -> None:
    for refused in (plain.get(path), plain.post(path, json=DRAWN)):
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")
        for words in ("The API is at /v1", "ends in /openai/v1", "described at /docs"):
            assert words in refused.json()["error"]["message"]
        assert ("param" in refused.json()["error"]) == path.startswith("/openai")


# Refusals in OpenAI's words.


def test_a_refused_prompt_gets_openais_moderation_blocked_error(service: Service, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.images.generate(**{**DRAWN, "prompt": REFUSED})
    assert raised.value.body == {
        "code": "moderation_blocked", "message": MESSAGE.format("prompt", "sexual"), "param": None,
        "type": "image_generation_user_error",
    }  # fmt: skip
    assert account_of(service, client.api_key)["remaining"] == 1


def test_a_prompt_refused_with_the_order_gets_the_same_error(renamed: Service) -> None:
    with sdk(renamed, renamed.new_key("refused")) as client, pytest.raises(openai.BadRequestError) as raised:
        client.images.generate(**{**DRAWN, "prompt": REFUSED})
    assert (raised.value.code, raised.value.type, raised.value.param) == (
        "moderation_blocked", "image_generation_user_error", "prompt",
    )  # fmt: skip


@pytest.mark.parametrize("path", ["/openai/v1/images/edits", "/openai/v1/images/variations"])
def test_edits_and_variations_are_refused_whatever_the_size_of_the_upload(
    service: Service, plain: httpx2.Client, path: str
) -> None:
    for size_bytes in (4, 300_000, 8_000_000):
        refused = plain.post(path, files={"image": ("cat.png", b"\x89" * size_bytes)})
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "edits_not_offered")
    assert plain.get(path).status_code == 405
    with service.client() as stranger:
        assert stranger.post(path).status_code == 401


# Streams.


def test_a_stream_sends_each_picture_when_it_is_drawn(service: Service, client: openai.OpenAI) -> None:
    with client.images.generate(**DRAWN, n=2, stream=True, extra_body={"seed": 5}) as stream:
        events = list(stream)
    assert [event.type for event in events] == ["image_generation.completed"] * 2
    assert [decoded(event.b64_json).size for event in events] == [(376, 376)] * 2
    assert [(event.size, event.output_format, event.usage.total_tokens) for event in events] == [
        ("376x376", "png", 0)
    ] * 2
    assert [(event.model_extra or {})["seed"] for event in events] == [5, 6]
    assert account_of(service, client.api_key)["used"] == pytest.approx(2 * PRICE)


def test_the_asynchronous_client_can_read_a_stream(service: Service, key: str) -> None:
    async def ask() -> list[str]:
        async with async_sdk(service, key) as client:
            stream = await client.images.generate(**DRAWN, stream=True, partial_images=2)
            return [event.b64_json async for event in stream]

    (picture,) = asyncio.run(ask())
    assert decoded(picture).format == "PNG"


def test_a_streams_events_have_a_known_length(plain: httpx2.Client) -> None:
    answer = plain.post(OPENAI_GENERATIONS, json={**DRAWN, "stream": True, "response_format": "url"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert int(answer.headers["content-length"]) == len(answer.content)
    name, data, *rest = answer.text.split("\n")
    assert (name, rest) == ("event: image_generation.completed", ["", ""])
    assert json.loads(data.removeprefix("data: "))["b64_json"]


def test_a_refused_stream_is_answered_like_any_refusal(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.images.generate(**{**DRAWN, "prompt": REFUSED}, stream=True)
    assert raised.value.code == "moderation_blocked"


# Azure's ways.


def test_azures_client_draws_with_its_own_path_and_header(service: Service, key: str) -> None:
    http_client = openai.DefaultHttpxClient(trust_env=False)
    with openai.AzureOpenAI(
        azure_endpoint=service.url, api_key=key, api_version=AZURE_VERSION, http_client=http_client, max_retries=0
    ) as azure:
        for name in ("z-image-turbo", "dall-e-3", "Tongyi-MAI/Z-Image-Turbo"):
            (picture,) = azure.images.generate(**{**DRAWN, "model": name}).data or []
            assert decoded(picture.b64_json or "").size == (376, 376)
        with pytest.raises(openai.NotFoundError, match="`other`") as raised:
            azure.images.generate(**{**DRAWN, "model": "other"})
        assert raised.value.code == "model_not_found"
        with pytest.raises(openai.NotFoundError) as raised:
            azure.images.edit(model="z-image-turbo", image=("cat.png", b"\x89PNG"), prompt="a hat")
        assert raised.value.code == "edits_not_offered"
    assert account_of(service, key)["used"] == pytest.approx(3 * PRICE)


@pytest.mark.parametrize("body_model", [{}, {"model": None}, {"model": "z-image-turbo"}, {"model": "other"}], ids=str)
@pytest.mark.parametrize(("deployment", "status"), [("dall-e-3", 200), ("other-one", 404)])
def test_the_deployment_in_the_path_overrides_the_model_in_the_body(
    plain: httpx2.Client, deployment: str, status: int, body_model: dict[str, Any]
) -> None:
    order = {"prompt": "a cute cat", "size": "376x376", **body_model}
    assert plain.post(f"/openai/deployments/{deployment}/images/generations", json=order).status_code == status


def test_azures_header_works_on_openais_routes_only(service: Service, key: str) -> None:
    with service.client() as stranger:
        stranger.headers["api-key"] = key
        assert stranger.post(OPENAI_GENERATIONS, json=DRAWN).status_code == 200
        assert stranger.get("/openai/v1/models").status_code == 200
        assert stranger.get("/v1/credits").status_code == 401
        assert stranger.post(GENERATIONS, json=ORDER).status_code == 401
        stranger.headers["authorization"] = "Bearer sk-easel-wrong"
        assert stranger.get("/openai/v1/models").status_code == 401
    assert key not in service.log_file.read_text()
