"""Ctrl-C at any moment of a command: it exits quietly with the status that shells expect."""

import contextlib
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import environment
from tests.support.data_folders import prepared_folder
from tests.support.patience import PATIENCE_S, eventually
from tests.support.running_service import Service

INTERRUPTED = 130


@contextmanager
def started(*arguments: str, options: tuple[str, ...] = (), **more: Any) -> Iterator[subprocess.Popen[str]]:
    """A running command."""
    where: dict[str, Any] = {"env": environment(), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    process = subprocess.Popen([sys.executable, *options, "-m", "easel", *arguments], text=True, **where)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("module", ["easel.runtime.process_environment", "easel", "click", "rich.progress", "httpx2"])
def test_an_interruption_during_the_start_is_quiet(module: str) -> None:
    with started("generate", "x", "--key", "k", "--url", "http://127.0.0.1:9", options=("-X", "importtime")) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.rpartition("|")[2].strip() == module:
                break
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
    assert [line for line in said.splitlines() if not line.startswith("import time:")] == []
    assert process.returncode == INTERRUPTED


@pytest.mark.parametrize("command", [("credits", "audit"), ("keys", "list"), ("audit",)], ids=" ".join)
def test_an_interruption_of_a_command_at_work_is_quiet(command: tuple[str, ...], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/x"
        env = environment(EASEL_DATABASE_URL=url, EASEL_SECRET="s" * 64, EASEL_DATA_DIR=str(tmp_path))
        with started(*command, env=env) as process:
            connection, _ = silent.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                said = process.communicate(timeout=30)
    assert said == ("", "")
    assert process.returncode == INTERRUPTED


@pytest.fixture(scope="module")
def installed() -> Iterator[dict[str, str]]:
    """The environment of commands for a data folder that has an installation."""
    with prepared_folder() as folder:
        service = Service(folder)
        service.cli("keys", "create", "--account", "first")
        yield service.environment


def test_an_interruption_at_a_question_is_quiet(installed: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    shown = b""

    def is_asked() -> bool:
        nonlocal shown
        with contextlib.suppress(BlockingIOError):
            shown += os.read(ours, 4096)
        return b"Continue?" in shown

    terminal: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    with started("secret", "reset", env=installed, **terminal) as process:
        eventually(is_asked)
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)
    is_asked()
    os.close(ours)
    os.close(theirs)
    assert b"Abort" not in shown
    assert b"Traceback" not in shown
    assert process.returncode == INTERRUPTED


def test_answering_no_is_not_an_interruption(installed: dict[str, str]) -> None:
    with started("secret", "reset", stdin=subprocess.PIPE, env=installed) as process:
        _, said = process.communicate("n\n", timeout=30)
    assert "Aborted!" in said
    assert process.returncode == 1


def test_importing_easel_does_not_change_a_programs_handling_of_interrupts() -> None:
    program = "import signal, easel; assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    assert subprocess.run([sys.executable, "-c", program], env=environment(), timeout=30).returncode == 0
