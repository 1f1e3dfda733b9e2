"""Usage and operating in a real browser: from a new account to its first picture, and what keys without rights see."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from playwright.sync_api import Page
from tools.console_history import operate, write_usage

from tests.service.browser.conftest import NewVisit
from tests.support.axe import faults_of
from tests.support.browser import PHONE, draw, require_chromium, wait_for_picture
from tests.support.running_service import Service, finish, submit

require_chromium()

STEP_S: Final = 0.02
MARKUP: Final = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)> '><b>bold</b>",
    "javascript:alert(1)// ${alert(1)} {{7*7}}",
    "</td></table><iframe srcdoc='<b>x</b>'>",
)
SECTIONS: Final = ("overview", "accounts", "keys", "groups", "callbacks", "moderation", "health", "audit")
ADMIN: Final = ("--scope", "admin", "--scope", "generate", "--scope", "read")


@pytest.fixture(scope="module")
def operated(console: Service) -> str:
    """The key of an operator of a service with a history."""
    key = console.new_key("studio", "100", "--name", "website", *ADMIN)
    write_usage(console, "studio", days=40)
    with console.client(key) as operator:
        operate(operator)
        for prompt in ("a cat", "a naked child"):
            finish(operator, submit(operator, prompt=prompt, callback_url="https://example.com/hook")["id"])
    return key


def open_section(page: Page, section: str) -> None:
    """Open a section of the administration, and wait until it shows something."""
    page.goto(f"/#/admin/{section}")
    address = "#/admin" if section == "overview" else f"#/admin/{section}"
    opened = f"main:has(.sections [aria-current][href='{address}'])"
    shown = ".findings" if section == "health" else ":is(.table td, .table-empty:not([role]))"
    page.wait_for_selector(f"{opened} {shown}")


def test_an_operator_opens_an_account_whose_key_draws_its_first_picture(
    visit: NewVisit, operated: str, console: Service
) -> None:
    operator = visit(operated)
    operator.expected = ("400",)
    page = operator.open("admin/accounts")
    page.click("text=New account")
    page.fill("#form-name", "northern lights")
    page.fill("#form-credits", "12.5")
    page.click("text=Open the account")
    page.wait_for_selector("h2:has-text('northern lights')")
    page.click("text=New key")
    page.fill("#form-name", "first")
    page.fill("#form-credit_limit", "0,5")
    page.click("text=Create the key")
    key = page.inner_text("dialog .secret code")
    assert key.startswith("sk-easel-")
    page.click("dialog >> text=Done")
    page.wait_for_selector(".form-dialog", state="detached")
    page.wait_for_selector(".table:has-text('0 of 0.5')")
    assert key not in page.content()
    visitor = visit(key)
    visitor.expected = ("401",)
    drawing = visitor.open()
    draw(drawing, "a cat")
    wait_for_picture(drawing)
    page.click("[aria-label='Limit: first']")
    page.fill("#form-credit_limit", "0.01")
    page.click("dialog >> text=Save")
    page.wait_for_selector("#form-fault:has-text('0.026')")
    assert page.get_attribute("#form-credit_limit", "aria-invalid") == "true"
    page.fill("#form-credit_limit", "")
    page.click("dialog >> text=Save")
    page.wait_for_selector(".table:has-text('0.026')")
    page.click("[aria-label='Revoke: first']")
    page.click(".question .is-danger")
    page.wait_for_selector(".table:has-text('revoked')")
    drawing.click("nav >> text=Gallery")
    drawing.wait_for_selector("#key-fault:has-text('revoked')")
    page.click("nav >> text=Audit log")
    page.wait_for_selector(".table td:has-text('Key revoked')")
    with console.client(operated) as client:
        latest = client.get("/admin/v1/audit", params={"limit": 1}).json()["data"][0]
    assert latest["details"] == {"address": "127.0.0.1", "name": "first"}


def test_credits_groups_and_prices_are_changed(visit: NewVisit, operated: str) -> None:
    operator = visit(operated)
    operator.expected = ("400",)
    page = operator.open("admin/accounts")
    page.click("text=Atelier Dubois")
    page.click("text=Grant credits")
    page.fill("#form-credits", "none")
    page.click("dialog >> button >> text=Grant credits")
    page.wait_for_selector("#form-fault:has-text('credits must be a number')")
    page.fill("#form-credits", "20")
    page.press("#form-credits", "Enter")
    page.wait_for_selector(".facts dd:has-text('100')")
    page.click("text=Take back")
    page.fill("#form-credits", "30")
    page.fill("#form-reason", "too much")
    page.press("#form-reason", "Enter")
    page.wait_for_selector(".facts dd:has-text('70')")
    page.click("text=Change group")
    page.fill("#form-group", "friends")
    page.press("#form-group", "Enter")
    page.wait_for_selector(".facts dd:has-text('friends')")
    page.click("nav >> text=Groups and prices")
    page.click("[aria-label='Set a price: friends']")
    page.fill("#form-price_credits", "0.01")
    page.press("#form-price_credits", "Enter")
    page.wait_for_selector(".table tr:has-text('friends'):has-text('0.01')")


def test_the_service_is_seen_at_a_glance_and_audited(visit: NewVisit, operated: str) -> None:
    page = visit(operated).open("admin")
    page.wait_for_selector(".table tr:has-text('sketch'):has-text('cpu'):has-text('idle')")
    page.wait_for_selector(".panel:has-text('Failures of the last day') >> text=content_policy_violation")
    open_section(page, "callbacks")
    page.wait_for_selector(".table tr:has-text('studio')")
    open_section(page, "health")
    page.wait_for_selector(".findings li:has-text('private PostgreSQL')")
    page.click("text=Audit >> nth=-1")
    page.wait_for_selector(".panel-head:has-text('The books') .state.is-bad")
    page.click(".panel-head >> text=Repair")
    page.click(".question .is-danger")
    page.wait_for_selector(".panel-head:has-text('The books') .state.is-good")


def test_the_audit_log_is_filtered_and_its_address_can_be_shared(
    visit: NewVisit, operated: str, console: Service
) -> None:
    console.cli("credits", "grant", "--account", "northwind", "3")
    page = visit(operated).open("admin/accounts")
    page.fill("input[type=search]", "NORTHW")
    page.wait_for_selector(".table tbody tr:only-child a:text-is('northwind')")
    page.click(".table a:text-is('northwind')")
    page.click("a.button:has-text('Audit log')")
    page.wait_for_selector(".table td:has-text('Account opened')")
    assert page.input_value("input[type=search]") == "northwind"
    page.select_option("select", "credits_granted")
    page.wait_for_function("() => document.querySelectorAll('.table tbody tr').length === 2")
    page.click(".table tbody a:has-text('key ')")
    page.wait_for_function("() => document.querySelectorAll('.table tbody tr').length === 1")
    page.check("input[name=since][value='7d']")
    page.wait_for_function("() => location.hash.includes('since=7d')")
    address = page.url
    page.click("text=Show everybody's")
    page.wait_for_function("() => document.querySelectorAll('.table tbody tr').length === 2")
    page.goto("/#/admin")
    page.wait_for_selector(".sums")
    page.goto(address)
    page.wait_for_function("() => document.querySelectorAll('.table tbody tr').length === 1")
    assert page.input_value("select") == "credits_granted"
    page.fill("input[type=search]", "nobody's")
    page.wait_for_selector(".table-empty:has-text('No entry matches')")


def test_a_link_that_an_operator_makes_signs_in_somebody_else(visit: NewVisit, operated: str, console: Service) -> None:
    console.new_key("invited", "5", "--name", "first")
    page = visit(operated).open("admin/accounts?name=invited")
    page.click(".table a:text-is('invited')")
    page.click("button:has-text('Sign-in link')")
    link = page.inner_text("dialog .secret code")
    page.click("dialog >> text=Done")
    page.wait_for_selector(".form-dialog", state="detached")
    assert link.split("link=")[1] not in page.content()
    guest = visit(None).page
    guest.goto(link)
    guest.wait_for_selector("#prompt")
    guest.click("[aria-label='Account of invited']")


def test_decisions_and_attempts_are_shown_without_a_prompt(visit: NewVisit, operated: str) -> None:
    page = visit(operated).open("admin/moderation?account=studio")
    page.wait_for_selector(".table tr:has-text('prompt: refused'):has-text('sexual/minors')")
    page.check("input[name=outcome][value=unjudged]")
    page.wait_for_selector(".table-empty:has-text('Nothing was decided')")
    assert "naked" not in page.content()
    open_section(page, "callbacks")
    page.click("[aria-label^='Attempts: '] >> nth=0")
    page.wait_for_selector("dialog:has-text('https://example.com/hook')")


def test_usage_is_shown_in_charts_and_tables_and_taken_away(visit: NewVisit, console: Service) -> None:
    key = console.new_key("charted", "100", "--name", "website")
    write_usage(console, "charted", days=366)
    page = visit(key).open("usage")
    page.wait_for_selector(".chart >> nth=1")
    assert page.locator(".chart-bars >> nth=0").locator("rect.series-credits_used").count() == 29
    page.click("text=As a table >> nth=1")
    page.wait_for_selector(".chart-table[open] td")
    page.hover(".chart-bars >> nth=0", position={"x": 40, "y": 40})
    assert "credits" in page.inner_text(".chart-read >> nth=0")
    page.check("input[name=days][value='365']")
    page.wait_for_selector(".chart-names:has-text('Week of')")
    assert page.url.endswith("#/usage?days=365")
    with page.expect_download() as download:
        page.click("text=Download CSV")
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("day,key_id")
    assert len(lines) > 360


def test_a_key_without_the_scope_sees_nothing_of_it(visit: NewVisit, new_key: Callable[..., str]) -> None:
    page = visit().open()
    assert page.locator("nav >> text=Operate").count() == 0
    page = visit().open("admin/keys")
    assert "may not operate" in page.inner_text(".empty")
    page = visit(new_key("--scope", "generate")).open("usage")
    assert "not see usage" in page.inner_text(".empty")


def test_names_of_accounts_keys_and_groups_are_text_and_never_markup(
    visit: NewVisit, operated: str, console: Service
) -> None:
    with console.client(operated) as operator:
        for name in MARKUP:
            account = operator.post("/admin/v1/accounts", json={"name": name, "group": name}).json()["id"]
            made = operator.post(f"/admin/v1/accounts/{account}/keys", json={"name": name})
            assert made.status_code == 200, made.text
    page = visit(operated).open()
    for section in ("accounts", "keys", "groups", "audit"):
        open_section(page, section)
        shown = " ".join(page.locator("main").all_text_contents())
        assert all(json.dumps(name)[1:-1].replace('\\"', '"') in shown for name in MARKUP), section
        assert page.locator("#app :is(script, iframe, b, style, [onerror], [onload])").count() == 0
    page.goto(f"/#/admin/accounts?account={account}")
    page.wait_for_selector(f"h2:has-text({json.dumps('</td></table>')})")
    page.click("text=Grant credits")
    assert MARKUP[-1] in str(page.text_content("dialog h2"))


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_on_any_view_of_operating(visit: NewVisit, operated: str, options: dict[str, Any]) -> None:
    page = visit(operated, **options).open("usage")
    page.wait_for_selector(".chart >> nth=1")
    page.click("text=As a table >> nth=0")
    found = {"usage": faults_of(page)}
    for section in SECTIONS:
        open_section(page, section)
        found[section] = faults_of(page)
    page.goto("/#/admin/accounts?account=2")
    page.click("text=New key")
    found["dialog"] = faults_of(page)
    page.keyboard.press("Escape")
    page.click("button:has-text('Sign-in link')")
    page.wait_for_selector("dialog .secret")
    found["link"] = faults_of(page)
    assert {view: faults for view, faults in found.items() if faults} == {}


@pytest.mark.parametrize("width_px", [360, 2560])
def test_no_section_is_wider_than_the_window(visit: NewVisit, operated: str, width_px: int) -> None:
    page = visit(operated, viewport={"width": width_px, "height": 900}, locale="zh-CN").open("usage")
    page.wait_for_selector(".chart >> nth=1")
    for section in ("", *SECTIONS):
        if section:
            open_section(page, section)
        assert page.evaluate("document.documentElement.scrollWidth") <= width_px, section
