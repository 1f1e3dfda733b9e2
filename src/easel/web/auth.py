"""Authenticates requests by their bearer key. OpenAI's clients may send the key in the header `api-key`.

Unknown, malformed, expired and revoked keys get the same answer. A mistyped key fails its checksum and is not looked
up. A key that was looked up is trusted for HOLDER_LIFETIME_S, so a revocation takes effect within that time; for
requests that wait longer, `live/key_watch.py` checks the key again. After too many failures from a network, only keys
that were valid before are looked up, so its other clients are not locked out.
"""

import math
import time
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from easel.domain import api_key
from easel.domain.api_key import Holder, Scope
from easel.domain.errors import PermissionDenied, RateLimitExceeded, Unauthorized
from easel.domain.rate import Quota
from easel.live.batched_reader import BatchedReader
from easel.live.rate_limiter import RateLimiter
from easel.live.shared_limits import SharedLimits
from easel.store import accounts
from easel.store.database import Database
from easel.web.client_limits import client_network
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
    """Authenticates requests to one process."""

    def __init__(
        self, database: Database, pepper: bytes, limits: AuthLimits, shared: SharedLimits | None = None
    ) -> None:
        self._holders = BatchedReader(database, accounts.find_holders)
        self._pepper = pepper
        of_reads, of_failures = (None if shared is None else shared.times(name) for name in ("reads", "failures"))
        self._reads = RateLimiter(Quota("read", limits.reads_per_minute), times=of_reads)
        self._failures = RateLimiter(Quota("failures", limits.failures_per_minute), times=of_failures)
        self._known: dict[bytes, _Known] = {}

    async def creator(self, request: Request) -> Holder:
        """The key's holder, for a request that creates tasks. Raises Unauthorized, RateLimitExceeded."""
        key = _presented_key(request)
        if not api_key.is_well_formed(key):
            raise self._refusal(request)
        holder = await self._look_up(request, api_key.digest(key, self._pepper))
        request.state.account_id = holder.account_id
        return holder

    async def holder(self, request: Request) -> Holder:
        """The key's holder, for any other request, which counts as a read. Raises Unauthorized, RateLimitExceeded."""
        holder = await self.creator(request)
        request.state.standing = self._reads.take(holder.api_key_id)
        return holder

    async def reader(self, request: Request) -> Holder:
        """The holder of a key that may read. Raises Unauthorized, RateLimitExceeded, PermissionDenied."""
        holder = await self.holder(request)
        if Scope.READ not in holder.scopes:
            raise PermissionDenied
        return holder

    async def _look_up(self, request: Request, digest: bytes) -> Holder:
        known = self._known.get(digest)
        if known is not None and time.monotonic() < known.trusted_until_s:
            return known.holder
        if known is None and self._failures.standing(client_network(request)).remaining == 0:
            raise self._refusal(request)
        # The lifetime starts before the query, so that a change during the query also takes effect in time.
        queried_at_s = time.monotonic()
        holder = await self._holders.find(digest)
        self._known.pop(digest, None)
        if holder is None:
            raise self._refusal(request)
        lifetime_s = min(HOLDER_LIFETIME_S, math.inf if holder.expires_in_s is None else holder.expires_in_s)
        self._known[digest] = _Known(holder, queried_at_s + lifetime_s)
        if len(self._known) > KNOWN_MAX:
            self._known.pop(next(iter(self._known)))
        return holder

    def _refusal(self, request: Request) -> Unauthorized | RateLimitExceeded:
        """Count a failure, and return its refusal: 401, or 429 after too many failures."""
        try:
            self._failures.take(client_network(request))
        except RateLimitExceeded as error:
            return RateLimitExceeded(error.retry_after_s or 1)
        return Unauthorized()


def _presented_key(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    # OpenAI's SDKs have a client for Azure, which sends the key in this header.
    return request.headers.get("api-key", "").strip() if is_for_openai(request.scope["path"]) else ""
