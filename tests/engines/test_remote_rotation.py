"""Which of several image servers draws next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.engines.remote.rotation import REST_S, REST_S_MAX, News, Rotation, Verdict


def test_the_least_busy_server_draws_and_of_equals_the_one_that_waited_longest() -> None:
    rotation = Rotation(3, places=2)
    taken = []
    for _ in range(6):
        index = rotation.choose({0, 1, 2}, 0.0)
        assert index is not None
        rotation.begin(index)
        taken.append(index)
    assert taken == [0, 1, 2, 0, 1, 2]
    assert rotation.choose({0, 1, 2}, 0.0) is None
    rotation.end(1)
    assert rotation.choose({0, 1, 2}, 0.0) == 1


def test_a_server_that_failed_is_left_alone_twice_as_long_each_time() -> None:
    rotation = Rotation(2, places=4)
    now_s, rests_s = 100.0, []
    for _ in range(9):
        rotation.judge(0, Verdict.FAILED, now_s)
        rests_s.append(rotation.rest_s(0, now_s))
        assert rotation.choose({0, 1}, now_s + rests_s[-1] - 0.01) == 1
        now_s += rests_s[-1]
    assert rests_s == [min(REST_S_MAX, REST_S * 2**power) for power in range(9)]
    assert rotation.judge(0, Verdict.DREW, now_s) is News.BACK
    assert rotation.judge(0, Verdict.DREW, now_s) is None
    rotation.judge(0, Verdict.FAILED, now_s)
    assert rotation.rest_s(0, now_s) == REST_S


def test_failures_of_draws_that_ran_at_the_same_time_count_once() -> None:
    rotation = Rotation(2, places=4)
    assert rotation.judge(0, Verdict.FAILED, 10.0) is News.LEFT_ALONE
    assert [rotation.judge(0, Verdict.FAILED, 10.0 + late) for late in (0.1, 0.2, 4.9)] == [None] * 3
    assert rotation.rest_s(0, 10.0) == REST_S


def test_after_its_rest_a_server_draws_one_picture_until_it_succeeds() -> None:
    rotation = Rotation(2, places=4)
    rotation.judge(0, Verdict.FAILED, 0.0)
    for _ in range(2):
        rotation.begin(1)
    assert rotation.choose({0, 1}, REST_S) == 0
    rotation.begin(0)
    assert rotation.choose({0, 1}, REST_S) == 1
    rotation.judge(0, Verdict.DREW, REST_S)
    assert rotation.choose({0, 1}, REST_S) == 0


def test_if_all_have_failed_the_one_that_may_be_back_first_draws_at_once() -> None:
    rotation = Rotation(2, places=1)
    rotation.judge(1, Verdict.FAILED, 0.0)
    rotation.judge(0, Verdict.FAILED, 1.0)
    assert rotation.choose({0, 1}, 2.0) == 1
    rotation.begin(1)
    assert rotation.choose({0, 1}, 2.0) == 0


def test_a_place_at_a_healthy_server_is_awaited_rather_than_one_that_failed_asked() -> None:
    rotation = Rotation(2, places=1)
    rotation.judge(1, Verdict.FAILED, 0.0)
    rotation.begin(0)
    assert rotation.choose({0, 1}, 1.0) is None
    assert rotation.choose({1}, 1.0) == 1


@pytest.mark.parametrize(("asked_s", "rest_s"), [(None, 1.0), (7.0, 7.0)])
def test_a_busy_server_is_left_alone_as_long_as_it_asks_and_has_not_failed(
    asked_s: float | None, rest_s: float
) -> None:
    rotation = Rotation(2, places=2)
    rotation.begin(1)
    assert rotation.judge(0, Verdict.BUSY, 0.0, asked_s) is None
    assert rotation.choose({0, 1}, rest_s - 0.1) == 1
    assert rotation.choose({0, 1}, rest_s) == 0
    assert rotation.judge(0, Verdict.DREW, rest_s) is None


@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 99), st.sampled_from(Verdict), st.floats(0, 100), st.none() | st.floats(0, 60)),
        max_size=60,
    ),
)  # fmt: skip
def test_no_server_draws_more_than_its_places_and_a_free_one_is_found(
    count: int, places: int, events: list[tuple[bool, int, Verdict, float, float | None]]
) -> None:
    rotation, busy, now_s = Rotation(count, places), [0] * count, 0.0
    drawing: list[int] = []
    for begins, which, verdict, passed_s, asked_s in events:
        now_s += passed_s
        index = rotation.choose(range(count), now_s) if begins else None
        if index is not None:
            rotation.begin(index)
            drawing.append(index)
            busy[index] += 1
            assert busy[index] <= places
        elif begins:
            assert any(busy)
        elif drawing:
            ended = drawing.pop(which % len(drawing))
            busy[ended] -= 1
            rotation.judge(ended, verdict, now_s, asked_s)
            rotation.end(ended)
    assert rotation.choose(range(count), now_s + 1000) is not None or any(busy)
