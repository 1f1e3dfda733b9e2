"""Forks this process into a child that runs a command, as if it had been started on its own.

A fork has everything imported that this process has, and shares the memory until one of them writes to it. The child
keeps the standard error, the files that it inherits, and nothing else that was open. Only a process with one thread can
be forked, and only on Linux, since libraries of macOS do not work after a fork.
"""

import asyncio
import atexit
import contextlib
import gc
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from easel.runtime import process_environment

THREAD_END_S_MAX: Final = 0.2
_STANDARD_ERROR: Final = 2
_TASKS: Final = Path("/proc/self/task")
_DESCRIPTORS: Final = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True)
class Fork:
    """A forked child: its id, the end of its standard input to write to, and that of its standard output to read."""

    pid: int
    standard_input: int
    standard_output: int


class ForkedProcess:
    """A fork that this process's event loop watches, in the way of asyncio's own `Process`."""

    def __init__(self, fork: Fork, stdout: asyncio.StreamReader, pidfd: int) -> None:
        self.pid = fork.pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._standard_input = fork.standard_input
        self._pidfd = pidfd
        self._ended = asyncio.Event()

    @classmethod
    async def of(cls, fork: Fork) -> "ForkedProcess":
        """Watch a fork until it ends."""
        loop = asyncio.get_running_loop()
        stdout = asyncio.StreamReader()
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stdout), os.fdopen(fork.standard_output, "rb", buffering=0)
        )
        process = cls(fork, stdout, os.pidfd_open(fork.pid))
        loop.add_reader(process._pidfd, process._reap)
        return process

    def send_signal(self, signal: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, signal)

    async def wait(self) -> int:
        """Wait for its end. Returns its exit status, negative if a signal ended it."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self._pidfd)
        os.close(self._standard_input)
        self._ended.set()


def is_possible() -> bool:
    """Whether this process can be forked, and can wait for its children without a thread."""
    if not sys.platform.startswith("linux") or not _has_one_thread():
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


def _has_one_thread() -> bool:
    """A thread that has been joined may take another moment to disappear."""
    give_up_s = time.monotonic() + THREAD_END_S_MAX
    while len(list(_TASKS.iterdir())) > 1:
        if time.monotonic() > give_up_s:
            return False
        time.sleep(0.001)
    return True


def fork(run: Callable[[], None], environment: Mapping[str, str], inherited: Sequence[int]) -> Fork:
    """Start a child that runs a function, in a session of its own, and exits as the interpreter would."""
    child_input, our_output = os.pipe()
    our_input, child_output = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    # Otherwise the collector would write to every object, and so copy the shared memory.
    gc.collect()
    gc.freeze()
    pid = os.fork()
    if pid == 0:
        _become(environment, inherited, child_input, child_output)
        run_and_exit(run)
    os.close(child_input)
    os.close(child_output)
    return Fork(pid, our_output, our_input)


def _become(environment: Mapping[str, str], inherited: Sequence[int], child_input: int, child_output: int) -> None:
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(child_input, 0)
    os.dup2(child_output, 1)
    for descriptor in [int(each.name) for each in _DESCRIPTORS.iterdir()]:
        if descriptor > _STANDARD_ERROR and descriptor not in inherited:
            with contextlib.suppress(OSError):  # the listed folder itself
                os.close(descriptor)
    process_environment.replace(environment)


def run_and_exit(run: Callable[[], None]) -> NoReturn:
    """Run, and exit with the status that the interpreter would end with."""
    _exit(_status_of(run))


def _status_of(run: Callable[[], None]) -> int:
    try:
        run()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
    except BaseException:  # noqa: BLE001 - what nobody caught is shown, as by the interpreter
        traceback.print_exc()
    else:
        return 0
    return 1


def _exit(status: int) -> NoReturn:
    """Exit like the interpreter, but without freeing every object, which would copy the shared memory."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
