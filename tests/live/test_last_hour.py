"""The count of the last hour."""

from easel.live.last_hour import MINUTES, LastHour


def test_events_count_for_an_hour_and_then_no_more() -> None:
    counted = LastHour()
    for now_s in (0.0, 1.0, 59.0, 61.0):
        counted.add(now_s)
    assert counted.total(61.0) == 4
    assert counted.total(59 * 60.0) == 4
    assert counted.total(60 * 60.0) == 1
    assert counted.total(61 * 60.0) == 0


def test_a_busy_hour_takes_no_more_memory_than_a_quiet_one() -> None:
    counted = LastHour()
    for second in range(3 * 3600):
        counted.add(float(second))
    assert len(counted._counts) == MINUTES
    assert counted.total(3 * 3600 - 1) == 3600
