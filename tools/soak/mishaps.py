"""Mishaps: kills and freezes processes at random, one at a time, and restarts the service if nothing else does."""

import asyncio
import random
import signal
import time
from collections.abc import Sequence
from typing import Final

from tools.soak.installation import Installation, Role, send
from tools.soak.tally import Tally

PAUSE_S: Final = (0.3, 4.0)
"""Pause between two mishaps. The death of a worker is noticed after four seconds, that of the database within one."""
FREEZE_S: Final = (0.5, 9.0)
LOG_BYTES_SHOWN: Final = 1500
STEPS_S: Final = (0.002, 0.02, 0.1)
"""Times of one step of the engine. Each start of the service picks one at random."""
KINDS: Final[dict[str, int]] = {
    "kill web": 5,
    "kill worker": 6,
    "kill all workers": 1,
    "kill serve": 3,
    "kill serve as it starts": 1,
    "kill database": 4,
    "kill database connection": 2,
    "freeze web": 1,
    "freeze worker": 2,
    "freeze serve": 1,
    "freeze database": 1,
}
"""The kinds of mishaps with their weights."""
POOLER_KINDS: Final[dict[str, int]] = {"kill pooler": 3, "freeze pooler": 1}
"""Those that a pooler adds."""


class Mishaps:
    """Causes the mishaps of one installation."""

    def __init__(self, installation: Installation, tally: Tally, rng: random.Random) -> None:
        self._installation = installation
        self._tally = tally
        self._rng = rng
        self._kinds = KINDS | (POOLER_KINDS if Role.POOLER in installation.outliving else {})

    async def start(self) -> bool:
        """Start the service and wait until it is ready. Returns whether it is."""
        self._installation.start(self._rng.choice(STEPS_S))
        is_ready = await asyncio.to_thread(self._installation.wait_until_ready)
        if not is_ready:
            self._tally.find(f"`easel serve` did not start: {self._last_words()}")
        return is_ready

    async def run(self, ends_at_s: float) -> None:
        """Cause mishaps until `ends_at_s`, and leave a running service."""
        while time.monotonic() < ends_at_s:
            await asyncio.sleep(self._rng.uniform(*PAUSE_S))
            (kind,) = self._rng.choices(list(self._kinds), weights=list(self._kinds.values()))
            await self._assure_serving()
            verb, _, target = kind.partition(" ")
            if verb == "freeze":
                has_hit = await self._freeze(target)
            elif target.startswith("serve"):
                has_hit = await self._kill_serve(is_starting=target != "serve")
            else:
                has_hit = await self._kill(target)
            self._tally.mishaps[kind] += has_hit
        await self._assure_serving()

    async def _assure_serving(self) -> None:
        status = self._installation.exit_status()
        if status is not None:
            self._tally.find(f"`easel serve` ended unexpectedly with status {status}: {self._last_words()}")
            await self.start()

    async def _kill(self, target: str) -> bool:
        is_all = target == "all workers"
        pids = await self._pids(Role.WORKER if is_all else Role(target))
        hit = pids if is_all else self._rng.sample(pids, min(1, len(pids)))
        return _send_all(hit, signal.SIGKILL)

    async def _kill_serve(self, *, is_starting: bool) -> bool:
        self._installation.kill_serve()
        await asyncio.sleep(self._rng.choice([0.0, 0.0, 1.0]) * self._rng.random())
        if is_starting:
            self._installation.start(self._rng.choice(STEPS_S))
            await asyncio.sleep(self._rng.uniform(0.0, 2.0))
            self._installation.kill_serve()
        await self.start()
        return True

    async def _freeze(self, target: str) -> bool:
        pids = await self._pids(Role(target))
        if target == Role.DATABASE:
            pids = [*pids, *await self._pids(Role.BACKEND)]
        else:
            pids = self._rng.sample(pids, min(1, len(pids)))
        try:
            has_hit = _send_all(pids, signal.SIGSTOP)
            await asyncio.sleep(self._rng.uniform(*FREEZE_S))
        finally:
            _send_all(pids, signal.SIGCONT)
        return has_hit

    async def _pids(self, role: Role) -> Sequence[int]:
        found = await asyncio.to_thread(self._installation.processes)
        return sorted(pid for pid, each in found.items() if each is role)

    def _last_words(self) -> str:
        return self._installation.log_since_start()[-LOG_BYTES_SHOWN:].decode(errors="replace")


def _send_all(pids: Sequence[int], number: signal.Signals) -> bool:
    """Send a signal to all of them. Returns whether any received it."""
    return sum(send(pid, number) for pid in pids) > 0
