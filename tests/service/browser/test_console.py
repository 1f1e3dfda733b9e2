"""The console in a real browser, from the first visit to pictures, and what it does when something goes wrong."""

import json
from collections.abc import Callable
from typing import Any, Final

from playwright.sync_api import Page, Route

from tests.service.browser.conftest import NewVisit
from tests.support.browser import OTHER_HOST, draw, require_chromium, wait_for_picture
from tests.support.running_service import Service

require_chromium()

STEP_S: Final = 0.35
PROMPT: Final = "a red fox and a quantum flux capacitor"
MARKUP: Final = (
    "<script>alert(1)</script> a cat",
    "<img src=x onerror=alert(1)> a cat",
    "\"><svg onload=alert(1)> '><b>bold</b> a cat",
    "javascript:alert(1)// ${alert(1)} {{7*7}} a cat",
    "&lt;i&gt; &amp; </textarea><iframe srcdoc='<script>alert(1)</script>'> a cat",
    "\u202ea cat\u202c ]]> --> <!-- <style>*{display:none}</style>",
)


def text_of(page: Page, selector: str) -> str:
    page.wait_for_selector(selector)
    return str(page.inner_text(selector))


def tasks_of(console: Service, key: str) -> list[dict[str, Any]]:
    with console.client(key) as client:
        tasks: list[dict[str, Any]] = client.get("/v1/tasks").json()["data"]
    return tasks


def test_a_first_visitor_signs_in_with_a_key_and_draws_a_picture(visit: NewVisit, new_key: Callable[..., str]) -> None:
    key = new_key()
    page = (first := visit(None)).open()
    page.fill("#key", key)
    page.click("text=Sign in >> nth=-1")
    draw(page, PROMPT)
    page.wait_for_selector(".stage-text:has-text('Step')")
    wait_for_picture(page)
    assert "1024 × 1024" in text_of(page, ".work .facts")
    assert "capacitor" in text_of(page, ".not-drawn")
    assert text_of(page, ".credits") == "99.974 credits"
    stored = page.evaluate("JSON.stringify([localStorage, sessionStorage, location.href, document.cookie])")
    assert key[12:] not in stored
    [cookie] = first.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"


def test_the_page_works_over_plain_http_from_another_machine(visit: NewVisit, new_key: Callable[..., str]) -> None:
    page = visit(None, host=OTHER_HOST).open()
    assert not page.evaluate("isSecureContext")
    page.fill("#key", new_key())
    page.press("#key", "Enter")
    draw(page, "a cat")
    page.wait_for_selector(".stage-text:has-text('Step')")
    wait_for_picture(page)
    page.click("text=Copy link")
    page.wait_for_selector(".notice:has-text('The link is copied. It works for 1 day.')")


def test_a_second_drawing_begins_while_the_first_goes_on(visit: NewVisit) -> None:
    page = visit().open()
    draw(page, "a castle")
    page.wait_for_selector(".stage-text:has-text('Step')")
    draw(page, "a cat")
    page.wait_for_selector(".strip li:nth-child(2) .bar")
    wait_for_picture(page)
    page.wait_for_selector(".strip li:nth-child(2) img")
    page.click(".strip li:nth-child(2) button")
    page.wait_for_selector(".work-prompt:has-text('a castle')")


def test_a_wrong_key_is_refused_in_plain_words(visit: NewVisit) -> None:
    visitor = visit(None)
    visitor.expected = ("401",)
    page = visitor.open()
    page.fill("#key", "sk-easel-" + "0" * 38)
    page.press("#key", "Enter")
    page.wait_for_selector("#key-fault:has-text('This key does not work')")


def test_a_one_time_link_signs_in_once_and_leaves_no_trace(visit: NewVisit, console: Service) -> None:
    console.new_key("linked", "5", "--name", "linked")
    link = next(
        word for word in console.cli("console", "--account", "linked").stdout.split() if "#/signin?link=" in word
    )
    token = link.split("link=")[1]
    page = visit(None).page
    page.goto(link)
    page.wait_for_selector("#prompt")
    assert token not in page.url
    page.go_back()
    assert token not in page.url
    second = visit(None)
    second.expected = ("401",)
    second.page.goto(link)
    second.page.wait_for_selector("#key-fault:has-text('This link does not work any more')")


