"""Lets any server with OpenAI's `POST /v1/moderations` judge prompts, and pictures with their prompts.

One deadline covers a whole attempt, from the name lookup to the last byte of the answer. An attempt that failed for a
temporary reason is repeated once. Redirects are not followed, proxies and cookies are not used, and the size of answers
is limited. No message contains the key or a prompt, and nothing is logged here.

Only the server's scores count. An answer without any category that Easel knows is a failure, not a judgement. The
caller decides what follows from scores and failures.
"""

import asyncio
import base64
import random
import ssl
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx2
import msgspec

from easel.domain.errors import Unusable
from easel.domain.moderation.decision import Layer, LayerFailed
from easel.outside.judges.picture_file import PictureFile
from easel.outside.judges.scores import NoScores, read_scores
from easel.runtime.network_environment import NetworkUnusable, check_certificates

ATTEMPT_TIMEOUT_S: Final = 2.0
ATTEMPTS_MAX: Final = 2
PAUSE_S: Final = 0.1
"""The shortest wait before the second attempt. A random share up to doubles it, which spreads the clients' retries."""
ANSWER_BYTES_MAX: Final = 64 * 1024
CONNECTIONS_MAX: Final = 32
KEPT_S: Final = 4.0
"""How long an idle connection is kept. Many servers close theirs after 5 seconds, and a request sent at that moment
would fail."""
HARMLESS_PROMPT: Final = "a bowl of fruit on a wooden table"

_TEMPORARY: Final = frozenset({408, 409, 429})
_HINTS: Final[Mapping[int, str]] = {
    401: "check its key",
    403: "check its key, and what the key may do",
    404: "check its URL and its model",
    400: "check its model, and whether it judges pictures",
    422: "check its model, and whether it judges pictures",
    429: "it receives more requests than it allows",
}


class EndpointUnusable(Unusable):
    """The settings of the moderation endpoint cannot be used."""


HARMLESS_PICTURE: Final = PictureFile(
    base64.b64decode("UklGRiQAAABXRUJQVlA4IBgAAABQAQCdASoQABAAAUAmJaQABHQAAORAAAA="), "image/webp"
)
"""A grey square of 16x16 pixels."""


