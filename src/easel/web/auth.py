"""Who asks: a bearer key becomes its holder, or 401. OpenAI's clients may send it as Azure's do, in `api-key`.

Unknown, malformed, expired and revoked keys get the same answer. A mistyped key costs no look at the database, and a
key that was looked up is believed for HOLDER_LIFETIME_S, so a revocation acts within that time; whoever waits longer for an
answer is seen to by `live/key_watch.py`. From an address that
keeps failing only keys are looked up that were good before: whoever else shares the address is not shut out.
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
from easel.live.rate_limiter import RateLimiter
from easel.store import accounts
from easel.store.database import Database
from easel.web.limits import site
from easel.web.openai.errors import is_for_openai

HOLDER_LIFETIME_S: Final = 0.5
KNOWN_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class AuthLimits:
    """How often a key may ask, beside creating tasks, and how often an address may fail to show one."""

    reads_per_minute: int
    failures_per_minute: int


@dataclass(frozen=True, slots=True)
class _Known:
    holder: Holder
    believed_until_s: float


class Auth:
    """Recognises the keys of one installation."""

    def __init__(self, database: Database, pepper: bytes, limits: AuthLimits) -> None:
        self._database = database
        self._pepper = pepper
        self._reads = RateLimiter(Quota("read", limits.reads_per_minute))
        self._failures = RateLimiter(Quota("failures", limits.failures_per_minute))
        self._known: dict[bytes, _Known] = {}

    async def creator(self, request: Request) -> Holder:
        """Who presents the request's key, to create tasks. Raises Unauthorized, RateLimitExceeded."""
        key = _presented_key(request)
        if not api_key.is_well_formed(key):
            raise self._refusal(request)
        holder = await self._look_up(request, api_key.digest(key, self._pepper))
        request.state.account_id = holder.account_id
        return holder

    async def holder(self, request: Request) -> Holder:
        """Who presents the request's key, for anything else. Raises Unauthorized, RateLimitExceeded."""
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
        if known is not None and time.monotonic() < known.believed_until_s:
            return known.holder
        if known is None and self._failures.standing(site(request)).remaining == 0:
            raise self._refusal(request)
        # From before the question, so that what changes during it is seen no later.
        asked_at_s = time.monotonic()
        async with self._database.reading() as connection:
            holder = await accounts.find_holder(connection, digest)
        self._known.pop(digest, None)
        if holder is None:
            raise self._refusal(request)
        lifetime_s = min(HOLDER_LIFETIME_S, math.inf if holder.expires_in_s is None else holder.expires_in_s)
        self._known[digest] = _Known(holder, asked_at_s + lifetime_s)
        if len(self._known) > KNOWN_MAX:
            self._known.pop(next(iter(self._known)))
        return holder

    def _refusal(self, request: Request) -> Unauthorized | RateLimitExceeded:
        """Count a failure: 401, or 429 when there were too many."""
        try:
            self._failures.take(site(request))
        except RateLimitExceeded as error:
            return RateLimitExceeded(error.retry_after_s or 1)
        return Unauthorized()


def _presented_key(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    # Azure's way, which OpenAI's SDKs have beside their own.
    return request.headers.get("api-key", "").strip() if is_for_openai(request.scope["path"]) else ""
