"""Questions to the image server over HTTP: bounded in time and in bytes, given up at any moment, asked again where
that can help.

An exchange runs in the thread that asks, in an event loop of its own, because there a cancellation ends whatever is
under way, be it the look-up of a name, the connecting, the TLS handshake, the writing or the reading. Exchanges share
nothing but the TLS settings, so any number may run at once; connections are not kept for the next one. No proxy that
the environment names is used, and no redirect is followed.

A question may be asked again although the server has begun to work on it, or to answer: it asks for the same picture
with the same seed, and nothing is charged by its asking. It does not promise that the server draws only once.
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
"""For the name's look-up and the connection; the TLS handshake may take as long once more."""
ATTEMPTS_MAX: Final = 4
ASK_AGAIN: Final = frozenset({429, 502, 503})
BACK_OFF_S: Final = (1.0, 2.0, 4.0)
RETRY_AFTER_S_MAX: Final = 60.0
"""A server that asks for more patience is asked again after this much."""
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
"""The largest canvas, 1536x1536, without any compression and with 16 bits for each of four channels, takes 18.9 MB,
and 25.2 MB in base64."""
FAILURE_BYTES_MAX: Final = 64 * 1024
BEAT_S: Final = 0.25
CLOSE_TIMEOUT_S: Final = 1.0

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Question:
    """One request. `timeout_s` is for a whole attempt, from the name's look-up to the answer's last byte."""

    method: Literal["GET", "POST"]
    url: httpx2.URL
    timeout_s: float
    body: bytes = b""
    attempts_max: int = ATTEMPTS_MAX


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said. `body` is as it was sent, and empty where it was too large to be read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer: none in time, or none that arrived. `reason` is for the log."""

    is_late: bool
    reason: str


class Exchange:
    """Asks a server's questions with one key. Raises NetworkUnusable where certificates are needed and unusable."""

    def __init__(self, url: httpx2.URL, api_key: str | None) -> None:
        self._headers = {"accept": "application/json, image/*", "accept-encoding": "identity", "user-agent": "easel"}
        if api_key is not None:
            self._headers["authorization"] = f"Bearer {api_key}"
        # A server without TLS, which cannot redirect to one with it, needs no certificates.
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if url.scheme == "https":
            check_certificates()
            self._tls = httpx2.create_ssl_context()

    def ask(self, question: Question, on_beat: Callable[[], None]) -> Answer | Silence:
        """The last attempt's outcome. `on_beat` is called every BEAT_S meanwhile; whatever it raises closes the
        connection and is raised here."""
        return run(self._ask(question), on_beat)

    async def _ask(self, question: Question) -> Answer | Silence:
        attempt = 1
        while True:
            outcome = await self._attempt(question)
            if attempt >= question.attempts_max or not _may_be_better_later(outcome):
                return outcome
            pause_s = _pause_s(outcome, attempt)
            said = outcome.reason if isinstance(outcome, Silence) else str(outcome.status)
            log.warning("remote_asked_again", attempt=attempt, said=said, pause_s=round(pause_s, 2))
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
    return Answer(response.status_code, response.headers, bytes(body))


def _reason(error: Exception) -> str:
    # Only a failure to connect says nothing of what was sent.
    return f"{type(error).__name__}: {error}"[:200] if isinstance(error, httpx2.ConnectError) else type(error).__name__


def _may_be_better_later(outcome: Answer | Silence) -> bool:
    return outcome.status in ASK_AGAIN if isinstance(outcome, Answer) else not outcome.is_late


def _pause_s(outcome: Answer | Silence, attempt: int) -> float:
    asked_s = retry_after_s(outcome.headers, datetime.now(UTC)) if isinstance(outcome, Answer) else None
    # Never in step with others that were sent away at the same moment.
    if asked_s is not None:
        return min(asked_s, RETRY_AFTER_S_MAX) * random.uniform(1.0, 1.1)  # noqa: S311 - no secret depends on it
    return BACK_OFF_S[attempt - 1] * random.uniform(0.5, 1.5)  # noqa: S311 - no secret depends on it


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds that `Retry-After` asks for, at least 0; None where it is absent or makes no sense (RFC 9110, 10.2.3).

    A date is compared with the answer's own `Date`, so that two clocks need not agree; `now` stands in where it lacks.
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
    """What `work` returns, in an event loop of this thread's own; whatever `on_beat` raises cancels it."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_beating(work, on_beat))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        # This does not wait for a name's look-up that hangs.
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
            # Looked at, so that asyncio does not complain of an error that nobody wants any more.
            task.exception()
