"""HTTP requests to the image server, limited in time and bytes, cancellable at any moment, and retried where that can
help.

A request runs in the caller's thread, in an event loop of its own. A cancellation ends whatever is in progress: the
name lookup, the connection, the TLS handshake, the writing or the reading. Requests share only the TLS settings, so any
number may run concurrently; connections are not reused. Proxies from the environment are not used, and redirects are
not followed.

A request may be retried although the server has begun to work on it or to answer: a retry asks for the same picture
with the same seed and costs nothing. The server may therefore draw a picture more than once.
"""

import asyncio
import random
import ssl
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal, TypeVar

import httpx2
import structlog

from easel.runtime.network_environment import check_certificates

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_S: Final = 5.0
"""Limits the name lookup and the connection together. The TLS handshake may take as long again."""
ATTEMPTS_MAX: Final = 4
ASK_AGAIN: Final = frozenset({429, 502, 503})
BACK_OFF_S: Final = (1.0, 2.0, 4.0)
RETRY_AFTER_S_MAX: Final = 60.0
"""The longest wait before a retry, even if the server asks for more."""
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
"""The largest canvas, 1536x1536, uncompressed and with 16 bits for each of four channels, takes 18.9 MB, and 25.2 MB in
base64."""
FAILURE_BYTES_MAX: Final = 64 * 1024
BEAT_S: Final = 0.25
CLOSE_TIMEOUT_S: Final = 1.0

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Question:
    """One request. `timeout_s` limits an attempt, from the name lookup to the last byte of the answer."""

    method: Literal["GET", "POST"]
    url: httpx2.URL
    timeout_s: float
    body: bytes = b""
    attempts_max: int = ATTEMPTS_MAX


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered. `body` is as it was sent, or empty if it was too large (`is_whole` is False)."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool = True
    retry_after_s: float | None = None
    """When the server asks to be asked again."""


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer, or none in time (`is_late`). `reason` is for the log."""

    is_late: bool
    reason: str


class Exchange:
    """Sends requests with one key. Raises NetworkUnusable if certificates are needed but cannot be used."""

    def __init__(self, url: httpx2.URL, api_key: str | None) -> None:
        self._headers = {"accept": "application/json, image/*", "accept-encoding": "identity", "user-agent": "easel"}
        if api_key is not None:
            self._headers["authorization"] = f"Bearer {api_key}"
        # Without TLS no certificates are needed, since redirects are not followed.
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if url.scheme == "https":
            check_certificates()
            self._tls = httpx2.create_ssl_context()

    def ask(self, question: Question, on_beat: Callable[[], None]) -> Answer | Silence:
        """Send a request and return the outcome of the last attempt. Meanwhile, `on_beat` is called every BEAT_S; an
        exception from it closes the connection and is raised here."""
        return run(self._ask(question), on_beat)

    async def _ask(self, question: Question) -> Answer | Silence:
        attempt = 1
        while True:
            outcome = await self._attempt(question)
            if attempt >= question.attempts_max or not is_worth_retrying(outcome):
                return outcome
            pause_s = _pause_s(outcome, attempt)
            said = outcome.reason if isinstance(outcome, Silence) else str(outcome.status)
            log.warning("remote_request_retried", attempt=attempt, answer=said, pause_s=round(pause_s, 2))
            await asyncio.sleep(pause_s)
            attempt += 1

    async def _attempt(self, question: Question) -> Answer | Silence:
        try:
            async with asyncio.timeout(question.timeout_s):
                return await self._send(question)
        except TimeoutError:
            return Silence(is_late=True, reason=f"no answer within {question.timeout_s:g} s")
        except (httpx2.RequestError, OSError) as error:
            return Silence(is_late=False, reason=_reason(error))

    async def _send(self, question: Question) -> Answer:
        headers = self._headers | ({"content-type": "application/json"} if question.body else {})
        timeout = httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S)
        async with (
            httpx2.AsyncClient(verify=self._tls, timeout=timeout, trust_env=False, follow_redirects=False) as client,
            client.stream(question.method, question.url, headers=headers, content=question.body) as response,
        ):
            return await _read(response)


async def _read(response: httpx2.Response) -> Answer:
    bytes_max = ANSWER_BYTES_MAX if response.is_success else FAILURE_BYTES_MAX
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > bytes_max:
            return Answer(response.status_code, response.headers, b"", is_whole=False)
    asked_s = retry_after_s(response.headers, datetime.now(UTC))
    return Answer(response.status_code, response.headers, bytes(body), retry_after_s=asked_s)


def _reason(error: Exception) -> str:
    # The text of other errors may repeat parts of the request.
    return f"{type(error).__name__}: {error}"[:200] if isinstance(error, httpx2.ConnectError) else type(error).__name__


def is_worth_retrying(outcome: Answer | Silence) -> bool:
    """Whether the same request may succeed in a moment."""
    return outcome.status in ASK_AGAIN if isinstance(outcome, Answer) else not outcome.is_late


def _pause_s(outcome: Answer | Silence, attempt: int) -> float:
    asked_s = outcome.retry_after_s if isinstance(outcome, Answer) else None
    # Random jitter keeps clients that failed together from retrying together.
    if asked_s is not None:
        return min(asked_s, RETRY_AFTER_S_MAX) * random.uniform(1.0, 1.1)  # noqa: S311 - no secret depends on it
    return BACK_OFF_S[attempt - 1] * random.uniform(0.5, 1.5)  # noqa: S311 - no secret depends on it


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds that `Retry-After` asks for, at least 0; None if it is absent or invalid (RFC 9110, 10.2.3).

    A date is compared with the answer's own `Date`, because the two clocks may differ, or with `now` if there is none.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:10])
    until = _http_date(text)
    if until is None:
        return None
    return max(0.0, (until - (_http_date(headers.get("date", "")) or now)).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def run(work: Coroutine[Any, Any, _Answer], on_beat: Callable[[], None]) -> _Answer:
    """Run `work` in an event loop of its own and return its result. An exception from `on_beat` cancels it."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_beating(work, on_beat))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        # This does not wait for a name lookup that hangs.
        loop.close()


async def _beating(work: Coroutine[Any, Any, _Answer], on_beat: Callable[[], None]) -> _Answer:
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=BEAT_S)
            on_beat()
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=CLOSE_TIMEOUT_S)
        if task.done() and not task.cancelled():
            # Retrieve the exception. Otherwise asyncio logs it as never retrieved.
            task.exception()
