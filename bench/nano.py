"""How fast the built-in model draws, from the order to the encoded picture, in a separate process.

Figures are medians after one drawing of each size. The load time includes the import of the engine. Memory is the peak of
the process while it drew the largest picture once.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Final

from bench.contender import python

DRAWINGS: Final = 10
TIMEOUT_S: Final = 300


@dataclass(frozen=True, slots=True)
class Nano:
    """Seconds to load and to draw, and the largest resident size in MB."""

    load_s: float
    side_512_s: float
    side_1024_s: float
    memory_1536_mb: float


def measure() -> Nano:
    """Start the process and wait for its answer."""
    ended = subprocess.run(python("bench.nano"), capture_output=True, check=True, timeout=TIMEOUT_S)
    return Nano(**json.loads(ended.stdout))


def _measured() -> Nano:
    began_s = time.perf_counter()
    from easel.engines.encoding import encode
    from easel.engines.engine import Drawing
    from easel.engines.nano.engine import Nano as Engine

    engine = Engine()
    engine.load()
    load_s = time.perf_counter() - began_s

    def draw_s(side_px: int, seed: int) -> float:
        began_s = time.perf_counter()
        encode(engine.draw(Drawing("a cute cat", side_px, side_px, seed), lambda _done, _total: None), "webp", None)
        return time.perf_counter() - began_s

    def median_s(side_px: int) -> float:
        draw_s(side_px, 1)
        return statistics.median(draw_s(side_px, seed) for seed in range(2, DRAWINGS + 2))

    small_s, medium_s = median_s(512), median_s(1024)
    draw_s(1536, 1)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return Nano(load_s, small_s, medium_s, most * (1 if sys.platform == "darwin" else 1024) / 1e6)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_measured())))
