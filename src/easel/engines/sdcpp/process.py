"""The parent's side of the child process: starts it, exchanges frames with it, and keeps its last words.

A child that ends, or sends what is no frame, raises ChildDied. It is not restarted here.
"""

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import easel
from easel.engines.sdcpp.frames import FrameWrong, Kind, read_frame, write_frame
from easel.runtime import process_environment

LAST_WORDS_BYTES_MAX: Final = 2000
FRAMES_WAITING_MAX: Final = 64
END_TIMEOUT_S: Final = 5.0
ASK_INTERVAL_S: Final = 0.2
PRIVATE_VARIABLES: Final = ("EASEL_", "PG", "AWS_", "AZURE_", "GOOGLE_", "OTEL_", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Easel's settings, and the credentials of its database, its pictures and its traces, are none of the library's
business."""

_START: Final = (
    "import sys, types; easel = types.ModuleType('easel'); easel.__path__ = [sys.argv.pop(1)]; "
    "sys.modules['easel'] = easel; from easel.engines.sdcpp.child import main; main()"
)
"""The package without what its own module imports: another Python may not have it."""


class ChildDied(Exception):
    """The child has ended or cannot be understood. `signal` is the number of the signal that ended it, unless this
    process sent it."""

    def __init__(self, words: str, signal: int | None = None) -> None:
        super().__init__(words)
        self.signal = signal


def program(python: Path | None = None) -> tuple[str, ...]:
    """The command that starts the child, in this Python or another one that has cyllama."""
    return (sys.executable if python is None else str(python), "-P", "-c", _START, str(Path(easel.__file__).parent))


class ChildProcess:
    """A running child. Frames are received by one thread at a time."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it. Raises OSError if there is no such program."""
        environment = {
            name: text
            for name, text in process_environment.copy().items()
            if not name.upper().startswith(PRIVATE_VARIABLES)
        }
        self._process = subprocess.Popen(  # noqa: S603 - our own program, in a Python that the operator names
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the parent, which ends the child
        )
        self._frames: queue.Queue[tuple[Kind, bytes] | FrameWrong | None] = queue.Queue(FRAMES_WAITING_MAX)
        self._last_words = b""
        self._is_ended = False
        self._threads = [
            threading.Thread(target=target, name=f"sdcpp-{name}", daemon=True)
            for name, target in (("frames", self._read_frames), ("words", self._read_words))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def send(self, kind: Kind, content: bytes = b"") -> None:
        """Send a frame. Raises ChildDied."""
        assert self._process.stdin is not None
        try:
            write_frame(self._process.stdin, kind, content)
        except OSError:
            raise self._died("it takes no more orders") from None

    def receive(self, timeout_s: float) -> tuple[Kind, bytes] | None:
        """The next frame, or None if none arrives in time. Raises ChildDied."""
        try:
            frame = self._frames.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(frame, FrameWrong):
            raise self._died(str(frame))
        if frame is None:
            raise self._died("it ended")
        return frame

    def frames(self, silence_max_s: float, ask: Callable[[], None]) -> Iterator[tuple[Kind, bytes]]:
        """The frames that arrive. Calls `ask` again and again meanwhile, which may raise.

        Raises ChildDied, also if the child is silent for `silence_max_s`. It is ended then.
        """
        heard_at_s = time.monotonic()
        while True:
            frame = self.receive(ASK_INTERVAL_S)
            if frame is not None:
                heard_at_s = time.monotonic()
                yield frame
            elif time.monotonic() - heard_at_s > silence_max_s:
                self.end()
                raise ChildDied(f"it showed no sign of life for {silence_max_s:g} seconds")
            ask()

    def end(self) -> None:
        """End it at once, and release what belongs to it. It may have ended already."""
        if self._is_ended:
            return
        self._is_ended = True
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_TIMEOUT_S)
        self._drain()
        for thread in self._threads:
            thread.join(END_TIMEOUT_S)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()

    def _drain(self) -> None:
        """Let the reading thread finish, which may wait for room."""
        give_up_s = time.monotonic() + END_TIMEOUT_S
        while self._threads[0].is_alive() and time.monotonic() < give_up_s:
            with contextlib.suppress(queue.Empty):
                self._frames.get(timeout=0.02)

    def _died(self, how: str) -> ChildDied:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        status = self._process.returncode
        self.end()
        words = " ".join(self._last_words.decode(errors="replace").split())[-LAST_WORDS_BYTES_MAX:]
        said = f"; it said: {words}" if words else ""
        if status is None:
            return ChildDied(f"{how}{said}")
        if status < 0:
            return ChildDied(f"signal {-status} ended it{said}", -status)
        return ChildDied(f"it ended with status {status}{said}")

    def _read_frames(self) -> None:
        assert self._process.stdout is not None
        while True:
            try:
                frame = read_frame(self._process.stdout)
            except (OSError, ValueError):
                frame = None
            except FrameWrong as wrong:
                self._frames.put(wrong)
                return
            self._frames.put(frame)
            if frame is None:
                return

    def _read_words(self) -> None:
        """Keep the end of what it prints, so that the pipe never fills."""
        assert self._process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while part := os.read(self._process.stderr.fileno(), LAST_WORDS_BYTES_MAX):
                self._last_words = (self._last_words + part)[-LAST_WORDS_BYTES_MAX:]
