"""The console's manners in a real browser: the keyboard alone, little motion, and nothing that jumps."""

from collections.abc import Callable
from typing import Final

import pytest
from playwright.sync_api import Page

from tests.service.browser.conftest import NewVisit
from tests.support.browser import PHONE, draw, require_chromium, wait_for_picture
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, submit

require_chromium()

STEP_S: Final = 0.8
PROMPT: Final = "a red fox and a quantum flux capacitor"
SHIFT_MAX: Final = 0.01
"""How much of the window may move by itself, as browsers count it. 0.1 passes as good."""
NOTE_SHIFTS: Final = """
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const { value, hadRecentInput, sources } of list.getEntries()) {
            const moved = sources.map(({ node }) => node?.className || node?.nodeName);
            if (!hadRecentInput) window.shifts.push([value, moved]);
        }
    }).observe({ type: "layout-shift", buffered: true });
"""
MOVING: Final = """() => document.getAnimations()
    .filter(({ effect }) => effect.getComputedTiming().activeDuration > 20)
    .map((each) => each.animationName ?? each.transitionProperty)"""


def focus_by_tab(page: Page, selector: str) -> None:
    """Press Tab until the focus is there. Fails if it does not come there."""
    for _ in range(80):
        if page.evaluate("(selector) => Boolean(document.activeElement?.matches(selector))", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {selector}")


def assert_focus_is_seen(page: Page) -> None:
    """The focused element, or what stands for it, has an outline."""
    style = "(element) => getComputedStyle(element).outlineStyle !== 'none'"
    assert page.evaluate(
        f"[document.activeElement, document.activeElement.nextElementSibling].filter(Boolean).some({style})"
    ), page.evaluate("document.activeElement.outerHTML")


def moved(page: Page) -> list[object]:
    """What has moved by itself since the page was opened, if it was too much."""
    shifts: list[tuple[float, object]] = page.evaluate("window.shifts")
    return [where for value, where in shifts if value > SHIFT_MAX]


def test_a_picture_is_drawn_cancelled_and_looked_at_with_the_keyboard_alone(
    visit: NewVisit, new_key: Callable[..., str]
) -> None:
    page = visit(None).open()
    focus_by_tab(page, "#key")
    page.keyboard.type(new_key())
    page.keyboard.press("Enter")
    page.wait_for_selector("#prompt")
    focus_by_tab(page, "#prompt")
    assert_focus_is_seen(page)
    page.keyboard.type("a castle")
    focus_by_tab(page, "input[name=size]")
    page.keyboard.press("ArrowRight")
    assert_focus_is_seen(page)
    focus_by_tab(page, "[aria-label='More pictures']")
    page.keyboard.press("Enter")
    focus_by_tab(page, ".form-send button")
    assert_focus_is_seen(page)
    page.keyboard.press("Enter")
    focus_by_tab(page, ".frame-progress button")
    page.keyboard.press("Enter")
    page.wait_for_selector(".frame-message:has-text('Cancelled')")
    focus_by_tab(page, ".strip li:nth-child(2) button")
    page.keyboard.press("Enter")
    wait_for_picture(page)
    focus_by_tab(page, "nav a[href='#/gallery']")
    page.keyboard.press("Enter")
    page.wait_for_selector(".tile .picture.is-shown")
    focus_by_tab(page, ".tile-link")
    page.keyboard.press("Enter")
    page.wait_for_selector(".task .work-prompt")
    page.keyboard.press("Escape")
    page.wait_for_selector(".tile")
    focus_by_tab(page, ".account-button")
    page.keyboard.press("Enter")
    page.wait_for_selector(":popover-open")
    page.keyboard.press("Escape")
    page.wait_for_selector(":popover-open", state="hidden")


def test_the_focus_stays_in_a_dialog_and_returns_when_it_closes(visit: NewVisit, console: Service) -> None:
    page = visit(console.new_key("operators", "1", "--scope", "admin", "--scope", "read")).open("admin/accounts")
    button = "main button:has-text('New account')"
    page.focus(button)
    page.keyboard.press("Enter")
    page.wait_for_selector("#form-name:focus")
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || document.activeElement.closest('dialog') !== null"
        )
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    page.wait_for_selector(f"{button}:focus")


def hold_orders(page: Page) -> None:
    """Let no order arrive, so that the page goes on sending it."""
    page.route("**/v1/images/generations", lambda _route: None)


def test_little_moves_for_readers_who_want_little_motion(visit: NewVisit) -> None:
    lively = visit().open()
    hold_orders(lively)
    draw(lively, PROMPT)
    lively.wait_for_function(f"() => ({MOVING})().length > 0")
    calm = visit(reduced_motion="reduce")
    waiting = calm.open()
    hold_orders(waiting)
    draw(waiting, PROMPT)
    waiting.wait_for_selector(".frame-progress")
    assert waiting.evaluate(MOVING) == []
    page = calm.tab()
    page.goto("/")
    draw(page, PROMPT)

    def shows_the_picture_at_rest() -> bool:
        assert page.evaluate(MOVING) == []
        return page.locator(".work .picture.is-shown").count() == 1

    eventually(shows_the_picture_at_rest, 120)
    page.click("nav >> text=Gallery")
    page.wait_for_selector(".tile .picture.is-shown")
    assert page.evaluate(MOVING) == []


@pytest.mark.parametrize("options", [{"viewport": {"width": 1280, "height": 800}}, PHONE], ids=["desktop", "phone"])
def test_nothing_jumps_while_views_load_and_a_picture_is_drawn(
    visit: NewVisit, console: Service, new_key: Callable[..., str], options: dict[str, object]
) -> None:
    key = new_key("--scope", "generate", "--scope", "read", "--scope", "admin")
    with console.client(key) as client:
        for task in [submit(client, prompt=prompt, size="376x512") for prompt in ("a cat", "a naked child", "a dog")]:
            finish(client, task["id"])
    visitor = visit(key, **options)
    visitor.context.add_init_script(NOTE_SHIFTS)
    page = visitor.open()
    draw(page, PROMPT)
    page.wait_for_selector(".stage-text:has-text('Step')")
    wait_for_picture(page)
    page.wait_for_selector(".work .facts")
    assert moved(page) == []
    for address, shown in (
        ("gallery", ".tile .picture.is-shown"),
        ("usage", ".chart >> nth=1"),
        ("admin", ".sums .figure:has-text('1')"),
        ("admin/accounts", ".table td"),
        ("admin/audit", ".table td"),
    ):
        page.goto(f"/#/{address}")
        page.reload()
        page.wait_for_selector(shown)
        page.wait_for_timeout(300)
        assert moved(page) == [], address
