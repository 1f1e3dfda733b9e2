"""OpenAI's SDK as a client of a running service, and what tests look up about its requests."""

import base64
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import httpx2
import openai
from openai.types import ImagesResponse
from PIL import Image

from tests.support.patience import eventually
from tests.support.running_service import Service

OPENAI_GENERATIONS: Final = "/openai/v1/images/generations"
PRICE: Final = 0.026
DRAWN: Final[dict[str, Any]] = {"model": "z-image-turbo", "prompt": "a cute cat", "size": "376x376"}


@contextmanager
def sdk(service: Service, key: str, **options: Any) -> Iterator[openai.OpenAI]:
    """A client without retries, unless `options` say otherwise."""
    http_client = openai.DefaultHttpxClient(trust_env=False)
    settings: dict[str, Any] = {"max_retries": 0, **options}
    with openai.OpenAI(base_url=f"{service.url}/openai/v1", api_key=key, http_client=http_client, **settings) as client:
        yield client


@asynccontextmanager
async def async_sdk(service: Service, key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """The asynchronous client, without retries."""
    http_client = openai.DefaultAsyncHttpxClient(trust_env=False)
    base_url = f"{service.url}/openai/v1"
    async with openai.AsyncOpenAI(base_url=base_url, api_key=key, http_client=http_client, max_retries=0) as client:
        yield client


def pictures(answer: ImagesResponse) -> list[Image.Image]:
    """The decoded base64 pictures of an answer."""
    assert answer.data is not None
    files = [base64.b64decode(each.b64_json or "", validate=True) for each in answer.data]
    decoded: list[Image.Image] = [Image.open(io.BytesIO(file)) for file in files]
    for picture in decoded:
        picture.load()
    return decoded


def links(answer: ImagesResponse) -> list[str]:
    """The links of an answer."""
    assert answer.data is not None
    return [each.url for each in answer.data if each.url is not None]


def seeds(answer: ImagesResponse) -> list[int]:
    """The seeds of an answer's pictures."""
    assert answer.data is not None
    return [(each.model_extra or {})["seed"] for each in answer.data]


def _answered(client: httpx2.Client, path: str) -> dict[str, Any]:
    """The body of the first answer other than 503. Fails unless it is a success."""

    def answer() -> httpx2.Response | None:
        response = client.get(path)
        return None if response.status_code == httpx2.codes.SERVICE_UNAVAILABLE else response

    response = eventually(answer)
    assert response is not None
    assert response.status_code == httpx2.codes.OK, response.text
    body: dict[str, Any] = response.json()
    return body


def account_of(service: Service, key: str) -> dict[str, Any]:
    """The used and remaining credits of the key's account, and its tasks. Retries while the service is unavailable."""
    with service.client(key) as client:
        user = _answered(client, "/v1/credits")["data"]["user"]
        tasks = _answered(client, "/v1/tasks?page_size=50")["data"]
    return {"used": user["used_credits"], "remaining": user["remaining_credits"], "tasks": tasks}


def attempts(service: Service, request_id: str) -> list[dict[str, Any]]:
    """The log lines of requests with this id."""
    return [line for line in service.log_lines() if line["event"] == "request" and line.get("request_id") == request_id]
