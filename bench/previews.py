"""What previews cost a drawing: `python -m bench.previews [PAIRS [SIDE_PX]]`, with the engine and the settings of the
environment.

Draws the same pictures in turn for somebody who watches and for nobody, in the same thread as a worker, encodes the
previews as a worker does, and compares the medians. It sends nothing and needs no database.
"""

import asyncio
import statistics
import sys
import time
from typing import Final

from easel.assembly.engines import engine
from easel.engines.engine import Drawing
from easel.live.draw_progress import DrawProgress
from easel.live.engine_runner import EngineRunner
from easel.live.previews import Previews
from easel.settings.settings import read
from easel.store.preview_notices import FILE_BYTES_MAX

PAIRS: Final = 10
PROMPT: Final = "a red fox in a snowy forest at night"
SIDE_PX: Final = 1024


class Watched:
    """Drawings, watched or not. Counts the previews and their bytes."""

    def __init__(self, runner: EngineRunner, side_px: int) -> None:
        self._runner = runner
        self._side_px = side_px
        self.sizes_bytes: list[int] = []

    async def draw_s(self, seed: int, *, is_watched: bool) -> float:
        """How long a drawing takes, from the order to its pixels."""
        previews = Previews(lambda: is_watched, FILE_BYTES_MAX)
        progress = DrawProgress(asyncio.get_running_loop(), lambda: None, previews)
        taking = asyncio.create_task(self._take(progress, previews))
        started_s = time.perf_counter()
        await self._runner.draw(Drawing(PROMPT, self._side_px, self._side_px, seed), progress)
        drawn_s = time.perf_counter() - started_s
        taking.cancel()
        return drawn_s

    async def _take(self, progress: DrawProgress, previews: Previews) -> None:
        while True:
            await progress.sign_of_life()
            file = await previews.take()
            if file is not None:
                self.sizes_bytes.append(len(file))


async def main() -> None:
    """Draw in pairs, each first one way and then the other, and print what was measured."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    side_px = int(sys.argv[2]) if len(sys.argv) > 2 else SIDE_PX
    runner = EngineRunner(engine(read()), 3600, lambda: None)
    await runner.load()
    watched = Watched(runner, side_px)
    await watched.draw_s(1, is_watched=True)
    watched.sizes_bytes.clear()
    times_s: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(1, pairs + 1):
        for is_watched in (seed % 2 == 0, seed % 2 == 1):
            times_s[is_watched].append(await watched.draw_s(seed, is_watched=is_watched))
    plain_s, seen_s = (statistics.median(times_s[key]) for key in (False, True))
    ratios = [seen / plain for seen, plain in zip(times_s[True], times_s[False], strict=True)]
    ratio = statistics.median(ratios)
    sizes = watched.sizes_bytes
    mean_bytes = statistics.mean(sizes) if sizes else 0
    sys.stdout.write(
        f"a drawing: {plain_s:.3f} s, watched: {seen_s:.3f} s, median ratio of {pairs} pairs: {ratio:.4f}\n"
        f"previews a drawing: {len(sizes) / pairs:.1f}, bytes each: {mean_bytes:.0f}\n"
    )


if __name__ == "__main__":
    asyncio.run(main())
