"""What operators do to see that all is well: what `easel doctor` finds, the audit of credits, and its repair.

The audit and the repair read whole tables and may take minutes. One of each runs at a time in each process.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from easel.actions import repair
from easel.actions.repair import BeyondRepair, Wrong
from easel.domain.errors import LedgerDamaged, ServiceUnavailable
from easel.outside.doctor import DoctorFailed, Finding
from easel.store import audit
from easel.store.database import Database
from easel.web.admin.fields import fields_of, truth
from easel.web.admin.recording import recorded
from easel.web.answers import json_answer
from easel.web.auth import Auth
from easel.web.shared_check import SharedCheck

DOCTOR_LIFETIME_S: Final = 30.0
AUDIT_LIFETIME_S: Final = 0.0
"""None is reused: an audit after a repair must not show what was before it."""


class AdminUpkeepEndpoints:
    """`GET /admin/v1/doctor`, `POST /admin/v1/credits/audit` and `POST /admin/v1/credits/repair`."""

    def __init__(self, auth: Auth, database: Database, examine: Callable[[], Awaitable[Sequence[Finding]]]) -> None:
        self._auth = auth
        self._database = database
        self._examine = examine
        self._doctor = SharedCheck(self._found_now, DOCTOR_LIFETIME_S)
        self._audit = SharedCheck(self._audited_now, AUDIT_LIFETIME_S)
        self._repairing = asyncio.Lock()

    async def doctor(self, request: Request) -> Response:
        """What `easel doctor` finds on the machine of this process. Raises ServiceUnavailable if it does not answer."""
        await self._auth.administrator(request)
        return json_answer(await self._doctor.found())

    async def audit(self, request: Request) -> Response:
        """Whether each invariant of credits and work holds."""
        await self._auth.administrator(request)
        return json_answer(await self._audit.found())

    async def repair(self, request: Request) -> Response:
        """What a repair would change, or has changed with `apply`. Raises InvalidRequest, LedgerDamaged."""
        holder = await self._auth.administrator(request)
        is_applied = truth(await fields_of(request, ("apply",)), "apply")
        async with self._repairing:
            try:
                with recorded(request, holder.api_key_id):
                    wrong = await (repair.repair(self._database) if is_applied else repair.find(self._database))
            except BeyondRepair as error:
                raise LedgerDamaged(str(error)) from None
        return json_answer({"changes": _changes(wrong), "is_applied": is_applied})

    async def _found_now(self) -> dict[str, Any]:
        try:
            findings = await self._examine()
        except DoctorFailed:
            raise ServiceUnavailable from None
        return {"findings": [asdict(finding) for finding in findings]}

    async def _audited_now(self) -> dict[str, Any]:
        async with self._database.snapshot(audit.TIMEOUT_S) as reader:
            findings = await audit.findings(reader)
        subjects = {name: [each.subject for each in findings if each.invariant == name] for name in audit.INVARIANTS}
        invariants = [
            {"holds": not broken, "invariant": name, "is_repairable": name in audit.REPAIRABLE, "subjects": broken}
            for name, broken in subjects.items()
        ]
        return {"invariants": invariants}


def _changes(wrong: Wrong) -> list[dict[str, Any]]:
    return [
        {"account": each.account, "derived": asdict(each.derived), "stored": asdict(each.stored), "subject": subject}
        for subject, each in wrong.subjects()
    ]
