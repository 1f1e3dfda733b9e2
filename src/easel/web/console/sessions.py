"""Signing in to the console, out of it, and asking who is signed in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

import easel
from easel.actions import console_sessions as actions
from easel.actions.console_sessions import SignedIn
from easel.domain import console_session
from easel.domain.api_key import Holder, Scope
from easel.domain.credits import credits_shown
from easel.domain.errors import InvalidRequest, Unauthorized
from easel.domain.order import MODELS, PROMPT_CODE_POINTS_MAX, RATIOS_PX, SIDE_PX_MAX, SIDE_PX_MIN
from easel.store import console_sessions
from easel.store.database import Database
from easel.web.answers import json_answer
from easel.web.auth import Auth, presented_key
from easel.web.console.session_cookie import SessionCookie
from easel.web.requests import json_body

_SIGNED_OUT = {"signed_in": False}


@dataclass(frozen=True, slots=True)
class Offer:
    """What the service offers to everyone. Workers on other machines may have another engine."""

    price_microcredits: int
    engine: str


class SessionEndpoints:
    """`GET`, `POST` and `DELETE /console/session`."""

    def __init__(self, auth: Auth, database: Database, pepper: bytes, cookie: SessionCookie, offer: Offer) -> None:
        self._auth = auth
        self._database = database
        self._pepper = pepper
        self._cookie = cookie
        self._offer = offer

    async def read(self, request: Request) -> Response:
        """Who is signed in, which may be nobody."""
        if presented_key(request) is None:
            if self._cookie.token_in(request) is None:
                return json_answer(_SIGNED_OUT)
            try:
                holder = await self._auth.holder(request)
            except Unauthorized:
                return json_answer(_SIGNED_OUT, headers=self._cookie.clear(request))
        else:
            holder = await self._auth.holder(request)
        return json_answer(await self._description(holder))

    async def sign_in(self, request: Request) -> Response:
        """Begin a session with a key, or with a link that was printed on the machine's terminal."""
        self._cookie.require_own_page(request)
        kind, proof = _proof(await json_body(request))
        before = self._cookie.named_token(request)
        signed_in, holder = await (self._by_key if kind == "key" else self._by_link)(request, proof)
        if before is not None:
            await self._end(before)
        return json_answer(await self._description(holder), headers=self._cookie.set(request, signed_in.token))

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        self._cookie.require_own_page(request)
        if presented_key(request) is not None:
            return json_answer(_SIGNED_OUT)
        token = self._cookie.token_in(request)
        if token is not None:
            await self._end(token)
        return json_answer(_SIGNED_OUT, headers=self._cookie.clear(request))

    async def _by_key(self, request: Request, key: str) -> tuple[SignedIn, Holder]:
        holder = await self._auth.creator_by_key(request, key)
        self._auth.count_read(request, holder.api_key_id)
        return await actions.sign_in(self._database, self._pepper, holder.api_key_id), holder

    async def _by_link(self, request: Request, token: str) -> tuple[SignedIn, Holder]:
        self._auth.refuse_if_failing(request)
        signed_in = None
        if console_session.is_token(token):
            signed_in = await actions.sign_in_by_link(self._database, self._pepper, token)
        if signed_in is None:
            raise self._auth.refusal(request)
        return signed_in, await self._auth.creator_by_session(request, signed_in.token)

    async def _end(self, token: str) -> None:
        digest = console_session.session_digest(token, self._pepper)
        await actions.sign_out(self._database, digest)
        self._auth.forget(digest)

    async def _description(self, holder: Holder) -> dict[str, Any]:
        async with self._database.reading() as connection:
            key = await console_sessions.describe(connection, holder.api_key_id)
        model = MODELS[0]
        price = holder.prices_microcredits.get(model, self._offer.price_microcredits)
        return {
            "account": key.account,
            "admin": Scope.ADMIN in holder.scopes,
            "aspect_ratios": list(RATIOS_PX),
            "engine": self._offer.engine,
            "key": {
                "ends": key.hint,
                "expires_at": None if key.expires_at is None else int(key.expires_at.timestamp()),
                "models": key.models,
                "name": key.name,
                "scopes": sorted(key.scopes),
            },
            "limits": {
                "prompt_characters_max": PROMPT_CODE_POINTS_MAX,
                "side_px_max": SIDE_PX_MAX,
                "side_px_min": SIDE_PX_MIN,
            },
            "price_credits": credits_shown(price),
            "signed_in": True,
            "version": easel.__version__,
        }


def _proof(body: object) -> tuple[str, str]:
    """The name and the text of what a sign-in shows. Raises InvalidRequest."""
    given = cast("Mapping[str, object]", body) if isinstance(body, dict) else {}
    proofs = [(name, given[name]) for name in ("key", "link") if given.get(name) is not None]
    if len(proofs) != 1 or not isinstance(proofs[0][1], str):
        raise InvalidRequest("The request body must be a JSON object with either a key or the token of a link")
    return proofs[0][0], proofs[0][1].strip()
