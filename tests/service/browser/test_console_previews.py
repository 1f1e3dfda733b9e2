"""The picture forming in the console, in a real browser."""

from typing import Final

import pytest
from playwright.sync_api import Page

from tests.service.browser.conftest import NewVisit
from tests.support.axe import faults_of
from tests.support.browser import draw, require_chromium, wait_for_picture
from tests.support.running_service import Service

require_chromium()

STEP_S: Final = 0.6
PROMPT: Final = "a red fox in a snowy forest at night"
IS_UNDER_THE_PICTURE: Final = """() => {
    const [preview, picture] = [".preview", ".picture"].map((name) => document.querySelector(`.frame ${name}`));
    return !preview || !picture || preview.compareDocumentPosition(picture) === Node.DOCUMENT_POSITION_FOLLOWING;
}"""


def wait_for_preview(page: Page) -> None:
    page.wait_for_selector(".work .preview")


def test_the_picture_forms_before_it_is_finished_and_gives_way_to_it(visit: NewVisit) -> None:
    page = visit().open()
    draw(page, PROMPT)
    wait_for_preview(page)
    assert page.locator(".work .picture").count() == 0
    first = str(page.get_attribute(".work .preview", "src"))
    assert first.startswith("blob:")
    page.wait_for_function("(first) => document.querySelector('.work .preview')?.src !== first", arg=first)
    assert "Step" in page.inner_text(".work .stage-text")
    assert page.evaluate("document.querySelector('.work .preview').naturalWidth") == 256
    wait_for_picture(page)
    assert page.evaluate(IS_UNDER_THE_PICTURE)
    page.wait_for_selector(".work .preview", state="detached")


def test_a_drawing_that_can_be_seen_forming_is_cancelled(visit: NewVisit) -> None:
    page = visit().open()
    draw(page, PROMPT)
    wait_for_preview(page)
    page.click(".frame-progress button")
    page.wait_for_selector(".frame-message:has-text('Cancelled')")
    assert page.locator(".preview").count() == 0


def test_a_reload_in_the_middle_shows_the_picture_forming_again(visit: NewVisit) -> None:
    page = visit(reduced_motion="reduce").open()
    draw(page, PROMPT)
    wait_for_preview(page)
    page.reload()
    wait_for_preview(page)
    wait_for_picture(page)
    page.wait_for_selector(".work .preview", state="detached")


@pytest.mark.parametrize("width_px", [1280, 390])
def test_axe_finds_nothing_while_the_picture_forms(visit: NewVisit, console: Service, width_px: int) -> None:
    page = visit(viewport={"width": width_px, "height": 800}).open()
    draw(page, PROMPT)
    wait_for_preview(page)
    assert faults_of(page) == []
