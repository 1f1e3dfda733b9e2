"""What moderation decided, as `easel moderation list` and `count` tell it. Prompts appear as digests only."""

from dataclasses import asdict
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from easel.domain.moderation.decision import ModerationOutcome
from easel.store import moderation_log
from easel.store.database import Database
from easel.store.moderation_log import DecisionSearch, ListedDecision
from easel.web.admin.filters import named, one_of
from easel.web.admin.reading import page_limit
from easel.web.answers import json_answer
from easel.web.auth import Auth
from easel.web.requests import whole_number

DAYS: Final = 7
DAYS_MAX: Final = 3650


class AdminModerationEndpoints:
    """`GET /admin/v1/moderation` and `GET /admin/v1/moderation/counts`."""

    def __init__(self, auth: Auth, database: Database) -> None:
        self._auth = auth
        self._database = database

    async def decisions(self, request: Request) -> Response:
        """The latest decisions: of one account or of all, of one outcome or of any, about one task or about all."""
        await self._auth.administrator(request)
        search = DecisionSearch(
            account=named(request, "account"),
            outcome=one_of(request, "outcome", tuple(ModerationOutcome)),
            task_id=named(request, "task_id"),
            count_max=page_limit(request),
        )
        async with self._database.reading() as connection:
            rows = await moderation_log.list_decisions(connection, search)
        return json_answer({"data": [_body(row) for row in rows]})

    async def counts(self, request: Request) -> Response:
        """How many decisions of each kind there were in the last days."""
        await self._auth.administrator(request)
        days = whole_number(request, "days", DAYS, 1, DAYS_MAX)
        async with self._database.reading() as connection:
            rows = await moderation_log.count_decisions(connection, days)
        return json_answer({"data": [asdict(row) for row in rows]})


def _body(decision: ListedDecision) -> dict[str, Any]:
    body = asdict(decision)
    at = int(body.pop("decided_at").timestamp())
    return body | {"at": at, "prompt_digest": decision.prompt_digest.hex()}