def test_a_drawing_is_cancelled(visit: NewVisit) -> None:
    page = visit().open()
    draw(page, "a castle")
    page.click(".frame-progress button")
    page.wait_for_selector(".frame-message:has-text('Cancelled')")
    page.wait_for_selector(".credits:has-text('100 credits')")


def test_a_refusal_by_moderation_is_shown_in_plain_words(visit: NewVisit) -> None:
    page = visit().open()
    draw(page, "a naked child")
    message = text_of(page, ".frame-message")
    assert "Moderation refused" in message
    assert "not charged" in message
    page.click("nav >> text=Gallery")
    assert "Moderation refused" in text_of(page, ".tile-note")


def test_a_reload_in_the_middle_of_a_drawing_finds_it_again(
    visit: NewVisit, console: Service, new_key: Callable[..., str]
) -> None:
    key = new_key()
    page = visit(key).open()
    draw(page, PROMPT)
    page.wait_for_selector(".stage-text:has-text('Step')")
    page.reload()
    assert text_of(page, ".work-prompt") == PROMPT
    assert page.input_value("#prompt") == PROMPT
    wait_for_picture(page)
    page.reload()
    wait_for_picture(page)
    assert len(tasks_of(console, key)) == 1


def test_an_order_whose_answer_was_lost_is_sent_again_and_drawn_once(
    visit: NewVisit, console: Service, new_key: Callable[..., str]
) -> None:
    key = new_key()
    visitor = visit(key)
    visitor.expected = ("ERR_FAILED",)
    page = visitor.open()
    arrived: list[int] = []

    def lose_the_answer(route: Route) -> None:
        arrived.append(route.fetch().status)
        route.abort()

    page.route("**/v1/images/generations", lose_the_answer, times=1)
    draw(page, PROMPT)
    wait_for_picture(page)
    assert arrived == [200]
    assert len(tasks_of(console, key)) == 1


def test_two_tabs_do_not_disturb_each_other(visit: NewVisit) -> None:
    visitor = visit()
    first = visitor.open()
    second = visitor.tab()
    second.goto("/")
    draw(first, "a blue whale")
    draw(second, "a green frog")
    wait_for_picture(first)
    wait_for_picture(second)
    assert text_of(first, ".work-prompt") == first.input_value("#prompt") == "a blue whale"
    assert text_of(second, ".work-prompt") == second.input_value("#prompt") == "a green frog"
    second.click(".account-button")
    second.click("text=Sign out")
    second.wait_for_selector("#key")
    first.wait_for_selector("#key")


def test_several_pictures_have_the_seeds_that_were_asked_for(visit: NewVisit) -> None:
    page = visit().open()
    page.fill("#seed", "2147483647")
    page.click("[aria-label='More pictures']")
    page.check("input[value='2:1']")
    draw(page, "a cat")
    wait_for_picture(page)
    assert "2147483647" in text_of(page, ".work .facts")
    page.click(".strip li:nth-child(2) button")
    page.wait_for_selector(".work .facts:has-text('1440 × 720')")
    assert page.inner_text(".work .facts dd .figure") == "1"


def test_a_picture_is_drawn_again_varied_and_used_as_a_new_prompt(visit: NewVisit) -> None:
    page = visit().open()
    draw(page, "a cat")
    wait_for_picture(page)
    seed = page.inner_text(".work .facts .figure")
    with page.expect_download() as download:
        page.click("text=Download")
    assert download.value.suggested_filename == f"a-cat-{seed}.webp"
    page.click("text=Draw again")
    page.wait_for_selector(".work .frame-progress")
    wait_for_picture(page)
    assert page.inner_text(".work .facts .figure") == seed
    page.fill("#prompt", "another")
    page.click("text=Use as prompt")
    assert page.input_value("#prompt") == "a cat"
    assert page.input_value("#seed") == seed
    page.click("text=Vary")
    page.wait_for_selector(".strip li:nth-child(4)")
    wait_for_picture(page)
    assert page.inner_text(".work .facts .figure") != seed


