"""Authenticates requests by their bearer key. OpenAI's clients may send the key in the header `api-key`.

A request of the console's page that presents no key is authenticated by its session (`console/session_cookie.py`). A
session is looked up like a key, and is as good as its key.

Unknown, malformed, expired and revoked keys get the same answer. A mistyped key fails its checksum and is not looked
up. A key that was looked up is trusted for HOLDER_LIFETIME_S, so a revocation takes effect within that time; for
requests that wait longer, `live/key_watch.py` checks the key again. After too many failures from a network, only
sessions, and keys that were valid before, are looked up, so its other clients are not locked out.
"""

import math
import time
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from easel.domain import api_key, console_session
from easel.domain.api_key import Holder, Scope
from easel.domain.errors import PermissionDenied, RateLimitExceeded, Unauthorized
from easel.domain.rate import Quota
from easel.live.batched_reader import BatchedReader
from easel.live.rate_limiter import RateLimiter
from easel.live.shared_limits import SharedLimits
from easel.store import accounts, console_sessions
from easel.store.database import Database
from easel.web.client_limits import client_network
from easel.web.console.session_cookie import SessionCookie
from easel.web.openai.errors import is_for_openai

HOLDER_LIFETIME_S: Final = 0.5
KNOWN_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class AuthLimits:
    """Limits per minute: requests of one key, creations excluded, and failed authentications of one network."""

    reads_per_minute: int
    failures_per_minute: int


@dataclass(frozen=True, slots=True)
class _Known:
    holder: Holder
    trusted_until_s: float


class Auth:
    """Authenticates requests to one process. Without a `cookie`, there are no sessions."""

    def __init__(
        self,
        database: Database,
        pepper: bytes,
        limits: AuthLimits,
        shared: SharedLimits | None = None,
        cookie: SessionCookie | None = None,
    ) -> None:
        self._holders = BatchedReader(database, accounts.find_holders)
        self._session_holders = BatchedReader(database, console_sessions.find_holders)
        self._pepper = pepper
        self._cookie = cookie
        of_reads, of_failures = (None if shared is None else shared.times(name) for name in ("reads", "failures"))
        self._reads = RateLimiter(Quota("read", limits.reads_per_minute), times=of_reads)
        self._failures = RateLimiter(Quota("failures", limits.failures_per_minute), times=of_failures)
        self._known: dict[bytes, _Known] = {}

    async def creator(self, request: Request) -> Holder:
        """The key's holder, for a request that creates tasks. Raises Unauthorized, RateLimitExceeded,
        CrossSiteRequest."""
        key = presented_key(request)
        if key is None and self._cookie is not None:
            token = self._cookie.token_in(request)
            if token is not None:
                return await self.creator_by_session(request, token)
        return await self.creator_by_key(request, key or "")

    async def creator_by_key(self, request: Request, key: str) -> Holder:
        """The holder of this key. Raises Unauthorized, RateLimitExceeded."""
        if not api_key.is_well_formed(key):
            raise self.refusal(request)
        return await self._look_up(request, api_key.digest(key, self._pepper), self._holders)

    async def creator_by_session(self, request: Request, token: str) -> Holder:
        """The holder of the key of the session with this token. Raises Unauthorized, RateLimitExceeded."""
        digest = console_session.session_digest(token, self._pepper)
        return await self._look_up(request, digest, self._session_holders)

    async def holder(self, request: Request) -> Holder:
        """The key's holder, for any other request, which counts as a read.

        Raises Unauthorized, RateLimitExceeded, CrossSiteRequest.
        """
        holder = await self.creator(request)
        self.count_read(request, holder.api_key_id)
        return holder

    def count_read(self, request: Request, api_key_id: int) -> None:
        """Count a request of this key. Raises RateLimitExceeded."""
        request.state.standing = self._reads.take(api_key_id)

    async def reader(self, request: Request) -> Holder:
        """The holder of a key that may read.

        Raises Unauthorized, RateLimitExceeded, CrossSiteRequest, PermissionDenied.
        """
        holder = await self.holder(request)
        if Scope.READ not in holder.scopes:
            raise PermissionDenied
        return holder

    async def administrator(self, request: Request) -> Holder:
        """The holder of a key that may operate the service.

        Raises Unauthorized, RateLimitExceeded, CrossSiteRequest, PermissionDenied.
        """
        holder = await self.holder(request)
        if Scope.ADMIN not in holder.scopes:
            raise PermissionDenied
        return holder

    def refuse_if_failing(self, request: Request) -> None:
        """Raises RateLimitExceeded for a client of a network that had too many failures."""
        if self._failures.standing(client_network(request)).remaining == 0:
            raise self.refusal(request)

    def forget(self, digest: bytes) -> None:
        """Look a session up again, because it has ended."""
        self._known.pop(digest, None)

    async def _look_up(self, request: Request, digest: bytes, holders: BatchedReader[bytes, Holder]) -> Holder:
        holder = await self._known_or_found(request, digest, holders)
        request.state.account_id = holder.account_id
        return holder

    async def _known_or_found(self, request: Request, digest: bytes, holders: BatchedReader[bytes, Holder]) -> Holder:
        known = self._known.get(digest)
        if known is not None and time.monotonic() < known.trusted_until_s:
            return known.holder
        if known is None and holders is self._holders:
            self.refuse_if_failing(request)
        # The lifetime starts before the query, so that a change during the query also takes effect in time.
        queried_at_s = time.monotonic()
        holder = await holders.find(digest)
        self._known.pop(digest, None)
        if holder is None:
            raise self.refusal(request)
        lifetime_s = min(HOLDER_LIFETIME_S, math.inf if holder.expires_in_s is None else holder.expires_in_s)
        self._known[digest] = _Known(holder, queried_at_s + lifetime_s)
        if len(self._known) > KNOWN_MAX:
            self._known.pop(next(iter(self._known)))
        return holder

    def refusal(self, request: Request) -> Unauthorized | RateLimitExceeded:
        """Count a failure, and return its refusal: 401, or 429 after too many failures."""
        try:
            self._failures.take(client_network(request))
        except RateLimitExceeded as error:
            return RateLimitExceeded(error.retry_after_s or 1)
        return Unauthorized()


def presented_key(request: Request) -> str | None:
    """The key that a request presents, whatever its form. None if it presents none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    # OpenAI's SDKs have a client for Azure, which sends the key in this header.
    return request.headers.get("api-key", "").strip() if is_for_openai(request.scope["path"]) else None