class _Failed(Exception):
    """An attempt ended without scores. `reason` is for the operator; `is_temporary` says whether a retry may help."""

    def __init__(self, reason: str, is_temporary: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_temporary = is_temporary


class ModerationEndpoint:
    """A client of one moderation server. For one event loop; nothing is opened before the first request."""

    def __init__(self, url: str, model: str, api_key: str | None, attempt_timeout_s: float = ATTEMPT_TIMEOUT_S) -> None:
        """`url` may end in `/v1`; `model` is the server's name for its model. Raises EndpointUnusable for an invalid
        URL or key."""
        self._base = url.rstrip("/").removesuffix("/v1")
        self._url = _url(f"{self._base}/v1/moderations")
        self.model = model
        self._attempt_timeout_s = attempt_timeout_s
        self._headers = {
            "accept": "application/json",
            "accept-encoding": "identity",
            "content-type": "application/json",
            "user-agent": "easel",
        } | _authorization(api_key)
        self._tls = _tls(self._url)
        self._client: httpx2.AsyncClient | None = None

    async def scores(self, prompt: str, picture: PictureFile | None) -> Mapping[str, float]:
        """Scores from 0 to 1 by category, for the categories that Easel knows. Raises LayerFailed after at most two
        attempts."""
        body = self._question(prompt, picture)
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return await self._attempt(body, has_picture=picture is not None)
            except _Failed as failed:
                if attempt == ATTEMPTS_MAX or not failed.is_temporary:
                    reason = f"The moderation endpoint {self._base} did not judge: {failed.reason}."
                    raise LayerFailed(Layer.ENDPOINT, reason) from None
            await asyncio.sleep(PAUSE_S * random.uniform(1, 2))  # noqa: S311 - no secret depends on it
        raise AssertionError("unreachable")

    async def look(self) -> str:
        """Let the server judge something harmless, and describe the result to the operator. Raises LayerFailed."""
        scores = await self.scores(HARMLESS_PROMPT, HARMLESS_PICTURE)
        return f"{self._base} judges prompts and pictures with {self.model}, in {len(scores)} categories"

    async def aclose(self) -> None:
        """Close every connection. Running requests must have been awaited or cancelled before."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _question(self, prompt: str, picture: PictureFile | None) -> bytes:
        if picture is None:
            return msgspec.json.encode({"model": self.model, "input": prompt})
        url = f"data:{picture.content_type};base64,{base64.b64encode(picture.content).decode()}"
        parts = [{"type": "text", "text": prompt}, {"type": "image_url", "image_url": {"url": url}}]
        return msgspec.json.encode({"model": self.model, "input": parts})

    async def _attempt(self, body: bytes, *, has_picture: bool) -> Mapping[str, float]:
        try:
            async with asyncio.timeout(self._attempt_timeout_s):
                status, answer = await self._exchange(body)
        except TimeoutError:
            raise _Failed(f"no answer within {self._attempt_timeout_s:g} s", is_temporary=True) from None
        except (httpx2.RequestError, OSError) as error:
            raise _Failed(_silence(error), is_temporary=True) from None
        if not 200 <= status < 300:
            hint = f": {_HINTS[status]}" if status in _HINTS else ""
            raise _Failed(f"it answered {status}{hint}", is_temporary=status in _TEMPORARY or status >= 500)
        try:
            return read_scores(answer, has_picture=has_picture)
        except NoScores as error:
            raise _Failed(f"it answered {status}, but {error}", is_temporary=True) from None

    async def _exchange(self, body: bytes) -> tuple[int, bytes]:
        if self._client is None:
            self._client = _client(self._tls)
        async with self._client.stream("POST", self._url, headers=self._headers, content=body) as response:
            return response.status_code, await _read(response)


async def _read(response: httpx2.Response) -> bytes:
    """Read the whole body. Raises _Failed."""
    if not response.is_success:
        return b""  # it may repeat the prompt or the key, which must not be reported
    # Unpacking could turn a small answer into a huge one.
    if response.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise _Failed("its answer is compressed, which was not requested", is_temporary=False)
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            raise _Failed(f"its answer is larger than {ANSWER_BYTES_MAX} bytes", is_temporary=True)
    return bytes(body)


def _tls(url: httpx2.URL) -> ssl.SSLContext:
    if url.scheme != "https":  # redirects are not followed, so TLS is never needed
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        check_certificates()
    except NetworkUnusable as error:
        raise EndpointUnusable(str(error)) from None
    return httpx2.create_ssl_context()


def _client(tls: ssl.SSLContext) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        verify=tls,
        timeout=None,  # each attempt has a deadline
        limits=httpx2.Limits(
            max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX, keepalive_expiry=KEPT_S
        ),
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
    )


def _silence(error: Exception) -> str:
    # Other errors may repeat what was sent.
    words = str(error).strip().rstrip(".")[:200] if isinstance(error, httpx2.ConnectError) else ""
    return f"it cannot be reached ({words})" if words else f"the connection failed ({type(error).__name__})"


def _authorization(api_key: str | None) -> dict[str, str]:
    if api_key is None:
        return {}
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise EndpointUnusable("The moderation endpoint's key must be printable ASCII without spaces.")
    return {"authorization": f"Bearer {api_key}"}


def _url(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
        # A key in the URL would be visible wherever the URL is.
        is_plain = not (url.userinfo or url.query or url.fragment)
        is_usable = url.scheme in {"http", "https"} and bool(url.host) and is_plain
    except (httpx2.InvalidURL, ValueError):
        is_usable = False
    if not is_usable:
        raise EndpointUnusable(
            "The moderation endpoint's URL must look like https://api.openai.com/v1, without a key in it."
        )
    return url
