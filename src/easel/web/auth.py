"""Who asks: a bearer key becomes its holder, or 401.

Unknown, malformed, expired and revoked keys get the same answer. A mistyped key costs no look at the database.
"""

from starlette.requests import Request

from easel.domain import api_key
from easel.domain.api_key import Holder, Scope
from easel.domain.errors import PermissionDenied, Unauthorized
from easel.store import accounts
from easel.store.database import Database


class Auth:
    """Recognises the keys of one installation."""

    def __init__(self, database: Database, pepper: bytes) -> None:
        self._database = database
        self._pepper = pepper

    async def holder(self, request: Request) -> Holder:
        """Who presents the request's key. Raises Unauthorized."""
        key = _presented_key(request)
        if not api_key.is_well_formed(key):
            raise Unauthorized
        async with self._database.reading() as connection:
            holder = await accounts.find_holder(connection, api_key.digest(key, self._pepper))
        if holder is None:
            raise Unauthorized
        request.state.account_id = holder.account_id
        return holder

    async def reader(self, request: Request) -> Holder:
        """The holder of a key that may read. Raises Unauthorized, PermissionDenied."""
        holder = await self.holder(request)
        if Scope.READ not in holder.scopes:
            raise PermissionDenied
        return holder


def _presented_key(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
