"""OpenAI's SDK against a running service: pictures in both forms, and its exceptions for every refusal."""

import asyncio
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx2
import openai
import pytest
from PIL import Image

from easel.domain.order import SEED_MAX
from tests.support.command_line import environment
from tests.support.data_folders import reachable_folder
from tests.support.openai_client import (
    DRAWN,
    OPENAI_GENERATIONS,
    PRICE,
    account_of,
    async_sdk,
    attempts,
    links,
    pictures,
    sdk,
    seeds,
)
from tests.support.paths import ROOT
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, submit

HELLO: Final[Any] = {"role": "user", "content": "hello"}
GUIDE = (ROOT / "docs/how-to/openai-sdk.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def key(service: Service) -> str:
    return service.new_key("openai", "1000")


@pytest.fixture(scope="module")
def client(service: Service, key: str) -> Iterator[openai.OpenAI]:
    with sdk(service, key) as client:
        yield client


@pytest.fixture
def own_key(service: Service) -> str:
    """The key of an account that no other test uses."""
    return service.new_key(f"openai-{os.urandom(6).hex()}", "1")


@pytest.fixture(scope="module", autouse=True)
def audited(service: Service) -> Iterator[None]:
    yield
    service.audit()


def test_several_pictures_come_as_links_with_consecutive_seeds_and_are_each_charged(
    service: Service, own_key: str
) -> None:
    with sdk(service, own_key) as client:
        answer = client.images.generate(**DRAWN, n=3, extra_body={"seed": 7})
    assert seeds(answer) == [7, 8, 9]
    assert (answer.output_format, answer.size) == ("png", "376x376")
    files = [httpx2.get(link, trust_env=False, timeout=30) for link in links(answer)]
    assert [file.headers["content-type"] for file in files] == ["image/png"] * 3
    assert {Image.open(io.BytesIO(file.content)).size for file in files} == {(376, 376)}
    assert len({file.content for file in files}) == 3
    account = account_of(service, own_key)
    assert [task["status"] for task in account["tasks"]] == ["completed"] * 3
    assert account["used"] == pytest.approx(3 * PRICE)


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_pictures_can_be_returned_inline_in_each_format(client: openai.OpenAI, output_format: Any) -> None:
    asked = {"model": "z-image-turbo", "prompt": "ein Wal 🐋", "size": "400x1536", "output_format": output_format}
    answer = client.images.generate(**asked, n=2, response_format="b64_json")
    assert [(picture.format, picture.size) for picture in pictures(answer)] == [
        (output_format.upper(), (400, 1536))
    ] * 2
    assert answer.output_format == output_format
    assert len(set(seeds(answer))) == 2


@pytest.mark.parametrize(
    "absent", [{}, {"size": "auto"}, {"size": None, "n": None, "model": None, "output_format": None}]
)
def test_the_defaults_are_one_square_png_of_the_only_model(client: openai.OpenAI, absent: dict[str, Any]) -> None:
    (picture,) = pictures(client.images.generate(prompt="a cute cat", response_format="b64_json", **absent))
    assert (picture.format, picture.size) == ("PNG", (1024, 1024))


def test_the_same_seed_draws_the_same_picture_on_both_routes(service: Service, key: str, client: openai.OpenAI) -> None:
    answer = client.images.generate(**DRAWN, response_format="b64_json", extra_body={"seed": 11})
    with service.client(key) as other:
        task = finish(other, submit(other, seed=11, output_format="png")["id"])
        there = Image.open(io.BytesIO(other.get(task["results"][0]).content))
    assert pictures(answer)[0].getpixel((0, 0)) == there.getpixel((0, 0))


def test_the_seed_after_the_largest_is_the_smallest(client: openai.OpenAI) -> None:
    answer = client.images.generate(**DRAWN, n=2, extra_body={"seed": SEED_MAX})
    assert seeds(answer) == [SEED_MAX, 1]


def test_fields_without_a_meaning_here_are_ignored(client: openai.OpenAI) -> None:
    ignored: dict[str, Any] = {
        "quality": "hd", "style": "vivid", "background": "transparent", "moderation": "low", "user": "user-1234",
        "output_compression": 50, "partial_images": 3, "stream": False,
        "extra_body": {"callback_url": "nonsense", "steps": 50},
    }  # fmt: skip
    assert len(links(client.images.generate(**DRAWN, **ignored))) == 1


def test_the_asynchronous_client_gets_many_concurrent_answers(service: Service, key: str) -> None:
    async def ask() -> list[list[str]]:
        async with async_sdk(service, key) as client:
            asked = (client.images.generate(**DRAWN, extra_body={"seed": seed}) for seed in range(1, 21))
            answers = await asyncio.gather(*asked)
        assert [seeds(answer) for answer in answers] == [[seed] for seed in range(1, 21)]
        return [links(answer) for answer in answers]

    assert len({link for found in asyncio.run(ask()) for link in found}) == 20


def test_models_are_listed(service: Service, client: openai.OpenAI) -> None:
    assert [(model.id, model.object) for model in client.models.list()] == [("z-image-turbo", "model")]
    with sdk(service, "sk-nonsense") as stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()


def test_answers_report_the_rate_limit_and_the_request_id(client: openai.OpenAI) -> None:
    raw = client.images.with_raw_response.generate(**DRAWN, n=2)
    assert raw.headers["ratelimit-policy"] == '"create";q=600;w=60'
    assert int(raw.headers["x-ratelimit-remaining"]) < 600
    assert raw.headers["x-request-id"].startswith("req-")
    assert raw.headers["cache-control"] == "no-store"
    assert raw.http_response.content == raw.http_response.content.strip()


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"size": "256x256"}, "size"),
        ({"size": "1792x1024"}, "size"),
        ({"size": "1:1"}, "size"),
        ({"size": 1024}, "size"),
        ({"size": ["1024x1024"]}, "size"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": "1"}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.0}, "n"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 2001}, "prompt"),
        ({"prompt": "a\0b"}, "prompt"),
        ({"response_format": "base64"}, "response_format"),
        ({"response_format": ["url"]}, "response_format"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_format": ""}, "output_format"),
        ({"stream": 0}, "stream"),
        ({"stream": "true"}, "stream"),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"extra_body": {"seed": 0}}, "seed"),
        ({"extra_body": {"seed": "7"}}, "seed"),
        ({"extra_body": {"nsfw_check": "yes"}}, "nsfw_check"),
    ],
    ids=str,
)
def test_an_invalid_request_is_a_bad_request_error(client: openai.OpenAI, changes: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.images.generate(**{**DRAWN, **changes})
    assert (raised.value.param, raised.value.code, raised.value.type) == (
        param, "invalid_request", "invalid_request_error",
    )  # fmt: skip
    assert param in str(raised.value)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"\xff"])
