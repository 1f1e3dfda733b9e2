"""`POST /v1/images/generations`: valid orders, their answers and their pictures.

`test_refusals.py` has the refusals.
"""

import io
import re
import socket
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import yaml
from PIL import Image

from easel.domain.order import RATIOS_PX
from easel.web.requests import BODY_BYTES_MAX
from tests.support.paths import DATA
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, submit

VENDOR: dict[str, Any] = yaml.safe_load(DATA.joinpath("z-image-turbo.openapi.yaml").read_bytes())
DOCUMENTED = VENDOR["paths"][GENERATIONS]["post"]["requestBody"]["content"]["application/json"]["examples"][
    "text_to_image"
]["value"]
EVERY_DOCUMENTED_PROPERTY = {
    name: schema["example"]
    for name, schema in VENDOR["components"]["schemas"]["ImageGenerationRequest"]["properties"].items()
}
CREATION = re.compile(
    rb'\{"created":(\d{10}),"id":"task-unified-\1-[0-9a-z]{8}","model":"z-image-turbo",'
    rb'"object":"image\.generation\.task","progress":0,"status":"pending",'
    rb'"task_info":\{"can_cancel":true,"estimated_time":[1-9]\d*\},"type":"image",'
    rb'"usage":\{"billing_rule":"per_call","credits_reserved":0\.026,"user_group":"default"\}\}'
)


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx2.Client]:
    with service.client(service.new_key("generations")) as client:
        yield client


def picture_of(client: httpx2.Client, task: dict[str, Any]) -> tuple[httpx2.Response, Image.Image]:
    """The picture of a finished task, as fetched and as decoded."""
    assert task["status"] == "completed", task
    response = client.get(task["results"][0])
    assert response.status_code == 200
    image = Image.open(io.BytesIO(response.content))
    image.load()
    return response, image


def colour_of(client: httpx2.Client, task: dict[str, Any]) -> Any:
    return picture_of(client, task)[1].convert("RGB").getpixel((0, 0))


@pytest.mark.parametrize("body", [DOCUMENTED, EVERY_DOCUMENTED_PROPERTY, ORDER], ids=["example", "every", "ours"])
def test_a_documented_request_is_answered_with_exactly_the_documented_bytes(
    client: httpx2.Client, body: dict[str, Any]
) -> None:
    response = client.post(GENERATIONS, json=body)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert CREATION.fullmatch(response.content), response.content


def test_the_documented_example_is_stored_with_its_callback_url(client: httpx2.Client, service: Service) -> None:
    task = submit(client, **EVERY_DOCUMENTED_PROPERTY)
    with service.database() as connection:
        row = connection.execute(
            "SELECT callback_url, nsfw_check, seed FROM tasks WHERE id = %s", (task["id"],)
        ).fetchone()
    assert row == ("https://your-domain.com/webhooks/image-task-completed", False, 12345)


@pytest.mark.parametrize(("ratio", "pixels"), RATIOS_PX.items())
def test_a_ratio_is_drawn_with_exactly_its_pixels(client: httpx2.Client, ratio: str, pixels: tuple[int, int]) -> None:
    _, image = picture_of(client, finish(client, submit(client, size=ratio)["id"]))
    assert image.size == pixels


@pytest.mark.parametrize(
    ("width_px", "height_px"),
    [(376, 376), (1536, 1536), (376, 1536), (1536, 376), (377, 379), (999, 1001), (1024, 768), (1023, 777)],
)
def test_an_explicit_size_is_drawn_exactly(client: httpx2.Client, width_px: int, height_px: int) -> None:
    task = finish(client, submit(client, size=f"{width_px}x{height_px}")["id"])
    _, image = picture_of(client, task)
    assert image.size == (width_px, height_px)
    assert (task["result_data"][0]["width"], task["result_data"][0]["height"]) == (width_px, height_px)


@pytest.mark.parametrize("size", [None, "absent"])
def test_without_a_size_the_picture_is_square(client: httpx2.Client, size: str | None) -> None:
    body = {name: value for name, value in ORDER.items() if name != "size"}
    body |= {"size": None} if size is None else {}
    created = client.post(GENERATIONS, json=body).json()
    _, image = picture_of(client, finish(client, created["id"]))
    assert image.size == (1024, 1024)


@pytest.mark.parametrize(
    ("output_format", "extension", "content_type", "decoded_as"),
    [
        (None, ".webp", "image/webp", "WEBP"),
        ("webp", ".webp", "image/webp", "WEBP"),
        ("png", ".png", "image/png", "PNG"),
        ("jpeg", ".jpg", "image/jpeg", "JPEG"),
    ],
)
def test_each_picture_has_the_format_of_its_link_and_content_type(
    client: httpx2.Client, output_format: str | None, extension: str, content_type: str, decoded_as: str
) -> None:
    task = finish(client, submit(client, output_format=output_format)["id"])
    response, image = picture_of(client, task)
    assert task["results"][0].endswith(extension)
    assert response.headers["content-type"] == content_type
    assert image.format == decoded_as


def test_null_in_an_optional_field_means_absent(client: httpx2.Client) -> None:
    absent = dict.fromkeys(("size", "seed", "nsfw_check", "callback_url", "output_format"))
    task = finish(client, submit(client, **absent)["id"])
    assert task["results"][0].endswith(".webp")
    assert (task["result_data"][0]["width"], task["result_data"][0]["height"]) == (1024, 1024)
    assert 1 <= task["result_data"][0]["seed"] <= 2147483647


