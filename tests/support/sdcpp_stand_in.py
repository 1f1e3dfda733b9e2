"""A child program that speaks the sdcpp engine's protocol and draws plain gradients, or misbehaves as it is told.

What it does while it loads is the order's backend, and what it does while it draws is the prompt.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

from easel.engines.sdcpp.frames import Kind, read_frame, write_frame
from easel.engines.sdcpp.messages import (
    PREVIEW_PIXEL_PX,
    STEPS,
    CancelOrder,
    DrawOrder,
    Failure,
    Hello,
    LoadOrder,
    Picture,
    Step,
    WatchOrder,
    decode,
    encode,
    encode_picture,
)

ENDLESS_S = 60.0
SLOW_STEP_S = 0.5


class StandIn:
    """One run of the program."""

    def __init__(self, manner: str) -> None:
        self.orders = sys.stdin.buffer
        self.answers = sys.stdout.buffer
        self.manner = manner
        self.cancelled: set[int] = set()
        self.watched: set[int] = set()
        self.folder = Path()

    def run(self) -> None:
        if self.manner == "missing":
            self.fail(0, "unusable", "cyllama cannot be imported (No module named 'cyllama')")
        elif self.manner != "gone":
            self.obey()

    def obey(self) -> None:
        version = "0.9.1" if self.manner == "new" else "0.7.0"
        wheels = ["cyllama", "cyllama-vulkan"] if self.manner == "twice" else ["cyllama"]
        self.send(Kind.HELLO, encode(Hello(version, wheels, [["CPU", "stand-in"]])))
        while (frame := read_frame(self.orders)) is not None:
            kind, content = frame
            if kind is Kind.LOAD:
                order = decode(LoadOrder, content)
                self.folder = Path(order.transformer).parent
                self.load(order.backend or "")
            elif kind is Kind.DRAW:
                threading.Thread(target=self.draw, args=[decode(DrawOrder, content)], daemon=True).start()
            elif kind is Kind.CANCEL:
                self.cancelled.add(decode(CancelOrder, content).number)
            elif kind is Kind.WATCH:
                self.watched.add(decode(WatchOrder, content).number)
                (self.folder / "watched").touch()
            elif kind is Kind.PING:
                self.send(Kind.PONG)

    def load(self, backend: str) -> None:
        if backend == "aborts":
            self.complain("GGML_ASSERT(n_embd == 2560) failed\n")
            os.abort()
        elif backend == "chatters":
            self.complain("blah " * 200_000 + "the last words\n")
            os._exit(3)
        elif backend == "hangs":
            time.sleep(ENDLESS_S)
        elif backend == "full":
            self.fail(0, "memory", "failed to allocate 3686 MiB")
        elif backend == "refuses":
            self.fail(0, "unusable", "model metadata validation failed")
        elif backend == "aborts-later" and (self.folder / "loaded").exists():
            os.abort()
        elif backend == "hangs-later" and (self.folder / "loaded").exists():
            time.sleep(ENDLESS_S)
        else:
            (self.folder / "loaded").touch()
            self.send(Kind.LOADED)

    def draw(self, order: DrawOrder) -> None:
        self.misbehave(order)
        for done in range(1, STEPS + 1):
            if order.prompt.startswith("is watched"):
                self.preview(order, done)
            if order.prompt == "obeys" and not self.waits_for(order.number):
                self.fail(order.number, "cancelled", "")
                return
            if order.prompt == "ignores" and done > 2:
                time.sleep(ENDLESS_S)
            self.send(Kind.STEP, encode(Step(order.number, done)))
            if order.prompt == "is watched slowly":
                time.sleep(SLOW_STEP_S)
        rgb = bytes(index * order.seed % 251 for index in range(order.width_px * order.height_px * 3))
        if order.prompt == "uniform":
            rgb = bytes(len(rgb))
        self.send(
            Kind.PICTURE, encode_picture(Picture(order.number, order.width_px, order.height_px, len(order.prompt), rgb))
        )

    def preview(self, order: DrawOrder, done: int) -> None:
        """Send a preview, plain and brighter with each step, once somebody watches."""
        give_up_s = time.monotonic() + ENDLESS_S
        while order.number not in self.watched and time.monotonic() < give_up_s:
            time.sleep(0.01)
        width_px, height_px = order.width_px // PREVIEW_PIXEL_PX, order.height_px // PREVIEW_PIXEL_PX
        if order.prompt == "is watched and lies":
            width_px, height_px = height_px, width_px
        rgb = bytes([done]) * (3 * width_px * height_px)
        self.send(Kind.PREVIEW, encode_picture(Picture(order.number, width_px, height_px, 0, rgb)))

    def waits_for(self, number: int) -> bool:
        """Whether a moment passed without a cancellation."""
        give_up_s = time.monotonic() + 0.5
        while number not in self.cancelled:
            if time.monotonic() > give_up_s:
                return True
            time.sleep(0.01)
        return False

    def misbehave(self, order: DrawOrder) -> None:
        once = self.folder / "once"
        match order.prompt:
            case "aborts":
                self.complain("ggml_abort: backtrace\n")
                os.abort()
            case "aborts once" if not once.exists():
                once.touch()
                os.abort()
            case "is killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hangs":
                time.sleep(ENDLESS_S)
            case "babbles":
                self.answers.write(b"\xff" * 100)
                self.answers.flush()
            case "boasts" | "hints":
                kind = Kind.PICTURE if order.prompt == "boasts" else Kind.PREVIEW
                self.answers.write(bytes([kind]) + b"\xff\xff\xff\xff")
                self.answers.flush()
            case "lies":
                self.send(Kind.STEP, b'{"number": 1, "done": "two"}')
            case "enlarges":
                self.send(Kind.PICTURE, encode_picture(Picture(order.number, 16, 16, 0, bytes(16 * 16 * 3))))
            case "empty" | "memory" | "failed":
                self.fail(order.number, order.prompt, "as told")
                threading.Event().wait()

    def fail(self, number: int, problem: str, words: str) -> None:
        self.send(Kind.FAILED, encode(Failure(number, problem, words)))

    def send(self, kind: Kind, content: bytes = b"") -> None:
        with contextlib.suppress(OSError):
            write_frame(self.answers, kind, content)

    def complain(self, words: str) -> None:
        sys.stderr.write(words)
        sys.stderr.flush()


if __name__ == "__main__":
    StandIn(*sys.argv[1:]).run()