def test_a_body_that_is_not_a_json_object_gets_400(service: Service, key: str, body: bytes) -> None:
    with service.client(key) as plain:
        refused = plain.post(OPENAI_GENERATIONS, content=body)
    assert refused.status_code == 400
    assert refused.json()["error"].keys() == {"code", "message", "param", "type"}


@pytest.mark.parametrize("wrong", ["sk-nonsense", "sk-easel-" + "0" * 39, "x"])
def test_a_wrong_key_is_an_authentication_error(service: Service, wrong: str) -> None:
    with sdk(service, wrong) as client, pytest.raises(openai.AuthenticationError) as raised:
        client.images.generate(**DRAWN)
    assert raised.value.body == {
        "code": "invalid_api_key", "message": "Incorrect or expired API key provided", "param": None,
        "type": "invalid_request_error",
    }  # fmt: skip
    assert raised.value.response.headers["www-authenticate"] == "Bearer"


def test_a_key_that_may_not_create_is_a_permission_denied_error(service: Service) -> None:
    with sdk(service, service.new_key("openai-reader", "1", "--scope", "read")) as client:
        with pytest.raises(openai.PermissionDeniedError) as raised:
            client.images.generate(**DRAWN)
        assert raised.value.code == "permission_denied"
        assert client.models.list().data


