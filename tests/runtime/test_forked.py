"""Forks: children that run a function as if they had been started on their own."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")

PREPARED = """
import asyncio, os, signal, sys, time
from easel.runtime import forked, process_title
from easel.runtime.forked import ForkedProcess

async def watched(child):
    process = await ForkedProcess.of(child)
    said = (await process.stdout.read()).decode()
    return said, await process.wait()

"""


def run(program: str, *arguments: str) -> str:
    """What a program prints that may fork."""
    ran = subprocess.run(
        [sys.executable, "-c", PREPARED + program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_fork_prints_to_its_parent_and_ends_with_its_own_status() -> None:
    said = run(
        "def child():\n print('from the child', os.environ)\n sys.exit(7)\n"
        "print(asyncio.run(watched(forked.fork(child, {'ONLY': 'this'}, []))))"
    )
    assert said == "(\"from the child environ({'ONLY': 'this'})\\n\", 7)\n"


def test_an_uncaught_exception_ends_a_fork_with_status_1() -> None:
    said = run("def child():\n raise ValueError\nprint(asyncio.run(watched(forked.fork(child, {}, []))))")
    assert said == "('', 1)\n"


def test_a_fork_keeps_only_the_files_that_it_inherits(tmp_path: Path) -> None:
    said = run(
        f"kept, other = (os.open({str(tmp_path)!r}, os.O_RDONLY) for _ in range(2))\n"
        "def child():\n print(sorted(int(name) for name in os.listdir('/proc/self/fd'))[:-1] == [0, 1, 2, kept])\n"
        "print(asyncio.run(watched(forked.fork(child, {}, [kept]))))"
    )
    assert said == "('True\\n', 0)\n"


def test_the_standard_input_of_a_fork_closes_when_its_parent_is_killed(tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    run(
        f"def child():\n sys.stdin.read()\n open({str(shown)!r}, 'w').write('closed')\n"
        "forked.fork(child, {}, [])\nforked.fork(child, {}, [])\nos._exit(0)"
    )
    for _ in range(100):
        if shown.exists() and shown.read_text() == "closed":
            return
        subprocess.run(["sleep", "0.05"], check=True)
    raise AssertionError("the child did not notice")


def test_a_signal_that_its_parent_handles_ends_a_fork() -> None:
    said = run(
        "signal.signal(signal.SIGTERM, lambda *_: None)\n"
        "async def ended(child):\n process = await ForkedProcess.of(child)\n"
        " await process.stdout.readline()\n process.send_signal(signal.SIGTERM)\n return await process.wait()\n"
        "def child():\n print('ready', flush=True)\n time.sleep(60)\n"
        "print(asyncio.run(ended(forked.fork(child, {}, []))))"
    )
    assert said == "-15\n"


def test_a_process_with_two_threads_is_not_forked() -> None:
    said = run(
        "import threading\nprint(forked.is_possible())\n"
        "threading.Thread(target=time.sleep, args=[1], daemon=True).start()\nprint(forked.is_possible())"
    )
    assert said == "True\nFalse\n"


def test_a_fork_shows_its_own_arguments() -> None:
    said = run(
        "def child():\n process_title.show_arguments('serve', ['worker', '--supervised'])\n"
        " print(open('/proc/self/cmdline').read().rstrip(chr(0)).split(chr(0))[-2:])\n"
        "print(asyncio.run(watched(forked.fork(child, {}, []))))",
        "serve",
        "a-long-argument-that-makes-room",
    )
    assert said == "(\"['worker', '--supervised']\\n\", 0)\n"
