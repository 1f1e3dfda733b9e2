"""How long the blank engine itself draws, which is subtracted to report the time around a drawing."""

import statistics
import time
from typing import Final

from easel.engines.blank.engine import Blank
from easel.engines.engine import Drawing

SIDE_PX: Final = 376
DRAWINGS: Final = 50


def draw_ms() -> float:
    """The median of many drawings of 376x376, in milliseconds, in this process."""
    engine = Blank()
    return statistics.median(_once_ms(engine, seed) for seed in range(1, DRAWINGS + 1))


def _once_ms(engine: Blank, seed: int) -> float:
    began_s = time.perf_counter()
    engine.draw(Drawing("a cute cat", SIDE_PX, SIDE_PX, seed), lambda _done, _total: None)
    return (time.perf_counter() - began_s) * 1000
