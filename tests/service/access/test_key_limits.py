"""The limits of one key of an account: credits, models and expiry, and how soon revocation takes effect."""

import json
import re
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner

from easel.commands.keys import keys_group
from tests.support.acting import ACTS_WITHIN_S
from tests.support.running_fleet import Fleet
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, submit

PRICE = 26_000


def credits_of(client: httpx2.Client) -> dict[str, Any]:
    data: dict[str, Any] = client.get("/v1/credits").json()["data"]
    return data


def accepted_ids(answers: list[httpx2.Response]) -> list[str]:
    return [answer.json()["id"] for answer in answers if answer.status_code == 200]


def books(fleet: Fleet, api_key_id: int) -> tuple[int, int, int, int, int, int]:
    """The key's used and reserved micro-credits, its unfinished tasks, and its account's balance."""
    with fleet.database() as connection:
        row = connection.execute(
            """
            SELECT api_keys.used_microcredits, api_keys.reserved_microcredits, unfinished,
                available_microcredits, accounts.reserved_microcredits, accounts.used_microcredits
            FROM api_keys JOIN accounts ON accounts.id = account_id WHERE api_keys.id = %s
            """,
            (api_key_id,),
        ).fetchone()
    assert row is not None
    return row


def test_a_key_limited_to_50_gets_exactly_50_of_400_concurrent_orders_accepted(two_webs: Fleet) -> None:
    rich = two_webs.issue(credits=0, creates_per_minute=100_000)
    two_webs.cli("credits", "grant", "--account", rich.account, "2.6")
    limited = two_webs.issue(rich.account, credits=0, credit_limit_microcredits=50 * PRICE, creates_per_minute=100_000)

    answers = two_webs.race(limited.key, 400)
    assert Counter(answer.status_code for answer in answers) == {200: 50, 402: 350}
    refused = next(answer for answer in answers if answer.status_code == 402)
    assert refused.json()["error"]["code"] == "insufficient_quota"
    assert books(two_webs, limited.id) == (0, 50 * PRICE, 50, 50 * PRICE, 50 * PRICE, 0)
    with two_webs.client(limited.key) as client, two_webs.client(rich.key) as other:
        assert credits_of(client) == {
            "token": {"remaining_credits": 0, "unlimited_credits": False, "used_credits": 0},
            "user": {"remaining_credits": 1.3, "used_credits": 0},
        }
        assert credits_of(other)["token"] == {"remaining_credits": 1.3, "unlimited_credits": True, "used_credits": 0}
        for task_id in accepted_ids(answers)[:10]:
            assert client.post(f"/v1/tasks/{task_id}/cancel").status_code == 200
        assert credits_of(client)["token"]["remaining_credits"] == 0.26
    assert books(two_webs, limited.id) == (0, 40 * PRICE, 40, 60 * PRICE, 40 * PRICE, 0)

    assert Counter(answer.status_code for answer in two_webs.race(limited.key, 100)) == {200: 10, 402: 90}
    assert Counter(answer.status_code for answer in two_webs.race(rich.key, 100)) == {200: 50, 402: 50}
    assert books(two_webs, limited.id) == (0, 50 * PRICE, 50, 0, 100 * PRICE, 0)
    two_webs.audit()


def test_a_spending_limit_covers_the_keys_whole_lifetime(service: Service, account: str) -> None:
    limited = service.new_key(account, "100", "--limit", "0.06")
    with service.client(limited) as client:
        for _ in range(2):
            assert finish(client, submit(client)["id"])["status"] == "completed"
        assert client.post(GENERATIONS, json=ORDER).status_code == 402
        assert credits_of(client) == {
            "token": {"remaining_credits": 0.008, "unlimited_credits": False, "used_credits": 0.052},
            "user": {"remaining_credits": 99.948, "used_credits": 0.052},
        }
    listed = service.cli("keys", "list", "--account", account).stdout
    assert "0.052 of 0.06" in " ".join(listed.split())
    service.audit()


def test_a_keys_remaining_limit_never_exceeds_its_accounts_balance(two_webs: Fleet) -> None:
    poor = two_webs.issue(credits=1, credit_limit_microcredits=5_000_000)
    with two_webs.client(poor.key) as client:
        assert credits_of(client)["token"] == {"remaining_credits": 1, "unlimited_credits": False, "used_credits": 0}


