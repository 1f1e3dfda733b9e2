"""The Python client: submits an order, follows its task, fetches the picture.

Synchronous, one request at a time. It does not retry a submission, since an answer that got lost may have been
accepted; reading is retried.
"""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from easel import network_environment
from easel.network_environment import NetworkUnusable

POLL_EVERY_S: Final = 0.25
REQUEST_TIMEOUT_S: Final = 30.0
READ_ATTEMPTS_MAX: Final = 5
PICTURE_BYTES_MAX: Final = 64 * 1024 * 1024


class ClientError(Exception):
    """The service refused, failed, or could not be reached; the message says which."""


class TaskFailed(ClientError):
    """The task ended as failed. `code` is the contract's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"The task failed: {message} ({code}); nothing was charged")
        self.code = code


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished task and its picture's file."""

    task: dict[str, Any]
    file: bytes


class Client:
    """Talks to one service with one key."""

    def __init__(self, url: str, api_key: str) -> None:
        """Raises ClientError where the environment names a proxy or certificates that cannot be used."""
        self._http = _http(url, base_url=url, headers={"authorization": f"Bearer {api_key}"})

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(self, order: dict[str, Any]) -> dict[str, Any]:
        """The pending task of an order. Raises ClientError."""
        try:
            return _answer(self._http.post("/v1/images/generations", json=order))
        except httpx2.HTTPError as error:
            raise ClientError(f"{self._http.base_url} cannot be reached ({type(error).__name__})") from error

    def follow(self, task_id: str, on_news: Callable[[dict[str, Any]], None], timeout_s: float) -> dict[str, Any]:
        """The task when it has completed; `on_news` gets every reading of it. Raises TaskFailed, ClientError."""
        give_up_s = time.monotonic() + timeout_s
        while time.monotonic() < give_up_s:
            task = self._read(f"/v1/tasks/{task_id}")
            on_news(task)
            if task["status"] == "completed":
                return task
            if task["status"] == "failed":
                raise TaskFailed(task["error"]["code"], task["error"]["message"])
            time.sleep(POLL_EVERY_S)
        raise ClientError(f"Task {task_id} has not ended within {timeout_s:.0f} seconds; it goes on")

    def picture(self, task: dict[str, Any]) -> bytes:
        """The file behind a completed task's link. Raises ClientError."""
        try:
            link = task["results"][0]
            with _http(link) as http, http.stream("GET", link) as response:
                if response.status_code != 200:
                    raise ClientError(f"The picture's link answered {response.status_code}")
                file = bytearray()
                for chunk in response.iter_bytes():
                    file += chunk
                    if len(file) > PICTURE_BYTES_MAX:
                        raise ClientError("The picture is larger than any that Easel makes")
                return bytes(file)
        except httpx2.HTTPError as error:
            raise ClientError(f"The picture's link cannot be reached ({type(error).__name__})") from error

    def _read(self, path: str) -> dict[str, Any]:
        for attempt in range(1, READ_ATTEMPTS_MAX + 1):
            try:
                response = self._http.get(path)
                if response.status_code not in {429, 502, 503} or attempt == READ_ATTEMPTS_MAX:
                    return _answer(response)
            except httpx2.HTTPError as error:
                if attempt == READ_ATTEMPTS_MAX:
                    raise ClientError(f"The service cannot be reached ({type(error).__name__})") from error
            time.sleep(0.5 * attempt)
        raise AssertionError("unreachable")


def _http(url: str, **options: Any) -> httpx2.Client:
    """A client for one address, by the way that the environment names. Raises ClientError."""
    try:
        proxy_url = network_environment.proxy_for(url)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and is not asked for plain HTTP
        if url.startswith("https:") or (proxy_url or "").startswith("https:"):
            network_environment.check_certificates()
            tls = httpx2.create_ssl_context()
    except NetworkUnusable as error:
        raise ClientError(str(error).rstrip(".")) from None
    proxy = None if proxy_url is None else _proxy(proxy_url, tls)
    # What the environment says has been read.
    return httpx2.Client(verify=tls, proxy=proxy, trust_env=False, timeout=REQUEST_TIMEOUT_S, **options)


def _proxy(url: str, tls: ssl.SSLContext) -> httpx2.Proxy:
    return httpx2.Proxy(url, ssl_context=tls if url.startswith("https:") else None)


def _answer(response: httpx2.Response) -> dict[str, Any]:
    try:
        body = response.json()
        if response.status_code == 200 and isinstance(body, dict):
            return body
        message = body["error"]["message"]
    except (ValueError, KeyError, TypeError):
        raise ClientError(f"The service answered {response.status_code} in no form that Easel knows") from None
    raise ClientError(f"{message} (HTTP {response.status_code})")