def test_an_expired_link_is_shown_and_renewed(visit: NewVisit) -> None:
    visitor = visit()
    visitor.page.clock.install()
    page = visitor.open()
    draw(page, "a cat")
    wait_for_picture(page)
    assert "works for" in text_of(page, ".work .facts")
    page.click("nav >> text=Gallery")
    assert "link:" in text_of(page, ".tile-facts")
    page.clock.fast_forward("26:00:00")
    page.wait_for_selector(".tile-facts:has-text('has expired')")
    page.click(".tile-link")
    page.click("text=Get a fresh link")
    page.wait_for_selector(".notice:has-text('fresh')")


def test_a_picture_that_does_not_come_is_asked_for_again(visit: NewVisit) -> None:
    visitor = visit()
    visitor.expected = ("410",)
    page = visitor.open()
    page.route("**/pictures/**", lambda route: route.fulfill(status=410, body=""), times=3)
    draw(page, "a cat")
    page.click(".frame-message:has-text('cannot be loaded') >> text=Try again")
    page.click(".frame-message:has-text('cannot be loaded') >> text=Try again")
    wait_for_picture(page)


def test_a_key_that_may_not_draw_or_not_see_is_told_so(visit: NewVisit, new_key: Callable[..., str]) -> None:
    page = visit(new_key("--scope", "read")).open()
    page.fill("#prompt", "a cat")
    assert "not draw" in text_of(page, ".form-send .hint")
    assert page.is_disabled(".form-send button")
    page = visit(new_key("--scope", "generate")).open("gallery")
    assert "not see tasks" in text_of(page, ".empty")


def test_a_key_that_is_revoked_ends_the_session_at_once(visit: NewVisit, console: Service) -> None:
    made = json.loads(console.cli("keys", "create", "--account", "revoked", "--credits", "1", "--json").stdout)
    visitor = visit(made["key"])
    visitor.expected = ("401",)
    page = visitor.open()
    draw(page, PROMPT)
    page.wait_for_selector(".stage-text:has-text('Step')")
    console.cli("keys", "revoke", str(made["id"]))
    page.wait_for_selector("#key-fault:has-text('revoked')")


def test_a_lost_connection_is_told_and_found_again(visit: NewVisit) -> None:
    visitor = visit()
    visitor.expected = ("ERR_INTERNET_DISCONNECTED",)
    page = visitor.open()
    draw(page, PROMPT)
    page.wait_for_selector(".stage-text:has-text('Step')")
    visitor.context.set_offline(True)
    page.click("text=Cancel")
    page.wait_for_selector("[role=alert]:has-text('connection is lost')")
    visitor.context.set_offline(False)
    page.wait_for_selector(".notice:has-text('connection is back')")
    page.wait_for_selector(".work .picture.is-shown, .frame-message:has-text('Cancelled')")


def test_prompts_are_text_and_never_markup(visit: NewVisit, console: Service, new_key: Callable[..., str]) -> None:
    key = new_key()
    with console.client(key) as client:
        orders = [{"model": "z-image-turbo", "prompt": prompt, "size": "376x376"} for prompt in MARKUP]
        tasks = [client.post("/v1/images/generations", json=order).json()["id"] for order in orders]
    visitor = visit(key)
    page = visitor.open("gallery")
    page.wait_for_selector(".tile .picture.is-shown")
    assert page.locator(".tile-prompt").all_text_contents() == list(reversed(MARKUP))
    for task, prompt in zip(tasks, MARKUP, strict=True):
        page.goto(f"/#/task/{task}")
        page.wait_for_selector(".task .work-prompt")
        assert page.text_content(".work-prompt") == prompt
        page.click("text=Use as prompt")
        page.goto("/#/code")
        for language in ("curl", "python", "javascript", "openai"):
            page.check(f"input[value={language}]")
            assert "a cat" in text_of(page, ".listing")
        assert page.locator("#app :is(script, iframe, b, style, [onerror], [onload])").count() == 0
