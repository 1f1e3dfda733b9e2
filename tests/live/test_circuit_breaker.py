"""After many failures in a row no tasks are taken for a while, and for longer each time the engine still fails."""

from easel.live.circuit_breaker import FAILURES_MAX, PAUSES_S, CircuitBreaker

WHY = "the lamp is broken"


def opened() -> CircuitBreaker:
    breaker = CircuitBreaker()
    assert [breaker.failed(WHY) for _ in range(FAILURES_MAX)] == [False] * (FAILURES_MAX - 1) + [True]
    return breaker


def test_failures_in_a_row_open_the_circuit_and_one_success_between_them_does_not_let_them() -> None:
    breaker = CircuitBreaker()
    for _ in range(FAILURES_MAX):
        for _ in range(FAILURES_MAX - 1):
            assert not breaker.failed(WHY)
        breaker.succeeded()
    assert breaker.reason is None
    assert opened().reason == WHY


def test_failures_of_draws_that_were_still_running_do_not_open_it_again() -> None:
    breaker = opened()
    assert not breaker.failed("another")
    assert (breaker.reason, breaker.pause_s) == (WHY, PAUSES_S[0])


def test_pauses_grow_with_each_failed_trial_up_to_the_longest() -> None:
    breaker = opened()
    pauses = []
    for _ in range(len(PAUSES_S) + 1):
        pauses.append(breaker.pause_s)
        breaker.trial_failed("still broken")
    assert pauses == [*PAUSES_S, PAUSES_S[-1]]
    assert breaker.reason == "still broken"


def test_after_a_passed_trial_the_first_failure_opens_it_for_longer_and_the_first_success_forgets_all() -> None:
    breaker = opened()
    breaker.trial_passed()
    assert breaker.reason is None
    assert breaker.failed(WHY)
    assert breaker.pause_s == PAUSES_S[1]
    breaker.trial_passed()
    breaker.succeeded()
    assert not breaker.failed(WHY)
    assert breaker.reason is None
