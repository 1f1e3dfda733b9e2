"""Previews as notifications: a task's id, the steps done, the steps in all, and the file in base64.

A preview is not stored. PostgreSQL keeps a notification until every listener has read it, and no table, backup or
replica ever has it. A listener that is not connected misses it.
"""

import base64
from dataclasses import dataclass
from typing import Final, Self

PAYLOAD_BYTES_MAX: Final = 7999
"""PostgreSQL refuses a notification that is larger (NOTIFY_PAYLOAD_MAX_LENGTH in its async.c)."""
HEAD_BYTES_MAX: Final = 99
FILE_BYTES_MAX: Final = (PAYLOAD_BYTES_MAX - HEAD_BYTES_MAX) // 4 * 3
"""The largest file that fits, in base64."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a task's picture looks like after some of its steps: a WebP file of at most FILE_BYTES_MAX."""

    task_id: str
    steps_done: int
    steps_total: int
    file: bytes

    def payload(self) -> str:
        """The notification's text."""
        payload = f"{self.task_id} {self.steps_done} {self.steps_total} {base64.b64encode(self.file).decode()}"
        assert len(payload) <= PAYLOAD_BYTES_MAX
        return payload

    @classmethod
    def of(cls, payload: str) -> Self:
        """The preview in a notification."""
        task_id, steps_done, steps_total, file = payload.split(" ")
        return cls(task_id, int(steps_done), int(steps_total), base64.b64decode(file))
