"""Checks with three small pictures whether an image server draws the size and the seed that were ordered."""

import time
from collections.abc import Callable
from typing import Final

from PIL import Image, ImageChops, ImageStat

from easel.domain.task import ErrorCode
from easel.engines.engine import Drawing, DrawingFailed, Pixels
from easel.engines.remote.pictures import drawn_picture
from easel.engines.remote.server import ImageServer

CHECK_TIMEOUT_S: Final = 30.0
CHECK_PROMPT: Final = "a red apple on a wooden table"
SIZE_PX: Final = (384, 400)
"""About the smallest that customers can order. A server that swaps the sides, or rounds them to other multiples, shows
it."""
SEED: Final = 7
OTHER_SEED: Final = 20_011
DIFFERENCE_MAX: Final = 2.0
"""Pictures whose channels differ by less, of 255 and on average, count as the same. Sums on GPUs are not always exactly
equal."""


class _TimeIsOverError(Exception):
    pass


def what_does_not_hold(server: ImageServer, timeout_s: float) -> str | None:
    """What is wrong with the pictures, in words that follow the server's name; None if nothing is, or if the server
    took so long that it cannot be told."""
    deadline_s = time.monotonic() + timeout_s

    def on_beat() -> None:
        if time.monotonic() > deadline_s:
            raise _TimeIsOverError

    try:
        return _difference(lambda seed: _drawn(server, seed, on_beat))
    except _TimeIsOverError:
        return None
    except DrawingFailed as failed:
        if failed.code == ErrorCode.GENERATION_TIMEOUT:
            return None
        if failed.code == ErrorCode.IMAGE_DIMENSION_MISMATCH:
            return f"does not draw the size that was ordered: {failed.message}"
        hint = getattr(failed, "hint", None)
        return f"did not draw a small picture: {failed.message}{f' ({hint})' if hint else ''}"


def _difference(draw: Callable[[int], Pixels]) -> str | None:
    first = draw(SEED)
    if not _are_same(first, draw(SEED)):
        return "draws another picture each time, although the seed is the same: it ignores seeds"
    if _are_same(first, draw(OTHER_SEED)):
        return "draws the same picture for every seed: it ignores seeds"
    return None


def _drawn(server: ImageServer, seed: int, on_beat: Callable[[], None]) -> Pixels:
    drawing = Drawing(CHECK_PROMPT, *SIZE_PX, seed)
    return drawn_picture(server.file(drawing, on_beat, attempts_max=1), drawing)


def _are_same(one: Pixels, other: Pixels) -> bool:
    images = [Image.frombytes("RGB", (each.width_px, each.height_px), each.rgb) for each in (one, other)]
    return sum(ImageStat.Stat(ImageChops.difference(*images)).mean) / 3 < DIFFERENCE_MAX
