"""Fixtures of the tests in a browser: one service and one Chromium for a file, a context for a test.

Playwright's loop runs while the browser does, so keys are made by the command line and not in this process.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias

import pytest
from playwright.sync_api import Browser

from tests.support.browser import Visit, browsing
from tests.support.data_folders import prepared_folder
from tests.support.running_service import Service

NewVisit: TypeAlias = Callable[..., Visit]

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def console(request: pytest.FixtureRequest) -> Iterator[Service]:
    """A service of the sketch engine. Each step takes `STEP_S` of the module, so that a browser sees it."""
    with prepared_folder() as folder:
        settings = {
            "engine": "sketch",
            "sketch_step_s": str(request.module.STEP_S),
            "auth_failures_per_minute": "1000000",
        }
        with Service(folder, **settings) as running:
            yield running


@pytest.fixture(scope="module")
def chromium(console: Service) -> Iterator[Browser]:
    """The browser. It starts after the service, whose keys are made before Playwright's loop runs."""
    with browsing() as browser:
        yield browser


@pytest.fixture
def new_key(console: Service) -> Callable[..., str]:
    """Creates keys, each with a new account unless one is named. Options are those of `easel keys create`."""

    def make(*options: str, account: str | None = None) -> str:
        return console.new_key(account or f"account-{next(_numbers)}", "100", "--name", "console", *options)

    return make


@pytest.fixture
def visit(chromium: Browser, console: Service, new_key: Callable[..., str]) -> Iterator[NewVisit]:
    """Opens pages, signed in with a new key or with the given one. None signs nobody in."""
    with ExitStack() as stack:

        def make(key: str | None = "", host: str = "127.0.0.1", **options: Any) -> Visit:
            url = f"http://{host}:{console.port}"
            return stack.enter_context(Visit(chromium, url, new_key() if key == "" else key, **options))

        yield make
