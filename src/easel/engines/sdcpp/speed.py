"""About how long a picture takes, before one was measured.

On a processor, from two pictures with random weights of full size in Q4_K on two cores: 256x256 in 3 minutes, and
512x512 in 11. The time grows with the number of pixels and falls with the number of cores. On a graphics card, from
public reports: eight steps of 512x512 take 1.3 seconds on an RTX 4090, and 16 seconds on a laptop card of 6 GB. The
guess lies between.
"""

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from easel.engines.sdcpp.library import WHEELS

SECONDS_ON_ONE_CORE: Final = 40.0
SECONDS_A_PATCH_ON_ONE_CORE: Final = 1.25
PATCH_PX: Final = 256
CARD_SECONDS_A_PATCH: Final = 0.006


def guess_s(width_px: int, height_px: int, cores: int, *, on_processor: bool) -> float:
    """About how many seconds a picture takes."""
    patches = width_px * height_px / PATCH_PX
    if on_processor:
        return (SECONDS_ON_ONE_CORE + SECONDS_A_PATCH_ON_ONE_CORE * patches) / cores
    return CARD_SECONDS_A_PATCH * patches


def is_for_processor(backend: str | None) -> bool:
    """Whether this Python's wheel, or the operator's choice, draws on the processor. On macOS, the plain wheel knows
    Apple's GPU."""
    if backend is not None:
        return backend == "cpu"
    return sys.platform != "darwin" and not any(_is_installed(wheel) for wheel in WHEELS[1:])


def _is_installed(wheel: str) -> bool:
    try:
        version(wheel)
    except PackageNotFoundError:
        return False
    return True
