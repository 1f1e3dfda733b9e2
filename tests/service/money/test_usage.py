"""The usage of an account: by day, by key and in total, counted when tasks end."""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from easel.store import usage
from tests.support.running_service import Service, finish, submit

OUTCOMES: Final = ("completed", "cancelled", "refused", "failed")
EXPLAINED: Final = b"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "
YEAR_DAYS: Final = 365
KEYS: Final = 20


def sums(completed: int = 0, cancelled: int = 0, refused: int = 0, failed: int = 0) -> dict[str, Any]:
    credits_used = round(completed * 0.026, 6)
    return {
        "credits_used": credits_used,
        "completed": completed,
        "cancelled": cancelled,
        "refused": refused,
        "failed": failed,
    }


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def test_usage_counts_tasks_by_how_they_ended_and_what_they_cost(service: Service, account: str) -> None:
    key = service.new_key(account, "10", "--name", "=website")
    with service.client(key) as client:
        for _ in range(2):
            finish(client, submit(client)["id"])
        refused = submit(client, prompt="a naked child, explicit sex")
        assert finish(client, refused["id"])["status"] == "failed"
        answer = client.get("/v1/usage").json()
        assert answer["total"] == sums(completed=2, refused=1)
        assert len(answer["days"]) == 30
        assert answer["days"][-1] == {"day": today(), **sums(completed=2, refused=1)}
        assert answer["days"][0] == {"day": answer["from"], **sums()}
        [shown] = answer["keys"]
        assert shown | {"id": 0} == {"id": 0, "name": "=website", "ends": key[-4:], **sums(completed=2, refused=1)}

        told = client.get("/v1/usage.csv", params={"from": today(), "to": today()})
    assert told.headers["content-type"].startswith("text/csv")
    assert told.headers["content-disposition"] == f'attachment; filename="easel-usage-{today()}-{today()}.csv"'
    names, line = csv.reader(io.StringIO(told.text))
    assert names == ["day", "key_id", "key_name", "key_ends", "credits_used", *OUTCOMES]
    assert line == [today(), str(shown["id"]), "'=website", key[-4:], "0.052", "2", "0", "1", "0"]
    service.audit()


def test_usage_is_of_the_accounts_own_tasks(service: Service, new_key: Callable[..., str], account: str) -> None:
    first, second = service.new_key(account), service.new_key(account)
    with service.client(first) as client:
        finish(client, submit(client)["id"])
    with service.client(second) as client:
        assert [key["ends"] for key in client.get("/v1/usage").json()["keys"]] == [first[-4:]]
    with service.client(new_key()) as client:
        answer = client.get("/v1/usage").json()
        assert (answer["keys"], answer["total"]) == ([], sums())


@pytest.mark.parametrize(
    ("period", "param"),
    [
        ({"from": "2026-02-30"}, "from"),
        ({"to": "yesterday"}, "to"),
        ({"from": "20260101"}, "from"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "from"),
        ({"from": "2025-01-01", "to": "2026-01-02"}, "from"),
        ({"from": "2026-01-01\0"}, "from"),
    ],
)
def test_a_period_that_is_none_or_too_long_is_refused(
    service: Service, new_key: Callable[..., str], period: dict[str, str], param: str
) -> None:
    with service.client(new_key()) as client:
        for path in ("/v1/usage", "/v1/usage.csv"):
            refused = client.get(path, params=period)
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


def test_the_earliest_and_the_latest_days_are_answered(service: Service, new_key: Callable[..., str]) -> None:
    with service.client(new_key()) as client:
        for day in (date.min.isoformat(), date.max.isoformat()):
            assert client.get("/v1/usage", params={"from": day, "to": day}).json()["total"] == sums()
        assert client.get("/v1/usage", params={"to": date.max.isoformat()}).status_code == 200


def test_a_key_that_may_not_read_sees_no_usage(service: Service, account: str) -> None:
    with service.client(service.new_key(account, "1", "--scope", "generate")) as client:
        for path in ("/v1/usage", "/v1/usage.csv"):
            assert client.get(path).status_code == 403


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan that read `daily_usage`."""
    if plan.get("Relation Name") == "daily_usage" or plan.get("Index Name") == "daily_usage_pkey":
        yield plan
    for below in plan.get("Plans", ()):
        yield from scans(below)


def test_a_year_of_a_busy_account_is_read_by_its_index_and_no_other_row_is(service: Service, account: str) -> None:
    with service.client(service.new_key(account)) as client, service.database() as connection:
        row = connection.execute(
            "SELECT account.id, key.id FROM accounts AS account JOIN api_keys AS key ON key.account_id = account.id "
            "WHERE account.name = %s",
            (account,),
        ).fetchone()
        assert row is not None
        last = datetime.now(UTC).date() - timedelta(days=1)
        first = last - timedelta(days=364)
        connection.execute("SET LOCAL session_replication_role = replica")
        # Of twenty keys, and of nineteen other accounts as busy.
        connection.execute(
            "INSERT INTO daily_usage (account_id, day, api_key_id, completed, spent_microcredits) "
            "SELECT %s + number, day, %s + key, 100, 2600000 FROM generate_series(0, 19) AS number, "
            "generate_series(0, 19) AS key, generate_series(%s::date, %s::date, interval '1 day') AS day",
            (row[0] + 1000, row[1] + 1000, first, last),
        )
        connection.execute("ANALYZE daily_usage")
        values = (row[0] + 1000, first, last)
        for query, more in ((usage.DAYS, ()), (usage.KEYS, (100,)), (usage.ROWS, (1000,))):
            explained = connection.execute(EXPLAINED + query.encode(), values + more).fetchone()
            assert explained is not None
            read = list(scans(explained[0][0]["Plan"]))
            assert any(node.get("Index Name") == "daily_usage_pkey" for node in read), read
            assert all(node["Node Type"] != "Seq Scan" for node in read), read
            assert all(node["Actual Rows"] <= YEAR_DAYS * KEYS for node in read), read
            assert not any(node.get("Rows Removed by Filter") for node in read), read
        connection.rollback()
        assert client.get("/v1/usage").status_code == 200


def test_the_audit_finds_usage_that_differs_from_the_tasks(service: Service, account: str) -> None:
    with service.client(service.new_key(account)) as client:
        finish(client, submit(client)["id"])
    of_account = "WHERE account_id = (SELECT id FROM accounts WHERE name = %s)"
    with service.database() as connection:
        connection.execute(f"UPDATE daily_usage SET completed = completed + 1 {of_account}".encode(), (account,))
    audited = service.cli("credits", "audit", check=False)
    assert "BROKEN  a key's usage over all days is what its ended tasks came to" in audited.stdout
    with service.database() as connection:
        connection.execute(f"UPDATE daily_usage SET completed = completed - 1 {of_account}".encode(), (account,))
    service.audit()
