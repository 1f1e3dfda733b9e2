"""The order of log lines, and when they are written."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from easel.runtime.log_lines import WholeLines
from easel.runtime.logs import _LineLogger


class Said:
    """A logger that writes to a pipe, and what it has written so far."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)
        self.logger = _LineLogger(WholeLines(self.writing))

    def lines(self) -> list[str]:
        try:
            return os.read(self._reading, 10_000).decode().splitlines()
        except BlockingIOError:
            return []

    def close(self) -> None:
        os.close(self._reading)
        os.close(self.writing)


@pytest.fixture
def said() -> Iterator[Said]:
    said = Said()
    yield said
    said.close()


def test_ordinary_events_are_written_at_the_end_of_the_loops_turn(said: Said) -> None:
    async def turns() -> None:
        said.logger.info("first")
        said.logger.info("second")
        assert said.lines() == []
        await asyncio.sleep(0)
        assert said.lines() == ["first", "second"]
        said.logger.info("third")

    asyncio.run(turns())
    assert said.lines() == ["third"], "the end of the loop writes what waits"


def test_an_error_is_written_at_once_after_the_events_before_it(said: Said) -> None:
    async def turn() -> None:
        said.logger.info("before")
        said.logger.error("error")
        assert said.lines() == ["before", "error"]

    asyncio.run(turn())
    assert said.lines() == []


def test_without_a_loop_and_in_other_threads_events_are_written_at_once(said: Said) -> None:
    async def turn() -> None:
        await asyncio.to_thread(said.logger.info, "in a thread")

    said.logger.info("before the loop")
    assert said.lines() == ["before the loop"]
    asyncio.run(turn())
    assert said.lines() == ["in a thread"]


def test_a_loop_that_is_closed_in_the_middle_of_a_turn_silences_no_later_one(said: Said) -> None:
    loop = asyncio.new_event_loop()
    loop.call_soon(said.logger.info, "lost or late")
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()

    async def later() -> None:
        said.logger.info("later")

    asyncio.run(later())
    assert said.lines()[-1] == "later"
