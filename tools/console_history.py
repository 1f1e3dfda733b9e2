"""A history for the console's screenshots and tests: usage of past days, accounts, keys, groups, callbacks and
failures.

The rows are written straight into the database of a service for tests. They fit together as far as the console shows
them, but no audit of credits would pass.
"""

import random
from datetime import UTC, datetime, timedelta

import httpx2
from tests.support.running_service import Service

DAYS = 365
ACCOUNTS = (
    ("northwind", "partners", 250),
    ("Atelier Dubois", "partners", 80),
    ("学生社团", "default", 12.5),
    ("ci", "internal", 0),
)
USAGE = """
    INSERT INTO daily_usage (account_id, day, api_key_id, completed, cancelled, refused, failed, spent_microcredits)
    SELECT account_id, %(day)s, id, %(completed)s, %(cancelled)s, %(refused)s, %(failed)s, %(completed)s * 26000
    FROM api_keys WHERE id = %(key)s ON CONFLICT DO NOTHING
"""


def write_usage(service: Service, account: str, days: int = DAYS) -> None:
    """Give each key of an account usage on past days, busier on workdays and towards the end."""
    generator = random.Random(7)  # noqa: S311
    today = datetime.now(UTC).date()
    with service.database() as connection:
        keys = connection.execute(
            "SELECT api_keys.id FROM api_keys JOIN accounts ON accounts.id = account_id WHERE accounts.name = %s ORDER BY 1",
            (account,),
        ).fetchall()
        for back in range(1, days):
            day = today - timedelta(days=back)
            busy = (0.35 if day.weekday() > 4 else 1.0) * (1.2 - back / days)
            for place, (key,) in enumerate(keys):
                completed = int(generator.uniform(60, 140) * busy / (place + 1))
                values = {
                    "key": key, "day": day, "completed": completed, "cancelled": int(completed * generator.uniform(0, 0.06)),
                    "refused": int(completed * generator.uniform(0, 0.03)), "failed": int(completed * generator.uniform(0, 0.02)),
                }  # fmt: skip
                connection.execute(USAGE, values)


def operate(operator: httpx2.Client) -> None:
    """Do over HTTP what operators do, so that the audit log and the lists have entries."""

    def post(path: str, body: object) -> dict[str, object]:
        answer = operator.post(f"/admin/v1/{path}", json=body)
        assert answer.status_code == 200, answer.text
        made: dict[str, object] = answer.json()
        return made

    post("groups", {"name": "partners", "price_credits": 0.02})
    post("groups", {"name": "internal", "price_credits": 0})
    for name, group, granted in ACCOUNTS:
        account = post("accounts", {"name": name, "group": group, "credits": granted})
        key = post(f"accounts/{account['id']}/keys", {"name": "production", "creates_per_minute": 120})
        spare = post(f"accounts/{account['id']}/keys", {"name": "old laptop", "credit_limit": 5})
        post(f"keys/{key['id']}/limits", {"credit_limit": 500, "unfinished_max": 40})
        post(f"keys/{spare['id']}/revoke", {})
    first = operator.get("/admin/v1/accounts").json()["data"][0]["id"]
    post(f"accounts/{first}/adjustments", {"credits": -2.5, "reason": "granted twice"})
