"""The good client: sends one request after another on its own connection, and measures the time of each answer."""

import http.client
import time
from dataclasses import dataclass
from typing import Final

PAUSE_S: Final = 0.005
ANSWER_S_MAX: Final = 20.0


@dataclass(frozen=True, slots=True)
class Service:
    """How the good client was served, in milliseconds."""

    requests: int
    p50_ms: float
    p99_ms: float
    failures: int


def ask_for(seconds: float, port: int, key: str, task: str) -> Service:
    """Read a task again and again for this many seconds."""
    took_ms: list[float] = []
    failures = 0
    until_s = time.monotonic() + seconds
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S_MAX)
    while time.monotonic() < until_s:
        began_s = time.perf_counter()
        try:
            connection.request("GET", f"/v1/tasks/{task}", headers={"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            answer.read()
            failures += answer.status != 200
        except (OSError, http.client.HTTPException):
            failures += 1
            connection.close()
        took_ms.append((time.perf_counter() - began_s) * 1000)
        time.sleep(PAUSE_S)
    connection.close()
    took_ms.sort()
    return Service(len(took_ms), _quantile(took_ms, 0.5), _quantile(took_ms, 0.99), failures)


def _quantile(sorted_ms: list[float], share: float) -> float:
    return sorted_ms[min(len(sorted_ms) - 1, int(share * len(sorted_ms)))]
