"""The blank engine fulfils the contract of all engines."""

import subprocess
import sys
import time

import pytest

from easel.engines.blank.engine import Blank
from easel.engines.engine import Drawing, Engine


class StopError(Exception):
    """Raised by a test from within a step."""


def drawing(prompt: str = "a heron", seed: int = 7, width_px: int = 377, height_px: int = 1001) -> Drawing:
    return Drawing(prompt=prompt, width_px=width_px, height_px=height_px, seed=seed)


def ignore_step(steps_done: int, steps_total: int) -> None:
    """Ignores progress."""


def blank(step_s: float = 0.0, steps: int = 8) -> Engine:
    engine: Engine = Blank(step_s=step_s, steps=steps)
    engine.load()
    return engine


@pytest.mark.parametrize(("width_px", "height_px"), [(376, 376), (377, 1001), (1536, 376), (1536, 1536)])
def test_the_picture_has_exactly_the_requested_size(width_px: int, height_px: int) -> None:
    pixels = blank().draw(drawing(width_px=width_px, height_px=height_px), ignore_step)
    assert (pixels.width_px, pixels.height_px) == (width_px, height_px)
    assert len(pixels.rgb) == width_px * height_px * 3
    assert pixels.caption_tokens_cut == 0


def test_the_same_drawing_gives_the_same_bytes() -> None:
    assert blank().draw(drawing(), ignore_step) == blank().draw(drawing(), ignore_step)


def test_a_different_seed_or_prompt_gives_a_different_colour() -> None:
    pictures = {
        blank().draw(drawing(prompt=prompt, seed=seed), ignore_step).rgb
        for prompt in ("a", "b", "鹭")
        for seed in (1, 2)
    }
    assert len(pictures) == 6


def test_steps_are_counted_from_one_to_the_last() -> None:
    steps: list[tuple[int, int]] = []
    blank(steps=5).draw(drawing(), lambda done, total: steps.append((done, total)))
    assert steps == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_an_exception_from_on_step_stops_the_drawing_and_is_raised_unchanged() -> None:
    steps: list[int] = []
    stop = StopError()

    def stop_at_three(steps_done: int, steps_total: int) -> None:
        steps.append(steps_done)
        if steps_done == 3:
            raise stop

    with pytest.raises(StopError) as raised:
        blank().draw(drawing(), stop_at_three)
    assert raised.value is stop
    assert steps == [1, 2, 3]


def test_each_step_takes_the_configured_time() -> None:
    start_s = time.monotonic()
    blank(step_s=0.02, steps=3).draw(drawing(), ignore_step)
    assert time.monotonic() - start_s >= 0.06


def test_importing_the_blank_engine_does_not_import_torch() -> None:
    code = "import sys, easel.engines.blank.engine; sys.exit('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": ":".join(sys.path)}).returncode
        == 0
    )
