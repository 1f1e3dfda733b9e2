"""Which tasks this worker runs, and which of those that the database says it has are adrift.

A task is adrift when it is assigned to this worker but does not run here. This happens when the statement that takes or
ends it succeeds, but the connection breaks before the result arrives, or when a task could not be handed back.
"""

from collections.abc import Iterable
from typing import Final

ADRIFT_AFTER_S: Final = 5.0
"""How long a task may be assigned to this worker without running here before it is handed back."""


class HeldTasks:
    """The tasks of one worker."""

    def __init__(self) -> None:
        self._running: set[str] = set()
        self._dropped: set[str] = set()
        self._adrift_since_s: dict[str, float] = {}

    def begin(self, task_id: str) -> None:
        """A task runs here from now on."""
        self._running.add(task_id)
        self._dropped.discard(task_id)

    def end(self, task_id: str) -> None:
        """A task runs here no more."""
        self._running.discard(task_id)

    def drop(self, task_id: str) -> None:
        """A task runs here no more, and could not be handed back."""
        self._running.discard(task_id)
        self._dropped.add(task_id)

    def adrift(self, held: Iterable[str], now_s: float) -> list[str]:
        """The tasks to hand back, of those that the database says this worker has.

        Every task is adrift for a moment: just before it runs, and while its end is being saved.
        """
        since_s = self._adrift_since_s
        self._adrift_since_s = {task: since_s.get(task, now_s) for task in held if task not in self._running}
        self._dropped &= self._adrift_since_s.keys()
        return [
            task
            for task, at_s in self._adrift_since_s.items()
            if task in self._dropped or now_s - at_s > ADRIFT_AFTER_S
        ]
