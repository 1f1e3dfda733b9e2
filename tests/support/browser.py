"""A real browser for tests of the console: a Chromium of the system, driven by Playwright.

Playwright's own browsers are not used, so that nothing is downloaded. A `Visit` is a page in a context of its own,
which notes whatever must happen on no page: an error in the browser's console, a violation of the page's policy, an
exception, a question of the browser, and a request to another origin.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, Self
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request, sync_playwright

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE: Final[dict[str, Any]] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
OTHER_HOST: Final = "easel.test"
"""A name of this machine that browsers do not trust as they trust 127.0.0.1, like that of another machine."""
_TIMEOUT_MS: Final = 30_000


class Visit:
    """A page, signed in with a key if one is given. Further tabs share its session."""

    def __init__(self, browser: Browser, url: str, key: str | None = None, **options: Any) -> None:
        self.url = url
        self.faults: list[str] = []
        self.expected: tuple[str, ...] = ()
        """Parts of the faults that the test provokes."""
        self.context: BrowserContext = browser.new_context(base_url=url, **{"locale": "en-US", **options})
        self.context.set_default_timeout(_TIMEOUT_MS)
        if key is not None:
            answer = self.context.request.post("/console/session", data={"key": key}, headers={"origin": url})
            assert answer.ok, answer.text()
        self.page = self.tab()

    def tab(self) -> Page:
        """Another tab of the same browser."""
        page = self.context.new_page()
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        page.on("dialog", self._on_dialog)
        page.on("request", self._on_request)
        return page

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"console: {message.text} {message.location.get('url', '')}")

    def _on_dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_request(self, request: Request) -> None:
        if request.url.startswith("blob:"):
            return
        if urlsplit(request.url)[:2] != urlsplit(self.url)[:2]:
            self.faults.append(f"another origin: {request.url}")

    def open(self, address: str = "") -> Page:
        """Open a view of the console by its address, such as `gallery`, and wait until it is there."""
        self.page.goto(f"/#/{address}")
        self.page.wait_for_selector("h1")
        return self.page

    def close(self) -> None:
        """Close the context. Fails if something happened that must not."""
        self.context.close()
        unexpected = [fault for fault in self.faults if not any(part in fault for part in self.expected)]
        assert unexpected == []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.context.close()


def require_chromium() -> None:
    """Skip the file that calls this while it is loaded, if there is no Chromium. All files together get one line."""
    if CHROMIUM is None:
        pytest.skip(
            "no Chromium, so the console was not tried in a browser: apt-get install chromium", allow_module_level=True
        )


@contextmanager
def browsing() -> Iterator[Browser]:
    """A running Chromium, without a window."""
    assert CHROMIUM is not None
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        # Chromium's own sandbox does not work for root, and in many containers.
        arguments = ["--no-sandbox", f"--host-resolver-rules=MAP {OTHER_HOST} 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        stack.callback(browser.close)
        yield browser


def draw(page: Page, prompt: str) -> None:
    """Fill in the prompt and press the keys that draw."""
    page.fill("#prompt", prompt)
    page.press("#prompt", "Control+Enter")


def wait_for_picture(page: Page) -> None:
    """Wait until the stage shows a finished picture."""
    page.wait_for_selector(".work .picture.is-shown")
