"""Previews of a draw: who wants them, how often they are made, and how large they are."""

import asyncio
import io
import itertools

import pytest
from PIL import Image

from easel.engines.encoding import encode_preview
from easel.engines.engine import Pixels
from easel.live.previews import EVERY_S, SHARE_MAX, Previews
from easel.store.preview_notices import FILE_BYTES_MAX, PAYLOAD_BYTES_MAX, Preview

DRAW_S = 3.1


def plain(width_px: int = 64, height_px: int = 32) -> Pixels:
    return Pixels(width_px, height_px, b"\x20\x60\xa0" * (width_px * height_px))


def noise(side_px: int) -> Pixels:
    bands = [Image.effect_noise((side_px, side_px), 90) for _ in "RGB"]
    return Pixels(side_px, side_px, Image.merge("RGB", bands).tobytes())


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def drawn(*, is_watched: bool = True, make_s: float = 0.0) -> list[float]:
    """When previews were made during a draw that offers one every few milliseconds, in seconds since its beginning."""
    made: list[float] = []
    clock = Clock()
    began_s = clock()
    previews = Previews(lambda: is_watched, FILE_BYTES_MAX, clock)

    def make() -> Pixels:
        made.append(clock() - began_s)
        clock.now_s += make_s
        return plain()

    while clock() - began_s < DRAW_S:
        previews.offer(make)
        clock.now_s += 0.005
    return made


def test_nothing_is_made_unless_somebody_watches() -> None:
    assert drawn(is_watched=False) == []


def test_an_engine_that_has_no_preview_yet_is_asked_again_at_once() -> None:
    clock = Clock()
    previews = Previews(lambda: True, FILE_BYTES_MAX, clock)
    clock.now_s += EVERY_S
    previews.offer(lambda: None)
    previews.offer(plain)
    assert asyncio.run(previews.take()) is not None


def test_previews_are_made_at_most_four_times_a_second() -> None:
    made = drawn()
    assert len(made) == int(DRAW_S / EVERY_S)
    assert all(later - earlier >= EVERY_S for earlier, later in itertools.pairwise(made))


def test_costly_previews_are_made_so_seldom_that_they_take_a_fiftieth_of_the_draw() -> None:
    made = drawn(make_s=0.01)
    assert made
    assert len(made) * 0.01 <= SHARE_MAX * (made[-1] + 2 * 0.01 / SHARE_MAX)
    assert made[-1] + 1e-6 >= len(made) * 0.01 / SHARE_MAX or len(made) == 1


def test_a_preview_is_taken_once() -> None:
    clock = Clock()
    previews = Previews(lambda: True, FILE_BYTES_MAX, clock)
    clock.now_s += EVERY_S
    previews.offer(plain)

    async def take_twice() -> tuple[bytes | None, bytes | None]:
        return await previews.take(), await previews.take()

    first, second = asyncio.run(take_twice())
    assert first is not None
    assert Image.open(io.BytesIO(first)).size == (64, 32)
    assert second is None


@pytest.mark.parametrize("pixels", [plain(256, 256), plain(1, 1), noise(256), noise(97)])
def test_a_preview_fits_into_a_notification_whatever_it_shows(pixels: Pixels) -> None:
    file = encode_preview(pixels, FILE_BYTES_MAX)
    assert file is not None
    preview = Preview("task-unified-1700000000-abcdefgh", 2_000_000_000, 2_000_000_000, file)
    assert len(preview.payload()) <= PAYLOAD_BYTES_MAX
    assert Preview.of(preview.payload()) == preview
    assert Image.open(io.BytesIO(file)).format == "WEBP"
