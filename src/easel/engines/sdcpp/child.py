"""The child process of the sdcpp engine: obeys orders from its standard input, and answers on its standard output.

The library may abort, hang or exhaust memory, and then only this process ends. It ends with its parent, too. It draws
in its main thread. A second thread reads orders, so that a drawing can be cancelled, or watched from now on. Whatever
the library prints goes to the standard error, and so do its warnings.

It may run in another Python than the rest of Easel, and imports nothing but the standard library and cyllama.
"""

import contextlib
import ctypes
import os
import queue
import signal
import sys
import threading
import time
from typing import BinaryIO, Final

from easel.engines.sdcpp import library
from easel.engines.sdcpp.frames import Kind, read_frame, write_frame
from easel.engines.sdcpp.messages import (
    CANCELLED,
    EMPTY,
    FAILED,
    MEMORY,
    REASON_CHARACTERS_MAX,
    UNUSABLE,
    CancelOrder,
    DrawOrder,
    Failure,
    LoadOrder,
    Picture,
    Step,
    WatchOrder,
    decode,
    encode,
    encode_picture,
)

BEAT_INTERVAL_S: Final = 1.0
ORDERS_MAX: Final = 8
_SET_PARENT_DEATH_SIGNAL: Final = 1
_PYTHON_MIN: Final = (3, 12)


class Child:
    """One run of the process."""

    def __init__(self, orders: BinaryIO, answers: BinaryIO) -> None:
        self._orders = orders
        self._answers = answers
        self._writing = threading.Lock()
        self._waiting: queue.Queue[tuple[Kind, bytes]] = queue.Queue(ORDERS_MAX)
        self._model: library.Model | None = None
        self._drawing_number: int | None = None
        self._watched_number: int | None = None
        self._beat_at_s = 0.0

    def run(self) -> None:
        """Say hello, and obey until the orders end."""
        if sys.version_info < _PYTHON_MIN:
            return self._fail(0, UNUSABLE, f"cyllama needs Python 3.12 or later, and this is {sys.version.split()[0]}")
        try:
            greeting = library.hello()
        except (ImportError, OSError) as error:
            return self._fail(0, UNUSABLE, f"cyllama cannot be imported ({error})")
        self._send(Kind.HELLO, encode(greeting))
        threading.Thread(target=self._read, name="orders", daemon=True).start()
        while True:
            self._obey(*self._waiting.get())

    def _read(self) -> None:
        """Pass orders on to the main thread. Cancel at once, and end the process with its parent."""
        while True:
            frame = read_frame(self._orders)
            if frame is None:
                os._exit(0)
            kind, content = frame
            if kind is Kind.CANCEL:
                number = decode(CancelOrder, content).number
                if self._model is not None and self._drawing_number == number:
                    self._model.cancel()
            elif kind is Kind.WATCH:
                self._watched_number = decode(WatchOrder, content).number
                if self._model is not None and self._drawing_number == self._watched_number:
                    self._model.watch(is_watched=True)
            elif kind is Kind.PING:
                self._send(Kind.PONG)
            else:
                self._waiting.put(frame)

    def _obey(self, kind: Kind, content: bytes) -> None:
        if kind is Kind.LOAD:
            self._load(decode(LoadOrder, content))
        elif kind is Kind.DRAW:
            self._draw(decode(DrawOrder, content))

    def _load(self, order: LoadOrder) -> None:
        try:
            self._model = library.Model(order, self._beat, _complain)
            self._model.draw(library.TRIAL, lambda _done: None)
        except library.NothingDrawn:
            self._fail(0, EMPTY, "the picture that it drew to try itself out has one colour")
        except library.MemoryShort as error:
            self._fail(0, MEMORY, str(error))
        except library.LibraryFailed as error:
            self._fail(0, UNUSABLE, str(error))
        else:
            self._send(Kind.LOADED)

    def _draw(self, order: DrawOrder) -> None:
        assert self._model is not None, "LOAD comes first"
        self._model.watch(is_watched=False)
        self._drawing_number = order.number
        if self._watched_number == order.number:  # whichever thread comes second sees what the other has set
            self._model.watch(is_watched=True)
        try:
            rgb, tokens_cut = self._model.draw(order, lambda done: self._step(order.number, done), self._preview)
        except library.Cancelled:
            self._fail(order.number, CANCELLED, "")
        except library.NothingDrawn:
            self._fail(order.number, EMPTY, "the model drew one colour")
        except library.MemoryShort as error:
            self._fail(order.number, MEMORY, str(error))
        except library.LibraryFailed as error:
            self._fail(order.number, FAILED, str(error))
        else:
            picture = Picture(order.number, order.width_px, order.height_px, tokens_cut, rgb)
            self._send(Kind.PICTURE, encode_picture(picture))
        finally:
            self._drawing_number = None

    def _step(self, number: int, done: int) -> None:
        self._send(Kind.STEP, encode(Step(number, done)))

    def _preview(self, width_px: int, height_px: int, rgb: bytes) -> None:
        if self._drawing_number is not None:
            self._send(Kind.PREVIEW, encode_picture(Picture(self._drawing_number, width_px, height_px, 0, rgb)))

    def _beat(self) -> None:
        now_s = time.monotonic()
        if now_s - self._beat_at_s >= BEAT_INTERVAL_S:
            self._beat_at_s = now_s
            self._send(Kind.BEAT)

    def _fail(self, number: int, problem: str, words: str) -> None:
        self._send(Kind.FAILED, encode(Failure(number, problem, words[:REASON_CHARACTERS_MAX])))

    def _send(self, kind: Kind, content: bytes = b"") -> None:
        try:
            with self._writing:
                write_frame(self._answers, kind, content)
        except OSError:  # the parent has gone
            os._exit(0)


def _complain(words: str) -> None:
    sys.stderr.write(words if words.endswith("\n") else words + "\n")
    sys.stderr.flush()


def end_with_parent() -> None:
    """On Linux, die when the parent does, also while the library holds Python's lock and no order can be read."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def main() -> None:
    """Take the pipes for frames, and leave none of them to what the library prints."""
    end_with_parent()
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    Child(orders, answers).run()
