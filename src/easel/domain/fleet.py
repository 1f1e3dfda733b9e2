"""How often the workers of a fleet query the database, however many they are.

PostgreSQL wakes every listener for every notification, so a large fleet would spend its time being woken. Above
LISTENERS_MAX workers they look for tasks instead, at random intervals chosen so that all idle workers together look
POLLS_PER_S times a second. With a thousand idle workers a task is found as fast as with ten.

Each report of progress is a statement, and a notification to every web process. All busy workers together report
REPORTS_PER_S times a second, so the more they are, the fewer steps each reports.
"""

from typing import Final

LISTENERS_MAX: Final = 64
LISTENERS_AGAIN: Final = 48
"""At or below this many workers they listen again. The gap keeps them from changing back and forth."""
POLLS_PER_S: Final = 500
POLL_S_MIN: Final = 0.01
POLL_S_MAX: Final = 2.0
"""Longest delay before a worker finds a task whose notification was lost."""
REPORTS_PER_S: Final = 400
REPORT_S_MIN: Final = 0.05
REPORT_S_MAX: Final = 5.0


def listens(live_workers: int, *, listened: bool) -> bool:
    """Whether workers listen if this many are alive. `listened` says whether they have listened until now."""
    return live_workers <= (LISTENERS_MAX if listened else LISTENERS_AGAIN)


def poll_pause_s(idle_workers: int, *, listens: bool, chance: float) -> float:
    """Seconds until an idle worker looks again if this many are idle. `chance` is random, between 0 and 1."""
    if listens:
        return POLL_S_MAX
    mean_s = idle_workers / POLLS_PER_S
    return min(POLL_S_MAX, max(POLL_S_MIN, mean_s * (0.5 + chance)))


def report_pause_s(busy_workers: int) -> float:
    """Least seconds between two progress reports of a draw if this many workers draw."""
    return min(REPORT_S_MAX, max(REPORT_S_MIN, busy_workers / REPORTS_PER_S))
