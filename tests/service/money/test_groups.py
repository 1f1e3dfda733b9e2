"""User groups: their prices, when these apply, and the command line."""

import time
from functools import partial
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner

from easel.actions import account_groups
from easel.commands.groups import groups
from easel.commands.terminal.option_types import Price
from tests.support.acting import ACTS_WITHIN_S
from tests.support.frozen import nobody_draws
from tests.support.running_fleet import Fleet
from tests.support.running_service import Service, finish, submit

MODEL = "z-image-turbo"


def set_price(service: Service, account: str, microcredits: int) -> str:
    """Set the price of the account's new group as the command line does, and return the group."""
    group = f"{account}-group"
    with service.database() as connection:
        connection.execute(
            """
            INSERT INTO prices VALUES (%s, %s, %s)
            ON CONFLICT (user_group, model) DO UPDATE SET price_microcredits = excluded.price_microcredits
            """,
            (group, MODEL, microcredits),
        )
        connection.execute("UPDATE accounts SET user_group = %s WHERE name = %s", (group, account))
    return group


def reserved(fleet: Fleet, account: str) -> int:
    with fleet.database() as connection:
        row = connection.execute("SELECT reserved_microcredits FROM accounts WHERE name = %s", (account,)).fetchone()
    assert row is not None
    return int(row[0])


def price_of_next_order(client: httpx2.Client) -> Any:
    """The price of the next order, which is cancelled at once."""
    task = submit(client)
    assert client.post(f"/v1/tasks/{task['id']}/cancel").status_code == 200
    return task["usage"]["credits_reserved"]


def test_a_new_price_applies_to_later_orders_and_not_to_open_holds(two_webs: Fleet) -> None:
    issued = two_webs.issue()
    said = two_webs.cli("groups", "set", "friends", "--price", "0.5").stdout
    assert said == f'Group "friends" pays 0.5 credits for a picture of {MODEL}.\n'
    assigned = two_webs.cli("groups", "assign", issued.account, "friends")
    assert assigned.stdout == f'Account "{issued.account}" is in group "friends".\n'
    assert assigned.stderr == ""
    with two_webs.clients(issued.key) as (client, elsewhere):
        time.sleep(ACTS_WITHIN_S)
        assert price_of_next_order(client) == 0.5
        kept, returned = submit(client), submit(client)
        assert kept["usage"] == {"billing_rule": "per_call", "credits_reserved": 0.5, "user_group": "friends"}
        two_webs.cli("groups", "set", "friends", "--price", "2")
        time.sleep(ACTS_WITHIN_S)
        for each in (client, elsewhere):
            assert price_of_next_order(each) == 2
        assert client.get(f"/v1/tasks/{kept['id']}").json()["usage"]["credits_reserved"] == 0.5
        assert reserved(two_webs, issued.account) == 1_000_000
        client.post(f"/v1/tasks/{returned['id']}/cancel")
        assert reserved(two_webs, issued.account) == 500_000
    two_webs.audit()


@pytest.mark.parametrize("credits", [0.5, 0], ids=["a price", "nothing"])
def test_a_picture_costs_what_was_held_even_if_its_groups_price_has_changed(
    service: Service, account: str, credits: float
) -> None:
    key = service.new_key(account, "1")
    group = set_price(service, account, int(credits * 1_000_000))
    with service.client(key) as client:
        with nobody_draws(service):
            task = submit(client)
            set_price(service, account, 700_000)
        done = finish(client, task["id"])
        assert done["status"] == "completed"
        assert done["usage"] == {"billing_rule": "per_call", "credits_used": credits, "user_group": group}
        used = client.get("/v1/credits").json()["data"]["user"]
        assert used == {"remaining_credits": 1 - credits, "used_credits": credits}


def test_a_free_group_needs_no_credits_but_keeps_its_limits(two_webs: Fleet) -> None:
    issued = two_webs.issue(credits=0, unfinished_max=2)
    set_price(two_webs, issued.account, 0)
    with two_webs.client(issued.key) as client:
        tasks = [submit(client), submit(client)]
        assert client.post("/v1/images/generations", json={"model": MODEL, "prompt": "a gift"}).status_code == 429
        for task in tasks:
            assert client.post(f"/v1/tasks/{task['id']}/cancel").json()["usage"]["credits_used"] == 0
    two_webs.audit()


def test_the_list_shows_each_group_with_its_price_and_number_of_accounts(two_webs: Fleet) -> None:
    for account in ("first-member", "second-member"):
        two_webs.issue(account)
        two_webs.on_database(partial(account_groups.assign, account=account, user_group="priceless"))
    two_webs.cli("groups", "set", "deserted", "--price", "0")
    lines = [line.split() for line in two_webs.cli("groups", "list").stdout.splitlines()]
    assert lines[0] == ["Group", "Model", "Price", "Accounts"]
    assert ["priceless", "general", "price", "2"] in lines
    assert ["deserted", MODEL, "0", "0"] in lines


@pytest.mark.parametrize(("text", "microcredits"), [("0", 0), ("0.00", 0), ("0.026", 26_000), ("12", 12_000_000)])
def test_a_price_can_be_any_amount_including_zero(text: str, microcredits: int) -> None:
    assert Price().convert(text, None, None) == microcredits


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("set", "friends"), "Missing option '--price'."),
        (
            ("set", "friends", "--price", "-1"),
            "a price is a number from 0 to 1000000000 with at most six decimal places",
        ),
        (("set", "friends", "--price", "free"), "a price is a number from 0 to 1000000000"),
        (("set", "friends", "--price", "0.0000001"), "a price is a number from 0 to 1000000000"),
        (("set", "friends", "--price", "1", "--model", "another"), "'another' is not 'z-image-turbo'."),
        (("set", "", "--price", "1"), "NAME must have 1 to 64 printable characters."),
        (("assign", "somebody", "x" * 65), "NAME must have 1 to 64 printable characters."),
        (("assign", "somebody"), "Missing argument 'NAME'."),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_invalid_group_commands_are_refused_with_a_message(arguments: tuple[str, ...], sentence: str) -> None:
    told = CliRunner().invoke(groups, arguments)
    assert told.exit_code == 2
    assert sentence in told.output


def test_a_nonexistent_account_cannot_join_a_group(two_webs: Fleet) -> None:
    assert "has no price of its own" in two_webs.cli("groups", "assign", two_webs.issue().account, "nobody-pays").stderr
    told = two_webs.cli("groups", "assign", "nobody-at-all", "friends", check=False)
    assert told.returncode == 1
    assert "There is no account of that name: `easel keys create` creates one." in told.stderr
