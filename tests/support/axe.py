"""axe-core, which finds what keeps people with disabilities from using a page."""

from typing import Final, Literal

from playwright.sync_api import Page

from tests.support.paths import DATA

AXE: Final = (DATA / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
RULES_OF_COLOURS: Final = ["color-contrast", "link-in-text-block"]


def faults_of(page: Page, within: str = "html") -> list[str]:
    """What axe-core finds within an element of a page in both themes: the rule, and the element."""
    if not page.evaluate("window.axe !== undefined"):
        page.evaluate(AXE)
    found = []
    themes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for theme in themes:
        page.emulate_media(color_scheme=theme)
        options = {} if theme == "light" else {"runOnly": RULES_OF_COLOURS}
        page.wait_for_timeout(300)  # what appears or changes its colour is not faint any more
        found += page.evaluate(
            "([within, options]) => axe.run(within, options).then(({violations}) => violations)", [within, options]
        )
    return [f"{each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"]]
