"""Rules that read clocks, under clocks that are set back and forth."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from easel.actions.rescue import Touch
from easel.domain.errors import RateLimitExceeded
from easel.domain.rate import Quota, Standing
from easel.live.rate_limiter import RateLimiter
from easel.store.database_clock import READING_LIFETIME_S, DatabaseClock
from easel.store.workers import Clock

quotas = st.builds(Quota, name=st.just("read"), count_max=st.integers(1, 50), window_s=st.sampled_from([1, 60, 3600]))
pauses_s = st.floats(0, 100, allow_subnormal=False)
back_s = st.sampled_from([0.0, 0.0, 0.5, 30.0, 3600.0, 86_400.0, 1e7])
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
ROUNDING: Final = 1e-4


class Watch:
    """A clock that may be set to another time."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.set_back_s = 0.0

    def __call__(self) -> float:
        return 1e8 + self.passed_s - self.set_back_s


def takes(limiter: RateLimiter) -> bool:
    try:
        limiter.take("somebody")
    except RateLimitExceeded:
        return False
    return True


@given(quotas, st.lists(st.tuples(pauses_s, back_s, st.integers(1, 60)), max_size=20))
def test_setting_the_clock_back_does_not_let_more_requests_through(
    quota: Quota, lived: list[tuple[float, float, int]]
) -> None:
    watch = Watch()
    limiter = RateLimiter(quota, watch)
    happened = 0
    for pause_s, set_back_s, asked in lived:
        watch.passed_s += pause_s
        watch.set_back_s += set_back_s
        happened += sum(takes(limiter) for _ in range(asked))
    assert happened <= quota.count_max + watch.passed_s / quota.spacing_s + ROUNDING * quota.count_max


@given(quotas, st.lists(st.tuples(pauses_s, back_s, st.integers(0, 60)), max_size=10), back_s)
def test_setting_the_clock_back_blocks_callers_for_a_window_at_most(
    quota: Quota, lived: list[tuple[float, float, int]], last_back_s: float
) -> None:
    watch = Watch()
    limiter = RateLimiter(quota, watch)
    for pause_s, set_back_s, asked in lived:
        watch.passed_s += pause_s
        watch.set_back_s += set_back_s
        for _ in range(asked):
            takes(limiter)
    watch.set_back_s += last_back_s
    if not takes(limiter):
        # A caller that returns when told to is let in, and has the whole quota after a window.
        watch.passed_s += limiter.standing("somebody").retry_after_s()
        assert limiter.standing("somebody").remaining >= 1
    watch.passed_s += quota.window_s + ROUNDING
    assert limiter.standing("somebody").remaining == quota.count_max


@given(quotas, st.floats(-1e9, 1e9))
def test_retry_after_never_exceeds_the_window(quota: Quota, used_for_s: float) -> None:
    standing = Standing.measured(quota, used_for_s)
    assert 0 <= standing.remaining <= quota.count_max
    assert 1 <= standing.retry_after_s(quota.count_max) <= quota.window_s
    assert 0 <= standing.reset_s <= quota.window_s


def look(touch: Touch, now_s: float, server_started_at_s: float) -> bool:
    return touch.may_judge(Clock(START + timedelta(seconds=now_s), START + timedelta(seconds=server_started_at_s)))


@given(st.floats(3.5, 1e7), st.floats(0.2, 2.5))
def test_after_a_clock_change_workers_get_time_to_report_before_they_are_judged(step_s: float, every_s: float) -> None:
    for sign in (1, -1):
        touch = Touch()
        assert look(touch, 0, -1e6)
        first = look(touch, sign * step_s, -1e6)
        assert not first, "nobody could report since"
        looks = [look(touch, sign * step_s + number * every_s, -1e6) for number in range(1, 60)]
        assert looks[-1]
        assert looks.index(True) * every_s <= 8 + every_s


def test_a_server_start_in_the_future_does_not_stop_the_judging_of_workers() -> None:
    touch = Touch()
    assert not look(touch, 0, 86_400)
    assert [look(touch, second, 86_400) for second in range(1, 11)] == [False] * 8 + [True] * 2


def test_the_databases_time_advances_by_a_monotonic_clock_and_is_refreshed_soon() -> None:
    watch = Watch()
    answers = [START, START - timedelta(days=1)]

    async def read() -> datetime | None:
        return answers.pop(0)

    async def act() -> None:
        clock = DatabaseClock(read, watch)
        assert await clock.now() == START
        watch.passed_s += READING_LIFETIME_S / 2
        assert await clock.now() == START + timedelta(seconds=READING_LIFETIME_S / 2)
        watch.passed_s += READING_LIFETIME_S
        assert await clock.now() == START - timedelta(days=1)
        assert answers == []

    asyncio.run(act())


def test_without_the_database_its_last_known_time_advances_if_there_is_one() -> None:
    watch = Watch()
    answers: list[datetime | None] = [None, START, None]

    async def read() -> datetime | None:
        return answers.pop(0)

    async def act() -> None:
        clock = DatabaseClock(read, watch)
        assert await clock.now() is None
        assert await clock.now() == START
        watch.passed_s += 100
        assert await clock.now() == START + timedelta(seconds=100)
        assert answers == []

    asyncio.run(act())
