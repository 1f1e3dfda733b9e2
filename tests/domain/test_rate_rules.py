"""The rate rule: what it allows, whatever the rhythm of the requests."""

import math

from hypothesis import given
from hypothesis import strategies as st

from easel.domain.rate import Quota, Standing

quotas = st.builds(
    Quota, name=st.just("create"), count_max=st.integers(1, 1_000_000), window_s=st.sampled_from([1, 60, 3600])
)
small_quotas = st.builds(Quota, name=st.just("create"), count_max=st.integers(1, 200), window_s=st.integers(1, 3600))
pauses_s = st.floats(0, 200, allow_subnormal=False)
ROUNDING = 1e-5


class Bucket:
    """The use of one quota over time, as the rate limiter tracks it."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.now_s = 0.0
        self.used_until_s = 0.0

    @property
    def standing(self) -> Standing:
        return Standing(self.quota, self.used_until_s - self.now_s)

    def take(self, count: int = 1) -> bool:
        after = self.standing.taking(count)
        if after is not None:
            self.used_until_s = self.now_s + after.used_for_s
        return after is not None

    def take_all(self) -> int:
        taken = 0
        while self.take():
            taken += 1
        return taken


@given(small_quotas, st.lists(pauses_s, max_size=20))
def test_the_remaining_quota_is_available_at_once(quota: Quota, pauses: list[float]) -> None:
    bucket = Bucket(quota)
    assert bucket.standing.remaining == quota.count_max
    for pause_s in pauses:
        bucket.now_s += pause_s
        promised = bucket.standing.remaining
        assert bucket.take_all() == promised
        assert bucket.standing.remaining == 0


@given(quotas, st.lists(st.tuples(pauses_s, st.integers(1, 50)), max_size=60))
def test_no_period_exceeds_the_quota_plus_what_was_restored(quota: Quota, asked: list[tuple[float, int]]) -> None:
    bucket = Bucket(quota)
    happened: list[tuple[float, int]] = []
    for pause_s, count in asked:
        bucket.now_s += pause_s
        if bucket.take(count):
            happened.append((bucket.now_s, count))
    for number, (since_s, _) in enumerate(happened):
        total = 0
        for at_s, count in happened[number:]:
            total += count
            assert total <= quota.count_max + (at_s - since_s) / quota.spacing_s + ROUNDING * quota.count_max


@given(quotas, st.data())
def test_retry_after_is_just_long_enough(quota: Quota, data: st.DataObject) -> None:
    used_for_s = data.draw(st.floats(0, quota.window_s), label="used_for_s")
    count = data.draw(st.integers(1, quota.count_max), label="count")
    standing = Standing(quota, used_for_s)
    wait_s = standing.retry_after_s(count)
    assert wait_s >= 1
    assert Standing(quota, used_for_s - wait_s).taking(count) is not None
    if wait_s > 1:
        assert Standing(quota, used_for_s - wait_s + 1).taking(count) is None
    if standing.taking(count) is not None:
        assert wait_s == 1, "a caller that need not wait gets the shortest wait"


@given(quotas, st.floats(0, 10_000))
def test_the_whole_quota_is_available_at_reset(quota: Quota, used_for_s: float) -> None:
    standing = Standing(quota, used_for_s)
    assert Standing(quota, used_for_s - standing.reset_s).remaining == quota.count_max
    assert standing.reset_s - 1 < used_for_s or standing.reset_s == 0


@given(quotas, st.integers(1, 100))
def test_refused_requests_use_no_quota_and_more_than_the_quota_is_always_refused(quota: Quota, more: int) -> None:
    bucket = Bucket(quota)
    assert not bucket.take(quota.count_max + math.ceil(more * (1 + ROUNDING * quota.count_max)))
    assert bucket.standing.remaining == quota.count_max
    assert bucket.take(quota.count_max)
    assert not bucket.take(math.ceil(1 + ROUNDING * quota.count_max))


@given(small_quotas, st.integers(1, 300))
def test_taking_one_at_a_time_equals_taking_all_at_once(quota: Quota, count: int) -> None:
    one_by_one, together = Bucket(quota), Bucket(quota)
    taken = sum(one_by_one.take() for _ in range(min(count, quota.count_max)))
    assert taken == min(count, quota.count_max)
    assert together.take(taken)
    assert math.isclose(one_by_one.used_until_s, together.used_until_s, abs_tol=1e-6)
    assert one_by_one.standing.remaining == together.standing.remaining == quota.count_max - taken