def test_a_revoked_key_stops_working_within_a_second_at_every_web_process(two_webs: Fleet) -> None:
    issued = two_webs.issue()
    with two_webs.clients(issued.key) as clients:
        for client in clients:
            assert client.get("/v1/models").status_code == 200
        two_webs.cli("keys", "revoke", str(issued.id))
        time.sleep(ACTS_WITHIN_S)
        for client in clients:
            assert client.get("/v1/models").status_code == 401
            assert client.post(GENERATIONS, json=ORDER).status_code == 401


def test_an_order_racing_with_its_keys_revocation_is_refused_even_if_the_key_is_cached(two_webs: Fleet) -> None:
    issued = two_webs.issue()
    with two_webs.client(issued.key) as client, two_webs.database() as connection:
        submit(client)
        connection.execute("UPDATE api_keys SET revoked_at = now() WHERE id = %s", (issued.id,))
        connection.commit()
        assert client.post(GENERATIONS, json=ORDER).status_code == 401


def test_a_key_can_expire_after_a_number_of_days_or_on_a_date(two_webs: Fleet) -> None:
    today = datetime.now(UTC)
    for expires, ends in (
        ("1d", today + timedelta(days=1)),
        (f"{today:%Y-%m-%d}", (today + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)),
    ):
        key = json.loads(two_webs.cli("keys", "create", "--account", "expiring", "--expires", expires, "--json").stdout)
        with two_webs.database() as connection:
            row = connection.execute("SELECT expires_at FROM api_keys WHERE id = %s", (key["id"],)).fetchone()
        assert row is not None
        assert abs(row[0] - ends) < timedelta(minutes=1)
        with two_webs.client(key["key"]) as client:
            assert client.get("/v1/models").status_code == 200


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--expires", "0d"), "use a number of days such as 30d, at most 3650d, or a future date such as"),
        (("--expires", "3651d"), "use a number of days such as 30d"),
        (("--expires", "1.5d"), "use a number of days such as 30d"),
        (("--expires", "-1d"), "use a number of days such as 30d"),
        (("--expires", "soon"), "use a number of days such as 30d"),
        (("--expires", "2026-02-30"), "use a number of days such as 30d"),
        (("--expires", "2020-01-01"), "use a number of days such as 30d"),
        (("--expires", "9999-12-31"), "use a number of days such as 30d"),
        (("--models", "z-image"), "there is no such model. Choose from: z-image-turbo."),
        (("--models", "z-image-turbo,"), "there is no such model. Choose from: z-image-turbo."),
        (("--models", ""), "there is no such model. Choose from: z-image-turbo."),
        (
            ("--limit", "0"),
            "an amount of credits is a number above 0, at most 1000000000, with at most six decimal places, such as 12.5.",
        ),
        (("--limit", "0.0000001"), "an amount of credits is a number above 0"),
        (("--rate", "0"), "0 is not in the range 1<=x<=1000000000."),
        (("--unfinished", "many"), "'many' is not a valid integer range."),
    ],
    ids=" ".join,
)
def test_an_invalid_limit_is_refused_with_a_message(tmp_path: Path, options: tuple[str, ...], sentence: str) -> None:
    # The command line as it is, without the second that its start takes for each value.
    told = CliRunner().invoke(keys_group, ["create", "--account", "a", "--data-dir", str(tmp_path), *options])
    assert told.exit_code == 2
    said = re.sub(r"\s+", " ", told.output)
    assert f"Invalid value for '{options[0]}': {sentence}" in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == [], "nothing was begun"


def test_a_key_for_one_model_sees_and_uses_only_that_model(two_webs: Fleet) -> None:
    key = two_webs.new_key("one-model", "1", "--models", "z-image-turbo")
    with two_webs.client(key) as client:
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["z-image-turbo"]
        submit(client)
    none = two_webs.issue(models=())
    with two_webs.client(none.key) as client:
        assert client.get("/v1/models").json()["data"] == []
        refused = client.post(GENERATIONS, json=ORDER)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_access_denied")
