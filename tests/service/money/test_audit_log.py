"""Operators' actions are recorded with user and reason in their own transaction, and grants can be taken back."""

import json
import os
import pwd
import socket
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
import pytest

from easel.actions import api_keys
from easel.actions.audit_log import record_price
from easel.domain.credits import MICROCREDITS_PER_CREDIT
from easel.outside.operator import operator_name
from tests.support.finishing import complete
from tests.support.running_fleet import Fleet
from tests.support.running_service import Service, submit

ME: Final = operator_name()


def audit(service: Service, *options: str) -> list[dict[str, Any]]:
    """The entries, oldest first."""
    lines = service.cli("audit", "--json", "--limit", "1000", *options).stdout.splitlines()
    return [json.loads(line) for line in reversed(lines)]


def entries(service: Service) -> list[tuple[str, dict[str, Any]]]:
    """The actions and details of all entries, read without a command."""
    with service.database() as connection:
        return connection.execute("SELECT action, details FROM audit_log ORDER BY id").fetchall()


def available(service: Service, account: str) -> float:
    with service.database() as connection:
        row = connection.execute("SELECT available_microcredits FROM accounts WHERE name = %s", (account,)).fetchone()
    assert row is not None
    return float(row[0]) / MICROCREDITS_PER_CREDIT


def test_an_adjustment_takes_a_grant_back_and_the_ledger_keeps_both(two_webs: Fleet) -> None:
    account = two_webs.issue(credits=10).account
    told = two_webs.cli("credits", "adjust", "--account", account, "-7.5", "--reason", "granted to the wrong one")
    assert told.stdout == f'Took 7.5 credits from account "{account}": 2.5 are available.\n'
    told = two_webs.cli("credits", "adjust", "--reason", "half of it was right", "--account", account, "3.75")
    assert told.stdout == f'Added 3.75 credits to account "{account}": 6.25 are available.\n'
    with two_webs.database() as connection:
        rows = connection.execute(
            "SELECT kind, amount_microcredits FROM ledger JOIN accounts ON account_id = accounts.id "
            "WHERE name = %s ORDER BY ledger.id",
            (account,),
        ).fetchall()
    assert rows == [("grant", 10_000_000), ("grant", -7_500_000), ("grant", 3_750_000)]
    two_webs.audit()
    adjusted = audit(two_webs, "--account", account, "--action", "credits_adjusted")
    assert [entry["details"] for entry in adjusted] == [
        {"credits": -7.5, "available": 2.5, "reason": "granted to the wrong one"},
        {"credits": 3.75, "available": 6.25, "reason": "half of it was right"},
    ]
    assert {(entry["operator"], entry["subject"], entry["account"]) for entry in adjusted} == {
        (ME, f'account "{account}"', account)
    }


def test_reserved_and_used_credits_cannot_be_taken_back(two_webs: Fleet) -> None:
    key = two_webs.issue(credits=1)
    with two_webs.client(key.key) as client:
        complete(two_webs, submit(client)["id"])
        submit(client)
    before = audit(two_webs, "--account", key.account)
    refused = two_webs.cli("credits", "adjust", "--account", key.account, "-1", "--reason", "all of it", check=False)
    assert refused.returncode == 1
    assert refused.stderr == (
        f'Error: Account "{key.account}" has 0.948 credits available, so 1 cannot be taken back: '
        "take back 0.948 at most.\n"
    )
    assert audit(two_webs, "--account", key.account) == before
    assert available(two_webs, key.account) == 0.948
    two_webs.cli("credits", "adjust", "--account", key.account, "-0.948", "--reason", "what is left")
    assert available(two_webs, key.account) == 0
    two_webs.audit()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--account", "a", "-5"), "Missing option '--reason'"),
        (("--account", "a", "--reason", "", "-5"), "--reason must have 1 to 500 printable characters"),
        (("--account", "a", "--reason", "  ", "-5"), "--reason must not be blank."),
        (("--account", "a", "--reason", "why", "-1e3"), "an adjustment is a number other than 0"),
        (("--account", "nobody's", "--reason", "why", "-5"), "There is no account of that name"),
    ],
)
def test_an_adjustment_without_an_amount_or_reason_is_refused_with_a_message(
    two_webs: Fleet, arguments: tuple[str, ...], sentence: str
) -> None:
    refused = two_webs.cli("credits", "adjust", *arguments, check=False)
    assert refused.returncode in {1, 2}
    assert sentence in refused.stderr