@pytest.mark.parametrize(
    ("model", "named"), [("gpt-5", " `gpt-5`"), ("z-image/base", " `z-image/base`"), ("<script>", "")]
)
def test_an_unknown_model_is_a_not_found_error(client: openai.OpenAI, model: str, named: str) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.images.generate(prompt="a cute cat", model=model)
    assert raised.value.code == "model_not_found"
    assert raised.value.body["message"] == f"The model{named} does not exist or you do not have access to it."  # type: ignore[index]


def test_a_model_that_the_key_may_not_use_is_a_not_found_error(service: Service, own_key: str) -> None:
    with service.database() as connection:
        connection.execute("UPDATE api_keys SET models = '{other}' WHERE hint = %s", (own_key[-4:],))
    with sdk(service, own_key) as client, pytest.raises(openai.NotFoundError) as raised:
        client.images.generate(**DRAWN)
    assert raised.value.code == "model_not_found"


def test_too_few_credits_get_402_without_a_draw_or_a_retry(service: Service) -> None:
    key = service.new_key("openai-poor", "0.05")
    with sdk(service, key, max_retries=2) as client, pytest.raises(openai.APIStatusError) as raised:
        client.images.generate(**DRAWN, n=2, extra_headers={"x-request-id": "openai-poor"})
    assert (raised.value.status_code, raised.value.code) == (402, "insufficient_quota")
    assert account_of(service, key) == {"used": 0, "remaining": 0.05, "tasks": []}
    eventually(lambda: len(attempts(service, "openai-poor")) == 1)


def test_too_many_pictures_at_once_are_a_rate_limit_error_with_retry_after(service: Service) -> None:
    with sdk(service, service.new_key("openai-hasty", "1", "--rate", "3")) as client:
        client.images.generate(**DRAWN, n=2)
        with pytest.raises(openai.RateLimitError) as raised:
            client.images.generate(**DRAWN, n=2)
    assert (raised.value.code, raised.value.type) == ("rate_limit_exceeded", "rate_limit_error")
    assert 1 <= int(raised.value.response.headers["retry-after"]) <= 20
    assert raised.value.response.headers["x-ratelimit-remaining"] == "1"


# OpenAI has retired variations, and its SDK says so.
@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_unsupported_openai_endpoints_are_a_not_found_error(client: openai.OpenAI) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    for ask, code in (
        (lambda: client.images.edit(image=("cat.png", picture.getvalue()), prompt="a hat"), "edits_not_offered"),
        (lambda: client.images.create_variation(image=("cat.png", picture.getvalue())), "edits_not_offered"),
        (lambda: client.models.retrieve("gpt-5"), "model_not_found"),
        (lambda: client.chat.completions.create(model="z-image-turbo", messages=[HELLO]), "not_found"),
    ):
        with pytest.raises(openai.NotFoundError) as raised:
            ask()
        assert (raised.value.code, raised.value.type) == (code, "invalid_request_error")


