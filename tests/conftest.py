"""Fixtures that many tests share."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import hypothesis
import pytest

from tests.support.data_folders import prepared_folder
from tests.support.running_fleet import Fleet
from tests.support.running_service import Service

# A busy machine is no fault; what hangs is ended by pytest's own time limit.
hypothesis.settings.register_profile("easel", deadline=None)
hypothesis.settings.load_profile("easel")

_numbers = itertools.count(1)

LONG_FILES: Final = frozenset({
    "test_zimage.py", "test_contract_fuzz.py", "test_life_of_tasks.py", "test_faults_service.py", "test_faults_worker.py",
    "test_faults_database.py", "test_backup.py", "test_timeouts.py", "test_openai_waiting.py", "test_seed.py",
    "test_events.py", "test_callback_faults.py", "test_callbacks.py", "test_idempotency.py", "test_cancel.py",
    "test_nano_training.py", "test_bench_gpu.py",
})  # fmt: skip
"""What takes longest is begun first: several processes share the files, and none should end long after the others."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--contract-requests", type=int, default=800, help="how many generated requests try the contract at least"
    )
    parser.addoption("--lives", type=int, default=20, help="how many lives of tasks are made up and played")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first, in whatever order they are; and so the others."""
    items.sort(key=lambda item: item.path.name not in LONG_FILES)


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """One running service for all tests that leave it running. Each test opens accounts of its own."""
    # All tests fail to show a key from one address.
    with prepared_folder() as folder, Service(folder, auth_failures_per_minute="1000000") as running:
        yield running


@pytest.fixture(scope="session")
def two_webs() -> Iterator[Fleet]:
    """Two web processes on one database and no worker, so that tasks stay unfinished. The second stands behind a proxy,
    serves a page, and is strict. Each test opens accounts of its own."""
    strict = {
        "reads_per_minute": "40",
        "auth_failures_per_minute": "20",
        "streams_per_key": "5",
        "streams_per_address": "7",
    }
    behind = {
        "trusted_proxies": "127.0.0.1, 10.0.0.0/8, ::1",
        "cors_origins": "https://app.test, http://localhost:5173",
    }
    with prepared_folder() as folder, Fleet(folder, webs=[{}, strict | behind]) as running:
        yield running


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder of this test's own, with an empty database."""
    with prepared_folder() as folder:
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
