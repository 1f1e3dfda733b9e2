"""The Python client: submits an order, polls its task, and downloads the picture.

Synchronous, one request at a time. A request is repeated if its answer is lost. Orders carry an idempotency key, so
each is accepted and charged once. The client gives up if the service is down for more than a few seconds.
"""

import ssl
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from easel.client import unreachable
from easel.runtime import network_environment
from easel.runtime.network_environment import NetworkUnusable

POLL_EVERY_S: Final = 0.25
REQUEST_TIMEOUT_S: Final = 30.0
ATTEMPTS_MAX: Final = 5
RETRIED: Final = frozenset({429, 502, 503})
PICTURE_BYTES_MAX: Final = 64 * 1024 * 1024
SETTING: Final = "EASEL_URL or --url"
POLICY: Final = "content_policy_violation"


class ClientError(Exception):
    """The service refused, failed, or could not be reached. The message says which."""


class Refused(ClientError):
    """The service refused the request, with an HTTP status and the contract's code."""

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Unfinished(ClientError):
    """The task did not end in time."""


class TaskFailed(ClientError):
    """The task failed. `code` is the error code of the API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(_failure(code, message))
        self.code = code


@dataclass(frozen=True, slots=True)
class Picture:
    """A completed task and the file of its picture."""

    task: dict[str, Any]
    file: bytes


class Client:
    """Talks to one service with one key."""

    def __init__(self, url: str, api_key: str) -> None:
        """Raises ClientError if `url` is invalid, or the environment names an unusable proxy or certificates."""
        self._http = _http(url, base_url=url, headers={"authorization": f"Bearer {api_key}"})
        self._url = url

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(self, order: dict[str, Any], idempotency_key: str | None = None) -> dict[str, Any]:
        """Submit an order and return its task. The same key returns the same task again. Raises ClientError."""
        headers = {"idempotency-key": idempotency_key or new_idempotency_key()}
        return self._ask("POST", "/v1/images/generations", headers, order)

    def cancel(self, task_id: str) -> dict[str, Any]:
        """Cancel a task and return it: ended, stopping, or already completed. Raises ClientError."""
        try:
            return self._ask("POST", f"/v1/tasks/{task_id}/cancel")
        except Refused as refused:
            if refused.status != 409:
                raise
        return self._ask("GET", f"/v1/tasks/{task_id}")

    def follow(self, task_id: str, on_news: Callable[[dict[str, Any]], None], timeout_s: float) -> dict[str, Any]:
        """Poll a task until it has completed. `on_news` receives every state. Raises TaskFailed, ClientError."""
        give_up_s = time.monotonic() + timeout_s
        while time.monotonic() < give_up_s:
            task = self._ask("GET", f"/v1/tasks/{task_id}")
            on_news(task)
            if task["status"] == "completed":
                return task
            if task["status"] == "failed":
                raise TaskFailed(task["error"]["code"], task["error"]["message"])
            time.sleep(POLL_EVERY_S)
        raise Unfinished(f"Task {task_id} did not end within {timeout_s:.0f} seconds")

    def models(self) -> list[str]:
        """The models that the key may use. Raises ClientError."""
        return [str(model["id"]) for model in self._ask("GET", "/v1/models")["data"]]

    def picture(self, task: dict[str, Any]) -> bytes:
        """Download the picture of a completed task. Raises ClientError."""
        try:
            link = task["results"][0]
            with _http(link) as http, http.stream("GET", link) as response:
                if response.status_code != 200:
                    raise ClientError(f"The link to the picture answered {response.status_code}")
                file = bytearray()
                for chunk in response.iter_bytes():
                    file += chunk
                    if len(file) > PICTURE_BYTES_MAX:
                        raise ClientError("The picture is larger than any that Easel draws")
                return bytes(file)
        except (httpx2.HTTPError, UnicodeError) as error:
            raise ClientError(
                unreachable.why(link, error, "EASEL_PUBLIC_URL, which the service's links begin with")
            ) from error

    def _ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                response = self._http.request(method, path, headers=headers, json=body)
                if response.status_code not in RETRIED or attempt == ATTEMPTS_MAX:
                    return _answer(response, self._url)
            except (httpx2.HTTPError, UnicodeError) as error:
                is_unsent_post = method == "POST" and isinstance(error, httpx2.ConnectError)
                if attempt == ATTEMPTS_MAX or is_unsent_post or not unreachable.is_passing(error):
                    raise ClientError(unreachable.why(self._url, error, SETTING)) from error
            time.sleep(0.5 * attempt)
        raise AssertionError("unreachable")


def new_idempotency_key() -> str:
    """A random idempotency key."""
    return uuid.uuid4().hex


def _http(url: str, **options: Any) -> httpx2.Client:
    """An HTTP client for one address, with the proxy and certificates of the environment. Raises ClientError."""
    try:
        proxy_url = network_environment.proxy_for(url)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts no certificate; unused for plain HTTP
        if url.startswith("https:") or (proxy_url or "").startswith("https:"):
            network_environment.check_certificates()
            tls = httpx2.create_ssl_context()
    except NetworkUnusable as error:
        raise ClientError(str(error).rstrip(".")) from None
    proxy = None if proxy_url is None else _proxy(proxy_url, tls)
    try:
        # The environment has already been read.
        return httpx2.Client(verify=tls, proxy=proxy, trust_env=False, timeout=REQUEST_TIMEOUT_S, **options)
    except httpx2.InvalidURL as error:
        raise ClientError(f"{url} is not a valid address of a service ({error})") from None


def _proxy(url: str, tls: ssl.SSLContext) -> httpx2.Proxy:
    return httpx2.Proxy(url, ssl_context=tls if url.startswith("https:") else None)


def _answer(response: httpx2.Response, url: str) -> dict[str, Any]:
    status = response.status_code
    try:
        body = response.json()
        if status == 200 and isinstance(body, dict):
            return body
        message, code = _line(body["error"]["message"]), str(body["error"].get("code"))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ClientError(
            f"{url} answered {status}, but not like Easel: check {SETTING}{unreachable.through_proxy(url)}"
        ) from None
    if code == POLICY:
        raise Refused(_policy_sentence(body["error"]["message"]), status, code)
    if status == 404 and code != "task_not_found":
        raise Refused(
            f"There is no Easel API at {url}: {SETTING} must be the base address of the service, such as "
            "http://127.0.0.1:8000",
            status,
            code,
        )
    raise Refused(f"{message} (HTTP {status})", status, code)


def _failure(code: str, message: str) -> str:
    if code == POLICY:
        return _policy_sentence(message)
    return f"The task failed ({code}): {_line(message)}. Nothing was charged"


def _policy_sentence(message: str) -> str:
    """The reason that moderation gave, without its heading."""
    said = message.strip().rpartition("\n")[2]
    return f"{_line(said)}. Nothing was charged"


def _line(message: str) -> str:
    """The message on one line, without its full stop."""
    return " ".join(message.split()).rstrip(".")
