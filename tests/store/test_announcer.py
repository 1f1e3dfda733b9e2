"""Announcements go out together and after their commits, and never hold up what they announce."""

import asyncio
from collections.abc import Sequence

from easel.store.announcer import Announcement, Announcer
from easel.store.database import DatabaseUnavailable
from tests.support.patience import eventually

FIRST, SECOND, THIRD = (("changes", name) for name in "abc")


class Sent:
    """What was sent, statement by statement. Each waits until it is `let_go`."""

    def __init__(self) -> None:
        self.statements: list[list[Announcement]] = []
        self.let_go = asyncio.Event()
        self.fails = False

    async def send(self, announcements: Sequence[Announcement]) -> None:
        await self.let_go.wait()
        self.statements.append(list(announcements))
        if self.fails:
            raise DatabaseUnavailable("away")


def test_what_is_announced_while_a_statement_is_under_way_goes_out_together_and_once() -> None:
    async def run() -> None:
        sent = Sent()
        announcer = Announcer(sent.send)
        announcer.announce(FIRST)
        await asyncio.sleep(0)
        for announcement in (SECOND, THIRD, SECOND):
            announcer.announce(announcement)
        sent.let_go.set()
        await announcer.close()
        assert sent.statements == [[FIRST], [SECOND, THIRD]]

    asyncio.run(run())


def test_an_announcement_that_is_not_urgent_is_sent_once_with_an_urgent_one_that_says_the_same() -> None:
    async def run() -> None:
        sent = Sent()
        sent.let_go.set()
        announcer = Announcer(sent.send)
        announcer.announce_later(FIRST)
        announcer.announce_later(SECOND)
        announcer.announce(FIRST)
        for _ in range(1000):  # but not as long as it takes until the other one is due
            if not sent.statements:
                await asyncio.sleep(0)
        assert sent.statements == [[FIRST]]
        await asyncio.to_thread(eventually, lambda: len(sent.statements) == 2)
        assert sent.statements == [[FIRST], [SECOND]]

    asyncio.run(run())


def test_the_last_announcements_are_sent_before_the_process_stops() -> None:
    async def run() -> None:
        sent = Sent()
        sent.let_go.set()
        announcer = Announcer(sent.send)
        announcer.announce_later(SECOND)
        announcer.announce(FIRST)
        await announcer.close()
        assert sent.statements == [[FIRST, SECOND]]

    asyncio.run(run())


def test_an_unavailable_database_loses_announcements_and_no_later_ones() -> None:
    async def run() -> None:
        sent = Sent()
        sent.let_go.set()
        sent.fails = True
        announcer = Announcer(sent.send)
        announcer.announce(FIRST)
        await asyncio.sleep(0.02)
        sent.fails = False
        announcer.announce(SECOND)
        await announcer.close()
        assert sent.statements == [[FIRST], [SECOND]]

    asyncio.run(run())