def test_every_action_of_an_operator_is_listed_without_secrets(service: Service, account: str) -> None:
    made = json.loads(
        service.cli(
            "keys", "create", "--account", account, "--name", "for [bold]tests[/bold]", "--credits", "5", "--limit",
            "2", "--expires", "30d", "--scope", "read", "--json",
        ).stdout
    )  # fmt: skip
    key_id, group = str(made["id"]), f"group-of-{account}"
    service.cli("credits", "grant", "--account", account, "12.5")
    secrets = service.cli("keys", "callback-secret", "--account", account, "--rotate", "--overlap", "30m", "--json")
    service.cli("groups", "set", group, "--price", "0.02")
    service.cli("groups", "assign", account, group)
    service.cli("keys", "revoke", key_id)
    service.cli("keys", "revoke", key_id)  # changes nothing
    done = audit(service, "--account", account, "--since", "1h", "--by", ME)
    assert [(entry["action"], entry["subject"]) for entry in done] == [
        ("key_created", f"key {key_id}"),
        ("credits_granted", f'account "{account}"'),
        ("credits_granted", f'account "{account}"'),
        ("callback_secret_rotated", f'account "{account}"'),
        ("group_assigned", f'account "{account}"'),
        ("key_revoked", f"key {key_id}"),
    ]
    lives = datetime.fromisoformat(done[0]["details"].pop("expires_at")) - datetime.fromisoformat(done[0]["at"])
    assert abs(lives - timedelta(days=30)) < timedelta(minutes=1)
    assert done[0]["details"] == {"name": "for [bold]tests[/bold]", "scopes": ["read"], "limit": 2}
    assert [entry["details"].get("credits") for entry in done[1:3]] == [5, 12.5]
    assert done[4]["details"] == {"group": group}
    assert {entry["api_key_id"] for entry in done} == {None}
    (priced,) = [entry for entry in audit(service, "--action", "group_price_set") if group in entry["subject"]]
    assert priced["details"] == {"model": "z-image-turbo", "price": 0.02}
    shown = service.cli("audit", "--account", account).stdout
    assert "for [bold]tests[/bold]" in shown
    for text in (made["key"], *json.loads(secrets.stdout)["secrets"]):
        assert text not in json.dumps(done) + shown
    assert audit(service, "--account", account, "--by", "somebody@elsewhere") == []
    assert len(service.cli("audit", "--json", "--limit", "2").stdout.splitlines()) == 2


def test_an_action_and_its_entry_are_committed_together_or_not_at_all(two_webs: Fleet) -> None:
    key = two_webs.issue()
    before = entries(two_webs)
    assert two_webs.cli("keys", "revoke", "999999", check=False).returncode == 1
    assert two_webs.cli("groups", "assign", "nobody's", "a", check=False).returncode == 1
    assert two_webs.cli("credits", "grant", "--account", "nobody's", "1", check=False).returncode == 1
    with two_webs.database() as connection:
        connection.autocommit = True
        connection.execute("ALTER TABLE audit_log ADD CONSTRAINT refuse CHECK (action <> 'key_revoked') NOT VALID")
        try:
            with pytest.raises(Exception, match="CheckViolation"):
                two_webs.on_database(lambda database: api_keys.revoke(database, key.id))
        finally:
            connection.execute("ALTER TABLE audit_log DROP CONSTRAINT refuse")
    assert entries(two_webs) == before
    with two_webs.client(key.key) as client:
        assert client.get("/v1/models").status_code == 200


@pytest.mark.parametrize(
    "change", ["UPDATE audit_log SET operator = 'somebody'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
def test_the_audit_log_is_append_only(two_webs: Fleet, change: str) -> None:
    two_webs.issue()
    with two_webs.database() as connection, pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        connection.execute(change.encode())


def test_an_operator_is_named_by_system_user_and_host() -> None:
    user, _, host = operator_name().partition("@")
    assert user in {entry.pw_name for entry in pwd.getpwall()} | {str(os.geteuid())}
    assert host == socket.gethostname()


def test_a_changed_price_setting_is_recorded(two_webs: Fleet) -> None:
    def noted() -> list[dict[str, Any]]:
        return [details for action, details in entries(two_webs) if action == "price_set"]

    def start_with(price_microcredits: int) -> None:
        two_webs.on_database(lambda database: record_price(database, price_microcredits))

    assert noted()[:1] == [{"price": 0.026}], "both web processes started with this one"
    before = noted()
    for price in (30_000, 30_000, 26_000, 26_000):
        start_with(price)
    assert noted() == [*before, {"price": 0.03, "before": 0.026}, {"price": 0.026, "before": 0.03}]
