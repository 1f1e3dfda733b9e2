"""`easel credits repair` shows altered balances and counts, and corrects them while the service runs."""

import re
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Final

import pytest

from tests.support.faults import load
from tests.support.running_fleet import Fleet
from tests.support.running_service import Service, finish, submit

COUNTS_BY_HAND: Final = """
    SET LOCAL easel.is_repairing = 'true';
    UPDATE api_keys SET used_microcredits = 5, reserved_microcredits = 7000000, unfinished = 12
    WHERE account_id = (SELECT id FROM accounts WHERE name = %(account)s)
"""
BALANCE_BY_HAND: Final = """
    UPDATE accounts SET available_microcredits = available_microcredits + 1000000, used_microcredits = 0
    WHERE name = %(account)s
"""


def change(service: Service, account: str, *statements: str) -> None:
    with service.database() as connection:
        for statement in "".join(statements).split(";"):
            connection.execute(statement.encode(), {"account": account})


USAGE_BY_HAND: Final = """
    UPDATE daily_usage SET completed = 9, spent_microcredits = 0, refused = 3
    WHERE account_id = (SELECT id FROM accounts WHERE name = %(account)s)
"""


def repair(service: Service, *options: str) -> CompletedProcess[str]:
    return service.cli("credits", "repair", *options, check=False)


def test_a_repair_reports_faults_and_corrects_them_when_asked_to(service: Service, account: str) -> None:
    with service.client(service.new_key(account)) as client:
        finish(client, submit(client)["id"])
    change(service, account, COUNTS_BY_HAND, ";", BALANCE_BY_HAND, ";", USAGE_BY_HAND)
    audited = service.cli("credits", "audit", check=False)
    assert audited.returncode == 1
    assert audited.stdout.count("BROKEN") == 4
    assert "`easel credits repair` shows what can be repaired" in audited.stderr

    shown = repair(service)
    assert shown.returncode == 0, shown.stderr
    balance, counts, usage, summary = shown.stdout.splitlines()
    assert balance == f'Account "{account}": available 100.974 becomes 99.974, used 0 becomes 0.026'
    wrong = "used 0.000005 becomes 0.026, reserved 7 becomes 0, unfinished 12 becomes 0"
    assert re.fullmatch(rf'Key \d+ of account "{account}": {wrong}', counts)
    wrong = "completed 9 becomes 1, refused 3 becomes 0, spent 0 becomes 0.026"
    assert re.fullmatch(rf'Usage of key \d+ of account "{account}": {wrong}', usage)
    assert summary == "To repair: 3. Nothing has been changed yet: run `easel credits repair --apply`."
    assert repair(service).stdout == shown.stdout

    applied = repair(service, "--apply")
    assert applied.stdout.splitlines() == [balance, counts, usage, "Repaired: 3."]
    assert service.cli("audit", "--account", account).stdout.count("credits_repaired") == 3
    service.audit()
    for options in ([], ["--apply"]):
        again = repair(service, *options)
        assert again.returncode == 0
        assert (
            again.stdout == "Nothing to repair: balances, counts and usage match the ledger, the holds and the tasks.\n"
        )


def test_a_repair_during_orders_and_draws_leaves_every_count_right(service: Service, account: str) -> None:
    key = service.new_key(account)
    with load(service, key, clients=4, every_s=0.001) as met:
        for _ in range(2):
            change(service, account, COUNTS_BY_HAND, ";", BALANCE_BY_HAND, ";", USAGE_BY_HAND)
            assert repair(service, "--apply").returncode == 0
    assert set(met.statuses) == {200}
    with service.client(key) as client:
        for task_id in met.accepted:
            assert finish(client, task_id)["status"] == "completed"
    service.audit()


def test_a_task_can_end_even_if_its_keys_counts_are_too_low(two_webs: Fleet) -> None:
    issued = two_webs.issue()
    with two_webs.client(issued.key) as client:
        task_id = submit(client)["id"]
        change(two_webs, issued.account, COUNTS_BY_HAND.replace("7000000", "0").replace("12", "0"))
        assert client.post(f"/v1/tasks/{task_id}/cancel").status_code == 200
    assert "used 0.000005 becomes 0\n" in repair(two_webs, "--apply").stdout
    two_webs.audit()


def test_a_ledger_with_a_negative_sum_is_not_repaired(service: Service, account: str) -> None:
    service.new_key(account, "1")
    entry = "INSERT INTO ledger (account_id, kind, amount_microcredits, cause) SELECT id, 'capture', 5, %(account)s"
    with service.database() as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(f"{entry} FROM accounts WHERE name = %(account)s".encode(), {"account": account})
    try:
        refused = repair(service, "--apply")
        assert refused.returncode == 1
        assert f'The entries of account "{account}" add up to a negative balance' in refused.stderr
    finally:
        with service.database() as connection:
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute("DELETE FROM ledger WHERE cause = %s", (account,))
    service.audit()


@pytest.mark.parametrize("change", ["unfinished = 40", "reserved_microcredits = 0, unfinished = unfinished - 1"])
def test_counts_written_by_an_earlier_versions_statement_are_ignored(
    service: Service, new_key: Callable[..., str], change: str
) -> None:
    new_key()
    with service.database() as connection:
        connection.execute(f"UPDATE api_keys SET name = 'changed', {change}".encode())
        changed = connection.execute(
            "SELECT count(*) FROM api_keys WHERE name = 'changed' AND unfinished = 40"
        ).fetchone()
        connection.rollback()
    assert changed == (0,)
