"""An engine without a model, for benchmarks of everything around an engine, and for tests.

It draws a plain colour, at once or in steps of a given duration. The colour depends only on the seed and the prompt: it
differs between drawings, and is the same on every machine.
"""

import hashlib
import time

from easel.engines.engine import Drawing, OnStep, Pixels

STEPS = 8
TASKS_AT_ONCE = 8


class Blank:
    """Draws one colour, in `steps` steps of `step_s` seconds each."""

    name = "blank"
    model = None
    draws_at_once = 1
    tasks_at_once = TASKS_AT_ONCE

    def __init__(self, step_s: float = 0.0, steps: int = STEPS) -> None:
        assert step_s >= 0
        assert steps >= 1
        self._step_s = step_s
        self._steps = steps

    def load(self) -> None:
        """Nothing to load."""

    def draw(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        """A picture of one colour. Raises only what `on_step` raises."""
        for steps_done in range(1, self._steps + 1):
            if self._step_s:
                time.sleep(self._step_s)
            on_step(steps_done, self._steps)
        rgb = colour(drawing) * (drawing.width_px * drawing.height_px)
        return Pixels(drawing.width_px, drawing.height_px, rgb)

    def probe(self) -> None:
        """There is no device."""


def colour(drawing: Drawing) -> bytes:
    """The three bytes that fill the picture."""
    return hashlib.sha256(f"{drawing.seed}:{drawing.prompt}".encode()).digest()[:3]
