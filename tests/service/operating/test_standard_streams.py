"""Easel with closed standard streams, as some supervisors and cron jobs start it."""

import subprocess
import sys
from collections.abc import Iterator

import httpx2
import pytest

from easel.outside.postgres import private_postgres
from tests.support.data_folders import prepared_folder
from tests.support.patience import eventually
from tests.support.running_service import START_TIMEOUT_S, STOP_TIMEOUT_S, Service


@pytest.fixture(scope="module")
def idle() -> Iterator[Service]:
    """An installation whose database runs and whose service does not."""
    with prepared_folder() as folder:
        service = Service(folder)
        service.cli("keys", "create", "--account", "first")
        with private_postgres.attach(folder):
            yield service


def shell(service: Service, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", f"exec {sys.executable} -m easel {line}"],
        env=service.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-"])
def test_a_command_works_without_standard_error(idle: Service, closed: str) -> None:
    shown = shell(idle, f"credits show {closed}")
    assert shown.returncode == 0
    assert "first" in shown.stdout
    assert shell(idle, f"keys revoke 99999 {closed}").returncode == 1


def test_a_command_works_with_no_stream_at_all(idle: Service) -> None:
    assert shell(idle, "keys create --account second <&- >&- 2>&-").returncode == 0
    assert "second" in idle.cli("credits", "show").stdout


def test_a_backup_is_not_written_to_a_closed_stream(idle: Service) -> None:
    ran = shell(idle, "backup - >&-")
    assert ran.returncode == 78
    assert ran.stderr == "Error: Standard output is closed: name a file, or redirect it to a program.\n"


@pytest.mark.parametrize("command", ["credits show", "audit"])
def test_unwritable_output_is_reported_in_a_sentence(idle: Service, command: str) -> None:
    ran = shell(idle, f"{command} >/dev/full")
    assert ran.returncode == 1
    assert ran.stderr == "Error: Standard output cannot be written: No space left on device.\n"


def test_a_service_runs_with_no_stream_at_all_and_writes_no_log_elsewhere() -> None:
    with prepared_folder() as folder:
        service = Service(folder)
        line = f"exec {sys.executable} -m easel serve --port {service.port} <&- >&- 2>&-"
        running = subprocess.Popen(["/bin/sh", "-c", line], env=service.environment)
        try:
            eventually(lambda: running.poll() is not None or _is_healthy(service), START_TIMEOUT_S)
            assert running.poll() is None
            assert service.cli("credits", "show").returncode == 0
        finally:
            running.terminate()
            assert running.wait(STOP_TIMEOUT_S) == 0
        assert (folder / "serve.lock").read_bytes() == b""


def _is_healthy(service: Service) -> bool:
    try:
        return httpx2.get(f"{service.url}/readyz", trust_env=False, timeout=30).status_code == 200
    except httpx2.TransportError:
        return False
