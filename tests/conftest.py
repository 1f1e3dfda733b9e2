"""Fixtures that many tests share."""

import itertools
import signal
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

# A shell that starts pytest in the background ignores these signals for it, and children inherit that. Tests send them.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _ignored in (signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(_ignored) is signal.SIG_IGN:
        signal.signal(_ignored, signal.SIG_DFL)

SERVICE_TESTS: Final = Path(__file__).parent / "service"
_numbers = itertools.count(1)

LONG_FILES: Final = (
    "test_sdcpp_library.py", "test_zimage.py", "test_moderation_rules.py", "test_contract_fuzz.py",
    "test_faults_service.py", "test_timeouts.py", "test_faults_worker.py", "test_backup.py", "test_idempotency.py", "test_callback_faults.py",
    "test_moderation_layers.py", "test_openai_waiting.py", "test_seed.py", "test_backup_trust.py",
    "test_console_gallery.py", "test_console.py",
    "test_faults_database.py", "test_pooler.py", "test_waiting.py", "test_generate.py", "test_life_of_tasks.py", "test_private_postgres.py",
    "test_openapi_served.py", "test_events.py", "test_bench_gpu.py", "test_schema.py", "test_interruption.py",
    "test_upgrading.py", "test_callbacks.py", "test_moderation.py", "test_cancel.py", "test_s3.py", "test_fleet.py",
)  # fmt: skip
"""These start first, the longest before the others: several processes share the files, and should finish together."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--contract-requests", type=int, default=300, help="how many generated requests try the contract at least"
    )
    parser.addoption("--again", action="store_true", help="try a test of a whole service again if it fails")
    parser.addoption("--lives", type=int, default=20, help="how many lives of tasks are made up and played")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the long files first. The order of the others, and of the tests within a file, stays random.

    With `--again`, a test of a whole service that fails is tried once more. CI does so, because there dozens of
    processes share few cores. Such a test is listed at the end, and is a fault to mend.
    """
    if config.getoption("--again"):
        for item in items:
            if item.path.is_relative_to(SERVICE_TESTS):
                item.add_marker(pytest.mark.flaky(reruns=1))
    rank = {name: number for number, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: rank.get(item.path.name, len(LONG_FILES)))


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """A service shared by all tests that leave it running. Each test opens its own accounts."""
    # All tests fail to show a key from one address.
    with prepared_folder() as folder, Service(folder, auth_failures_per_minute="1000000") as running:
        yield running


@pytest.fixture(scope="session")
def two_webs() -> Iterator[Fleet]:
    """Two web processes on one database and no worker, so that tasks stay unfinished. The second is behind a proxy,
    allows some origins, and has strict limits. Each test opens its own accounts."""
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
    """A data folder for one test, with an empty database."""
    with prepared_folder() as folder:
        yield folder


@pytest.fixture
def account(service: Service) -> str:
    """An account name that no other test uses."""
    return f"account-{next(_numbers)}"


@pytest.fixture
def new_key(service: Service) -> Callable[..., str]:
    """Creates keys of the shared service, each with a new account unless one is named."""

    def make(account: str | None = None, credits: str = "100", *options: str) -> str:
        return service.new_key(account or f"account-{next(_numbers)}", credits, *options)

    return make
