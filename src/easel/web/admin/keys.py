"""What operators do to keys, to links that sign in, and to the secrets that sign callbacks. The audit log records each
change."""

from datetime import timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from easel.actions import api_keys, callback_secrets, console_sessions
from easel.actions.api_keys import KeyOrder, LimitChanges, SpentMore
from easel.actions.callback_secrets import ShownSecrets
from easel.domain.console_session import LINK_LIFETIME_S
from easel.domain.credits import credits_shown
from easel.domain.errors import InvalidRequest, KeyNotFound, NoValidKey
from easel.domain.webhook import secret_text
from easel.store import account_pages
from easel.store.accounts import ListedKey
from easel.store.database import Database
from easel.web.admin.bodies import key_body
from easel.web.admin.fields import (
    LIMIT_MAX,
    Fields,
    expiry,
    fields_of,
    microcredits,
    models,
    scopes,
    text,
    whole,
)
from easel.web.admin.reading import find_account, path_id
from easel.web.admin.recording import recorded
from easel.web.answers import json_answer
from easel.web.auth import Auth
from easel.web.requests import BaseUrl

OVERLAP_S_MAX: Final = 365 * 86_400
_OVERLAP_S: Final = 86_400
_LIMITS: Final = ("credit_limit", "creates_per_minute", "unfinished_max", "expires_at")


class AdminKeyEndpoints:
    """The endpoints below `/admin/v1` that create, limit and revoke keys, and those of what else opens an account.
    `pepper` and `root` are the installation's keys for digests of keys and for secrets of callbacks."""

    def __init__(self, auth: Auth, database: Database, base_url: BaseUrl, pepper: bytes, root: bytes) -> None:
        self._auth = auth
        self._database = database
        self._base_url = base_url
        self._pepper = pepper
        self._root = root

    async def create(self, request: Request) -> Response:
        """Create a key of an account. Only this answer has its text. Raises AccountNotFound, InvalidRequest."""
        holder = await self._auth.administrator(request)
        fields = await fields_of(request, ("name", "scopes", "models", *_LIMITS))
        name, may, of, limits = text(fields, "name"), scopes(fields), models(fields), await self._limits(fields)
        account = await find_account(self._database, path_id(request, "account_id"))
        order = KeyOrder(
            account=account.name,
            name=name,
            scopes=may,
            models=of,
            expires=limits.get("expires_at"),
            credit_limit_microcredits=limits.get("credit_limit_microcredits"),
            creates_per_minute=limits.get("creates_per_minute"),
            unfinished_max=limits.get("unfinished_max"),
        )
        with recorded(request, holder.api_key_id):
            issued = await api_keys.issue(self._database, self._pepper, order)
        return json_answer({**key_body(await self._key(issued.id)), "key": issued.key})

    async def limit(self, request: Request) -> Response:
        """Change limits of a key. Those that the body leaves out stay. Raises KeyNotFound, InvalidRequest."""
        holder = await self._auth.administrator(request)
        changes = await self._limits(await fields_of(request, _LIMITS))
        api_key_id = path_id(request, "key_id")
        try:
            with recorded(request, holder.api_key_id):
                if await api_keys.limit(self._database, api_key_id, changes) is None:
                    raise KeyNotFound
        except SpentMore as error:
            spent = credits_shown(error.spent_microcredits)
            sentence = f"The key has used and reserved {spent} credits, so credit_limit must be at least {spent}"
            raise InvalidRequest(sentence, "credit_limit") from None
        return json_answer(key_body(await self._key(api_key_id)))

    async def revoke(self, request: Request) -> Response:
        """Revoke a key. Revoking it again changes nothing. Raises KeyNotFound."""
        holder = await self._auth.administrator(request)
        api_key_id = path_id(request, "key_id")
        with recorded(request, holder.api_key_id):
            if not await api_keys.revoke(self._database, api_key_id):
                raise KeyNotFound
        return json_answer(key_body(await self._key(api_key_id)))

    async def link(self, request: Request) -> Response:
        """Make a link that signs in to the console, once. Only this answer has it.

        Raises AccountNotFound, NoValidKey.
        """
        holder = await self._auth.administrator(request)
        base_url = self._base_url.of(request)
        account = await find_account(self._database, path_id(request, "account_id"))
        with recorded(request, holder.api_key_id):
            issued = await console_sessions.issue_link(self._database, self._pepper, account.name)
        if issued is None:
            raise NoValidKey
        url = f"{base_url}/#/signin?link={issued.token}"
        return json_answer(
            {"account": account.name, "key_id": issued.key.id, "lifetime_s": LINK_LIFETIME_S, "url": url}
        )

    async def callback_secrets(self, request: Request) -> Response:
        """The secrets that sign an account's callbacks. Raises AccountNotFound."""
        await self._auth.administrator(request)
        account = await find_account(self._database, path_id(request, "account_id"))
        return _secrets_answer(account.name, await callback_secrets.show(self._database, self._root, account.name))

    async def rotate_callback_secret(self, request: Request) -> Response:
        """Make a new secret, which signs from now on. Raises AccountNotFound, InvalidRequest."""
        holder = await self._auth.administrator(request)
        fields = await fields_of(request, ("overlap_s",))
        overlap_s = whole(fields, "overlap_s", 0, OVERLAP_S_MAX) if "overlap_s" in fields else _OVERLAP_S
        account = await find_account(self._database, path_id(request, "account_id"))
        with recorded(request, holder.api_key_id):
            overlap = timedelta(seconds=overlap_s)
            shown = await callback_secrets.rotate(self._database, self._root, account.name, overlap)
        return _secrets_answer(account.name, shown)

    async def _key(self, api_key_id: int) -> ListedKey:
        async with self._database.reading() as connection:
            key = await account_pages.key(connection, api_key_id)
        assert key is not None, "keys are never deleted"
        return key

    async def _limits(self, fields: Fields) -> LimitChanges:
        """The limits in a body. Raises InvalidRequest."""
        limits = _counted_limits(fields)
        if fields.get("expires_at") is not None:
            async with self._database.reading() as connection:
                limits["expires_at"] = expiry(fields, "expires_at", await account_pages.now(connection))
        elif "expires_at" in fields:
            limits["expires_at"] = None
        return limits


def _counted_limits(fields: Fields) -> LimitChanges:
    """The limits in a body, without the expiry. Null takes a limit away. Raises InvalidRequest."""
    limits = LimitChanges()
    if "credit_limit" in fields:
        given = fields["credit_limit"] is not None
        limits["credit_limit_microcredits"] = microcredits(fields, "credit_limit") if given else None
    if "creates_per_minute" in fields:
        given = fields["creates_per_minute"] is not None
        limits["creates_per_minute"] = whole(fields, "creates_per_minute", 1, LIMIT_MAX) if given else None
    if "unfinished_max" in fields:
        given = fields["unfinished_max"] is not None
        limits["unfinished_max"] = whole(fields, "unfinished_max", 1, LIMIT_MAX) if given else None
    return limits


def _secrets_answer(account: str, shown: ShownSecrets | None) -> Response:
    assert shown is not None, "accounts are never deleted"
    until = shown.overlap_until
    return json_answer(
        {
            "account": account,
            "overlap_until": None if until is None else int(until.timestamp()),
            "secrets": [secret_text(secret) for secret in shown.secrets],
        }
    )
