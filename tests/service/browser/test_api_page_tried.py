"""The API page in a real browser: each call can be tried on it, with a typed key or the console's session."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from playwright.sync_api import Page

from tests.service.browser.conftest import NewVisit
from tests.support.axe import faults_of
from tests.support.browser import PHONE, require_chromium
from tests.support.running_service import Service, finish, submit

require_chromium()

STEP_S: Final = 0.02


def open_form(page: Page, operation: str) -> str:
    """Open the form of an operation. Returns the selector of its section."""
    section = f"#{operation}"
    page.click(f"{section} >> text=Try it here")
    page.wait_for_selector(f"{section} form.try")
    return section


def send(page: Page, section: str, status: str) -> str:
    """Send the form, and return the body of the answer of this status."""
    page.click(f"{section} form .is-main")
    page.wait_for_selector(f"{section} .answer b:has-text('{status}')")
    page.wait_for_selector(f"{section} form button.is-main:not([disabled])")
    return str(page.inner_text(f"{section} .answer"))


def test_a_call_is_tried_with_the_session_of_the_console(visit: NewVisit) -> None:
    page = visit().page
    page.goto("/docs")
    section = open_form(page, "createImageGeneration")
    assert "session of account-" in page.inner_text(f"{section} .try-field >> nth=0")
    task = send(page, section, "200")
    assert '"status": "pending"' in task
    listed = open_form(page, "listTasks")
    assert '"data"' in send(page, listed, "200")


def test_a_call_is_tried_with_a_typed_key_that_is_stored_nowhere(
    visit: NewVisit, new_key: Callable[..., str], console: Service
) -> None:
    key = new_key()
    with console.client(key) as client:
        task = finish(client, submit(client, prompt="a cat")["id"])
    visitor = visit(None)
    visitor.expected = ("401", "404")
    page = visitor.page
    page.goto("/docs")
    section = open_form(page, "getTask")
    page.fill(f"{section} input[id$=task_id]", task["id"])
    assert "unauthorized" in send(page, section, "401")
    page.fill(f"{section} .try-key", key)
    assert '"completed"' in send(page, section, "200")
    events = open_form(page, "followTask")
    assert page.input_value(f"{events} .try-key") == key
    page.fill(f"{events} input[id$=task_id]", task["id"])
    assert "event: completed" in send(page, events, "200")
    picture = open_form(page, "getPicture")
    grant, file = task["result_data"][0]["url"].split("/")[-2:]
    page.fill(f"{picture} input[id$=grant]", grant)
    page.fill(f"{picture} input[id$=file]", file)
    page.click(f"{picture} form .is-main")
    page.wait_for_selector(f"{picture} .answer img")
    stored = page.evaluate("JSON.stringify([localStorage, sessionStorage, location.href, document.cookie])")
    assert key[12:] not in stored
    page.reload()
    assert page.input_value(f"{open_form(page, 'getTask')} .try-key") == ""


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
def test_the_page_begins_with_its_subject_and_axe_finds_nothing_on_a_form(
    visit: NewVisit, options: dict[str, Any]
) -> None:
    page = visit(**options).page
    page.goto("/docs")
    top = page.evaluate("document.querySelector('h1').getBoundingClientRect().top")
    assert top < 120
    section = open_form(page, "getUsage")
    send(page, section, "200")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert faults_of(page, section) == []
