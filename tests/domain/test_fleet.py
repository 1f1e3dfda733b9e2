"""Small fleets listen for tasks, and large ones look for them. All workers together look and report at bounded
rates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.domain.fleet import (
    LISTENERS_AGAIN,
    LISTENERS_MAX,
    POLL_S_MAX,
    POLL_S_MIN,
    POLLS_PER_S,
    REPORT_S_MAX,
    REPORT_S_MIN,
    REPORTS_PER_S,
    listens,
    poll_pause_s,
    report_pause_s,
)


def test_a_fleet_listens_until_it_is_large_and_again_when_it_is_clearly_small() -> None:
    assert listens(LISTENERS_MAX, listened=True)
    assert not listens(LISTENERS_MAX + 1, listened=True)
    assert not listens(LISTENERS_AGAIN + 1, listened=False)
    assert listens(LISTENERS_AGAIN, listened=False)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_a_pause_has_bounds(idle: int, chance: float) -> None:
    assert POLL_S_MIN <= poll_pause_s(idle, listens=False, chance=chance) <= POLL_S_MAX
    assert poll_pause_s(idle, listens=True, chance=chance) == POLL_S_MAX


@pytest.mark.parametrize("idle", [10, 100, 600])
def test_all_idle_workers_together_look_as_often_however_many_they_are(idle: int) -> None:
    mean_s = sum(poll_pause_s(idle, listens=False, chance=number / 1000) for number in range(1001)) / 1001
    assert idle / mean_s == pytest.approx(POLLS_PER_S, rel=0.01)


@given(st.integers(0, 10_000))
def test_busy_workers_together_report_progress_at_most_so_often(busy: int) -> None:
    pause_s = report_pause_s(busy)
    assert REPORT_S_MIN <= pause_s <= REPORT_S_MAX
    assert busy / pause_s <= REPORTS_PER_S * 1.000001 or pause_s == REPORT_S_MAX


def test_a_few_workers_report_every_step_that_can_be_seen() -> None:
    assert report_pause_s(1) == report_pause_s(8) == REPORT_S_MIN