def test_a_large_body_and_a_wrong_method_get_openais_errors(service: Service, key: str, client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        client.images.generate(prompt="x" * 70_000)
    assert (raised.value.status_code, raised.value.code) == (413, "payload_too_large")
    with service.client(key) as plain:
        refused = plain.get(OPENAI_GENERATIONS)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert refused.json()["error"].keys() == {"code", "message", "param", "type"}


def test_the_sdk_sends_no_idempotency_key_of_its_own(client: openai.OpenAI) -> None:
    sent = client.images.with_raw_response.generate(**DRAWN).http_request.headers
    assert "idempotency-key" not in sent
    assert sent["x-stainless-read-timeout"] == "600"


def test_with_an_idempotency_key_a_repeated_request_is_replayed_and_charged_once(
    service: Service, own_key: str
) -> None:
    repeatable: Any = {**DRAWN, "n": 3, "extra_headers": {"Idempotency-Key": "openai-order-0001"}}
    with sdk(service, own_key) as client:
        with ThreadPoolExecutor() as pool:
            several = list(pool.map(lambda _: client.images.generate(**repeatable), range(4)))
        first, *others = [(links(answer), seeds(answer)) for answer in several]
        again = client.images.with_raw_response.generate(**repeatable)
        embedded = client.images.generate(**repeatable, response_format="b64_json")
        with client.images.generate(**repeatable, stream=True) as stream:
            assert len(list(stream)) == 3
    assert others == [first] * 3
    assert again.headers["idempotency-replayed"] == "true"
    assert (links(again.parse()), seeds(embedded)) == first
    assert len(pictures(embedded)) == 3
    account = account_of(service, own_key)
    assert (len(account["tasks"]), account["used"]) == (3, pytest.approx(3 * PRICE))


def test_an_idempotency_key_with_another_order_is_refused_and_not_retried(service: Service, own_key: str) -> None:
    named = {"Idempotency-Key": "openai-order-0002", "x-request-id": "openai-conflict"}
    with sdk(service, own_key, max_retries=2) as client:
        client.images.generate(**DRAWN, n=2, extra_headers={"Idempotency-Key": "openai-order-0002"})
        for changes in ({"n": 3}, {"n": 1}, {"n": 2, "extra_body": {"seed": 1}}):
            with pytest.raises(openai.ConflictError) as raised:
                client.images.generate(**{**DRAWN, **changes}, extra_headers=named)
            assert raised.value.code == "idempotency_conflict"
        with pytest.raises(openai.BadRequestError):
            client.images.generate(**DRAWN, extra_headers={"Idempotency-Key": "short"})
    eventually(lambda: len(attempts(service, "openai-conflict")) == 3)
    assert account_of(service, own_key)["used"] == pytest.approx(2 * PRICE)


@pytest.mark.parametrize("response_format", ["url", "b64_json"])
def test_replaying_an_order_whose_picture_was_deleted_is_a_not_found_error(
    service: Service, own_key: str, response_format: Any
) -> None:
    repeatable: Any = {**DRAWN, "extra_headers": {"Idempotency-Key": "openai-order-0003"}}
    with sdk(service, own_key) as client, service.client(own_key) as plain:
        client.images.generate(**repeatable)
        (task,) = account_of(service, own_key)["tasks"]
        assert plain.delete(f"/v1/tasks/{task['id']}").status_code == 200
        with pytest.raises(openai.NotFoundError) as raised:
            client.images.generate(**repeatable, response_format=response_format)
    assert raised.value.code == "resource_not_found"


def test_both_routes_share_idempotency_keys(service: Service, own_key: str) -> None:
    named = {"Idempotency-Key": "openai-order-0004"}
    with sdk(service, own_key) as client, service.client(own_key) as plain:
        (link,) = links(client.images.generate(**DRAWN, extra_headers=named))
        task = plain.post(GENERATIONS, json={**ORDER, "output_format": "png"}, headers=named).json()
        assert finish(plain, task["id"])["results"] == [link]
    assert len(account_of(service, own_key)["tasks"]) == 1


def test_the_guides_example_runs(service: Service, own_key: str) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
    with reachable_folder() as folder:
        ran = subprocess.run(
            [sys.executable, "-c", example],
            env=environment(EASEL_URL=service.url, EASEL_API_KEY=own_key),
            cwd=folder, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        assert (folder / "cat.png").read_bytes().startswith(b"\x89PNG")
    assert re.match(rf"{re.escape(service.url)}/pictures/\S+\.png seed \d+\n", ran.stdout)