@pytest.mark.parametrize("seed", [1, 7, 2147483647])
def test_a_seed_is_stored_and_draws_the_same_picture_again(client: httpx2.Client, seed: int) -> None:
    tasks = [finish(client, submit(client, seed=seed, output_format="png")["id"]) for _ in range(2)]
    first, second = (picture_of(client, task)[0].content for task in tasks)
    assert [task["result_data"][0]["seed"] for task in tasks] == [seed, seed]
    assert first == second
    assert tasks[0]["results"] != tasks[1]["results"]


def test_a_seed_chosen_by_the_service_draws_the_same_picture_again(client: httpx2.Client) -> None:
    chosen = [finish(client, submit(client, output_format="png")["id"]) for _ in range(2)]
    seeds = [task["result_data"][0]["seed"] for task in chosen]
    assert seeds[0] != seeds[1]
    again = finish(client, submit(client, output_format="png", seed=seeds[0])["id"])
    assert colour_of(client, again) == colour_of(client, chosen[0])


@pytest.mark.parametrize(
    "prompt", ["x", " x ", "猫" * 2000, "🐈" * 2000, "é\n\t\r\u202e\u200d", "\ufffe\uffff\U0010ffff", "\\u0000"]
)
def test_a_prompt_is_measured_in_code_points_and_stored_unchanged(
    client: httpx2.Client, service: Service, prompt: str
) -> None:
    task = submit(client, prompt=prompt)
    with service.database() as connection:
        assert connection.execute("SELECT prompt FROM tasks WHERE id = %s", (task["id"],)).fetchone() == (prompt,)


def test_unknown_fields_are_ignored_and_do_not_change_the_price(client: httpx2.Client) -> None:
    unknown = {
        "quality": "2K", "resolution": "4K", "n": 4, "image_urls": ["https://example.com/x.png"], "price": 0,
        "user_group": "vip", "steps": 50, "guidance_scale": 7.5, "": None, "__proto__": {"x": 1}, "id": "task-unified-1-x",
        "status": "completed", "tiny": 1e-400, "deep": [[[[[[[[{}]]]]]]]],
    }  # fmt: skip
    response = client.post(GENERATIONS, json={**ORDER, **unknown})
    assert CREATION.fullmatch(response.content), response.content
    assert len(finish(client, response.json()["id"])["results"]) == 1


def test_headers_of_the_hosted_service_are_accepted(client: httpx2.Client) -> None:
    headers = {
        "x-evolink-channel": "a",
        "X-Evo-Trace": "b",
        "idempotency-key-unknown": "c",
        "content-type": "text/plain",
    }
    response = client.post(GENERATIONS, json=ORDER, headers=headers)
    assert CREATION.fullmatch(response.content), response.content


def test_the_last_of_duplicate_fields_counts(client: httpx2.Client) -> None:
    start = b'{"model":"z-image-turbo","prompt":"a cute cat","size":"376x376",'
    kept = client.post(GENERATIONS, content=start + b'"seed":0,"seed":7}')
    assert kept.status_code == 200
    assert finish(client, kept.json()["id"])["result_data"][0]["seed"] == 7
    assert client.post(GENERATIONS, content=start + b'"seed":7,"seed":0}').status_code == 400


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_of_exactly_the_maximum_size_is_accepted(client: httpx2.Client, *, is_announced: bool) -> None:
    order = b'{"model":"z-image-turbo","prompt":"a cute cat","size":"376x376"}'
    body = order + b" " * (BODY_BYTES_MAX - len(order))
    sent = body if is_announced else iter([body[:30_000], body[30_000:]])
    assert client.post(GENERATIONS, content=sent).status_code == 200


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_of_one_byte_more_gets_413(client: httpx2.Client, *, is_announced: bool) -> None:
    body = b" " * (BODY_BYTES_MAX + 1)
    sent = body if is_announced else iter([body[:30_000], body[30_000:]])
    response = client.post(GENERATIONS, content=sent)
    assert response.status_code == 413
    assert response.json()["error"] == {
        "code": "payload_too_large",
        "message": "The request body is larger than 65536 bytes",
        "type": "invalid_request_error",
    }


def test_a_body_declared_too_large_is_refused_before_it_is_sent(service: Service, client: httpx2.Client) -> None:
    head = (
        f"POST {GENERATIONS} HTTP/1.1\r\nhost: 127.0.0.1:{service.port}\r\n"
        f"authorization: {client.headers['authorization']}\r\ncontent-length: 1000000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 413 ")


def test_a_request_without_a_key_is_refused_whatever_its_body(service: Service) -> None:
    with service.client() as stranger:
        for body in (b"", b"{", b'{"model":"nope"}', b" " * (BODY_BYTES_MAX + 1)):
            assert stranger.post(GENERATIONS, content=body).status_code == 401


def test_links_use_the_requested_host(service: Service, client: httpx2.Client) -> None:
    response = client.post(GENERATIONS, json=ORDER, headers={"host": "images.your-domain.com"})
    task = finish(client, response.json()["id"])
    assert task["results"][0].startswith("http://images.your-domain.com/pictures/")


@pytest.mark.parametrize("host", ["", "a b", "evil.com/x?", "user@evil.com", "[::1", "a:b", "x" * 254])
def test_an_invalid_host_is_refused(client: httpx2.Client, host: str) -> None:
    response = client.post(GENERATIONS, json=ORDER, headers={"host": host})
    assert response.status_code == 400
