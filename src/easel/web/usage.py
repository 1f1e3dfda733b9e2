"""Shows an account what its tasks came to, by day and by key, as JSON and as CSV."""

import csv
import io
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from easel.domain.credits import credits_shown
from easel.domain.errors import InvalidRequest
from easel.store import usage
from easel.store.database import Database
from easel.store.usage import KeyDayUsage, KeyUsage, Period, Sums
from easel.web.answers import json_answer
from easel.web.auth import Auth

DAYS_MAX: Final = 366
_DAYS: Final = 30
KEYS_MAX: Final = 100
ROWS_MAX: Final = 50_000
_OUTCOMES: Final = ("completed", "cancelled", "refused", "failed")
_FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r")


class UsageEndpoints:
    """`GET /v1/usage` and `GET /v1/usage.csv`."""

    def __init__(self, auth: Auth, database: Database) -> None:
        self._auth = auth
        self._database = database

    async def read(self, request: Request) -> Response:
        """Sums for each day, for the keys that spent most, and in total."""
        holder = await self._auth.reader(request)
        named = _NamedDays.of(request)
        async with self._database.reading() as connection:
            period = named.period(await usage.today(connection))
            days = {each.day: each for each in await usage.by_day(connection, holder.account_id, period)}
            keys = await usage.by_key(connection, holder.account_id, period, KEYS_MAX)
        shown = [period.first + timedelta(days=number) for number in range((period.last - period.first).days + 1)]
        return json_answer(
            {
                "days": [{"day": day.isoformat(), **_sums_body(days.get(day, _NOTHING))} for day in shown],
                "from": period.first.isoformat(),
                "keys": [_key_body(key) for key in keys],
                "to": period.last.isoformat(),
                "total": _sums_body(_total(list(days.values()))),
            }
        )

    async def read_csv(self, request: Request) -> Response:
        """A line for each day and key. Raises InvalidRequest if there are more than ROWS_MAX."""
        holder = await self._auth.reader(request)
        named = _NamedDays.of(request)
        async with self._database.reading() as connection:
            period = named.period(await usage.today(connection))
            rows = await usage.by_day_and_key(connection, holder.account_id, period, ROWS_MAX + 1)
        if len(rows) > ROWS_MAX:
            raise InvalidRequest(f"The period has more than {ROWS_MAX} lines: choose a shorter one", "from")
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["day", "key_id", "key_name", "key_ends", "credits_used", *_OUTCOMES])
        writer.writerows(_line(row) for row in rows)
        name = f"easel-usage-{period.first}-{period.last}.csv"
        headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{name}"'}
        return Response(text.getvalue(), headers=headers, media_type="text/csv")


_NOTHING: Final = Sums(completed=0, cancelled=0, refused=0, failed=0, spent_microcredits=0)


@dataclass(frozen=True, slots=True)
class _NamedDays:
    """The days that a request names. None for those that it leaves open."""

    first: date | None
    last: date | None

    @classmethod
    def of(cls, request: Request) -> "_NamedDays":
        """Raises InvalidRequest."""
        return cls(_day(request, "from"), _day(request, "to"))

    def period(self, today: date) -> Period:
        """The period that they mean. Raises InvalidRequest."""
        last = self.last or today
        first = self.first or max(date.min + timedelta(days=_DAYS), last) - timedelta(days=_DAYS - 1)
        if not 0 <= (last - first).days < DAYS_MAX:
            sentence = f"from must be a day before to, by at most {DAYS_MAX - 1} days, or the same day"
            raise InvalidRequest(sentence, "from")
        return Period(first, last)


def _day(request: Request, name: str) -> date | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise InvalidRequest(f"{name} must be a day such as 2026-11-30", name)
    return day


def _total(sums: list[usage.DayUsage]) -> Sums:
    return Sums(
        completed=sum(each.completed for each in sums),
        cancelled=sum(each.cancelled for each in sums),
        refused=sum(each.refused for each in sums),
        failed=sum(each.failed for each in sums),
        spent_microcredits=sum(each.spent_microcredits for each in sums),
    )


def _sums_body(sums: Sums) -> dict[str, Any]:
    counts = {outcome: getattr(sums, outcome) for outcome in _OUTCOMES}
    return {"credits_used": credits_shown(sums.spent_microcredits), **counts}


def _key_body(key: KeyUsage) -> dict[str, Any]:
    return {"ends": key.hint, "id": key.api_key_id, "name": key.name, **_sums_body(key)}


def _line(row: KeyDayUsage) -> list[object]:
    # A spreadsheet would run a name that begins like a formula.
    name = f"'{row.name}" if row.name.startswith(_FORMULA_SIGNS) else row.name
    return [row.day, row.api_key_id, name, row.hint, *_sums_body(row).values()]
