"""Fixtures that many tests share."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.running_service import Service, reachable_folder

# A busy machine is no fault; what hangs is ended by pytest's own time limit.
hypothesis.settings.register_profile("easel", deadline=None)
hypothesis.settings.load_profile("easel")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """One running service for all tests that leave it running. Each test opens accounts of its own."""
    with reachable_folder() as folder, Service(folder) as running:
        yield running


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder of this test's own."""
    with reachable_folder() as folder:
        yield folder


@pytest.fixture
def account(service: Service) -> str:
    """The name of an account that no other test has."""
    return f"account-{next(_numbers)}"


@pytest.fixture
def new_key(service: Service) -> Callable[..., str]:
    """Makes keys for the shared service, each of an account of its own unless one is named."""

    def make(account: str | None = None, credits: str = "100", *options: str) -> str:
        return service.new_key(account or f"account-{next(_numbers)}", credits, *options)

    return make
