"""How fast Easel Sketch loads and draws, in a process of its own: `python -m bench.sketch_drawing` writes JSON.

A time is from the order to the encoded WebP, a median over ordinary prompts, each drawn once before. Loading includes
the import of the engine, in a process that has imported the rest of Easel, as a worker has.
"""

import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from typing import Final

from easel.engines.encoding import encode
from easel.engines.engine import Drawing

PROMPTS: Final = (
    "a cute cat",
    "a bowl of ramen on a table",
    "a woman reading a book in a café",
    "three red balloons over the sea at sunset",
    "an astronaut riding a horse",
    "a fox in a forest in autumn",
    "the skyline of a city at night in the rain",
    "a field of sunflowers under a blue sky",
    "two dogs playing in the snow",
    "a lighthouse in a storm",
)
SEEDS: Final = (1, 2)
SIDES_PX: Final = (512, 1024, 1536)


@dataclass(frozen=True, slots=True)
class SketchDrawing:
    """Seconds to load the engine and to draw squares of three sizes."""

    load_s: float
    side_512_s: float
    side_1024_s: float
    side_1536_s: float


def measured() -> SketchDrawing:
    """Load the engine and draw, in this process, which must not have imported it."""
    began_s = time.perf_counter()
    from easel.engines.sketch.engine import Sketch

    engine = Sketch()
    engine.load()
    load_s = time.perf_counter() - began_s

    def draw_s(prompt: str, side_px: int, seed: int) -> float:
        began_s = time.perf_counter()
        encode(engine.draw(Drawing(prompt, side_px, side_px, seed), lambda _done, _total: None), "webp", None)
        return time.perf_counter() - began_s

    for prompt in PROMPTS:
        draw_s(prompt, SIDES_PX[0], SEEDS[0])
    drawn_s = [
        statistics.median(draw_s(prompt, side_px, seed) for prompt in PROMPTS for seed in SEEDS) for side_px in SIDES_PX
    ]
    return SketchDrawing(load_s, *drawn_s)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(measured())))
