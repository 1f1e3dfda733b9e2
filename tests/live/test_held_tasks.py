"""A worker hands back what the database says it has and what does not run here, but not what is on its way."""

from easel.live.held_tasks import ADRIFT_AFTER_S, HeldTasks


def test_a_running_task_is_never_adrift() -> None:
    held = HeldTasks()
    held.begin("a")
    assert held.adrift(["a"], 0.0) == []
    assert held.adrift(["a"], 10 * ADRIFT_AFTER_S) == []


def test_a_task_that_does_not_run_here_is_adrift_after_some_time() -> None:
    held = HeldTasks()
    assert held.adrift(["a"], 0.0) == []
    assert held.adrift(["a"], ADRIFT_AFTER_S) == []
    assert held.adrift(["a"], ADRIFT_AFTER_S + 1) == ["a"]


def test_a_task_that_left_in_the_meantime_is_not_remembered() -> None:
    held = HeldTasks()
    held.adrift(["a"], 0.0)
    held.adrift([], 1.0)
    assert held.adrift(["a"], ADRIFT_AFTER_S + 1) == []


def test_a_dropped_task_is_adrift_at_once_and_no_more_when_it_runs_again() -> None:
    held = HeldTasks()
    held.begin("a")
    held.drop("a")
    assert held.adrift(["a"], 0.0) == ["a"]
    held.begin("a")
    assert held.adrift(["a"], 1.0) == []
    held.end("a")
    assert held.adrift(["a"], 2.0) == []
