"""A picture from whichever of several image servers can draw it.

The least busy server draws. If it fails, the others try within the same draw, and it is left alone for a while. Only
what the order itself is to blame for is not tried elsewhere. Servers that failed for a moment are tried again, up to
four times with pauses; after a draw that came too late, one other server is tried.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog

from easel.engines.engine import Drawing, Pixels
from easel.engines.remote.answers import Blame, Fault, TooLate
from easel.engines.remote.exchange import ATTEMPTS_MAX, BACK_OFF_S, BEAT_S, RETRY_AFTER_S_MAX, run
from easel.engines.remote.pictures import drawn_picture
from easel.engines.remote.rotation import News, Rotation, Verdict
from easel.engines.remote.server import ImageServer

log = structlog.get_logger(__name__)

LATE_MAX: Final = 2
"""How many servers a draw may wait for until their deadline."""
_VERDICTS: Final = {Blame.SERVER: Verdict.FAILED, Blame.LOAD: Verdict.BUSY}


class Servers:
    """Several image servers that share the draws of one worker. Any number of threads may draw."""

    def __init__(
        self, servers: Sequence[ImageServer], places: int, on_first_answer: Callable[[ImageServer], None]
    ) -> None:
        self._servers = servers
        self._rotation = Rotation(len(servers), places)
        self._on_first_answer = on_first_answer
        self._changed = threading.Condition()
        """Guards what is below and the rotation, and wakes draws that wait for a place."""
        self._unheard = set(range(len(servers)))

    def draw(self, drawing: Drawing, on_beat: Callable[[], None]) -> Pixels:
        """The picture, or the Fault of the last server that was tried. Raises what `on_beat` raises."""
        if len(self._servers) == 1:
            pixels = _picture(self._servers[0], drawing, on_beat, ATTEMPTS_MAX)
            self._heard(0)
            return pixels
        open_to = set(range(len(self._servers)))
        for attempt in range(1, ATTEMPTS_MAX):
            faults = self._round(open_to, drawing, on_beat)
            if isinstance(faults, Pixels):
                return faults
            open_to = {index for index, fault in faults.items() if fault.is_temporary}
            if not open_to:
                raise list(faults.values())[-1]
            run(asyncio.sleep(_pause_s([faults[index] for index in open_to], attempt)), on_beat)
        last = self._round(open_to, drawing, on_beat)
        if isinstance(last, Pixels):
            return last
        raise list(last.values())[-1]

    def in_use(self) -> dict[str, bool]:
        """Each server's address, and whether it gets draws now. A single server always does."""
        now_s = time.monotonic()
        with self._changed:
            return {server.url: not self._rotation.rest_s(index, now_s) for index, server in enumerate(self._servers)}

    def was_looked_for(self, index: int, *, answers: bool) -> None:
        """Take note of whether a server answered when it was looked for."""
        if answers:
            self._heard(index)
        elif len(self._servers) > 1:
            self._judge(index, Verdict.FAILED, None)

    def _round(
        self, open_to: Collection[int], drawing: Drawing, on_beat: Callable[[], None]
    ) -> Pixels | dict[int, Fault]:
        """Let one server after another try. Returns the picture, or why each has none. Raises a Fault that no other
        server would mend."""
        untried = set(open_to)
        faults: dict[int, Fault] = {}
        while untried:
            index = self._take(untried, on_beat)
            untried.discard(index)
            try:
                return self._try(index, drawing, on_beat)
            except Fault as fault:
                faults[index] = fault
                late = sum(isinstance(each, TooLate) for each in faults.values())
                if fault.blame is Blame.ORDER or late == LATE_MAX:
                    raise
                if untried:
                    log.warning("remote_draw_moved", server=fault.server, code=fault.code, hint=fault.hint)
        return faults

    def _try(self, index: int, drawing: Drawing, on_beat: Callable[[], None]) -> Pixels:
        """Let the server draw that a place was taken at, and give the place back."""
        with self._given_back(index):
            try:
                pixels = _picture(self._servers[index], drawing, on_beat, attempts_max=1)
            except Fault as fault:
                fault.server = self._servers[index].url
                self._judge(index, _VERDICTS.get(fault.blame, Verdict.NOTHING), fault.retry_after_s)
                raise
            self._judge(index, Verdict.DREW, None)
            self._heard(index)
            return pixels

    def _take(self, untried: Collection[int], on_beat: Callable[[], None]) -> int:
        """Choose a server, wait for a place there, and take it."""
        while True:
            with self._changed:
                index = self._rotation.choose(untried, time.monotonic())
                if index is not None:
                    self._rotation.begin(index)
                    return index
                self._changed.wait(BEAT_S)
            on_beat()

    @contextmanager
    def _given_back(self, index: int) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                self._rotation.end(index)
                self._changed.notify_all()

    def _heard(self, index: int) -> None:
        with self._changed:
            is_first = index in self._unheard
            self._unheard.discard(index)
        if is_first:
            self._on_first_answer(self._servers[index])

    def _judge(self, index: int, verdict: Verdict, rest_s: float | None) -> None:
        asked_s = None if rest_s is None else min(rest_s, RETRY_AFTER_S_MAX)
        with self._changed:
            news = self._rotation.judge(index, verdict, time.monotonic(), asked_s)
            left_alone_s = self._rotation.rest_s(index, time.monotonic())
        if news is News.LEFT_ALONE:
            log.warning("remote_server_paused", server=self._servers[index].url, seconds=round(left_alone_s, 1))
        if news is News.BACK:
            log.info("remote_server_resumed", server=self._servers[index].url)


def _picture(server: ImageServer, drawing: Drawing, on_beat: Callable[[], None], attempts_max: int) -> Pixels:
    return drawn_picture(server.file(drawing, on_beat, attempts_max), drawing)


def _pause_s(faults: Sequence[Fault], attempt: int) -> float:
    """How long to wait before these servers are tried again: until the first of them may be back."""
    backed_off_s = BACK_OFF_S[attempt - 1] * random.uniform(0.5, 1.5)  # noqa: S311 - no secret depends on it
    asked_s = [backed_off_s if fault.retry_after_s is None else fault.retry_after_s for fault in faults]
    return min(RETRY_AFTER_S_MAX, *asked_s)
