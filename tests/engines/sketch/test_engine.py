"""The sketch engine fulfils the contract of all engines."""

import re
import subprocess
import sys
import time

import pytest
from PIL import Image, ImageChops

from easel.engines.engine import Drawing, Engine
from easel.engines.sketch.engine import Sketch
from easel.engines.sketch.painting.painter import layers
from easel.engines.sketch.painting.vector_canvas import VectorCanvas
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.styles import style

TAGS = {
    "svg", "g", "defs", "path", "rect", "circle", "ellipse", "polygon", "linearGradient", "radialGradient", "stop",
    "filter", "feGaussianBlur", "use", "clipPath", "mask",
}  # fmt: skip


class StopError(Exception):
    """Raised by a test from within a step."""


def drawing(prompt: str = "a fox in a forest", seed: int = 7, width_px: int = 377, height_px: int = 701) -> Drawing:
    return Drawing(prompt=prompt, width_px=width_px, height_px=height_px, seed=seed)


def ignore_step(steps_done: int, steps_total: int) -> None:
    """Ignores progress."""


@pytest.fixture(scope="module")
def sketch() -> Engine:
    engine: Engine = Sketch()
    engine.load()
    return engine


@pytest.mark.parametrize(("width_px", "height_px"), [(376, 376), (377, 754), (752, 376), (1536, 1536)])
def test_the_picture_has_exactly_the_requested_size(width_px: int, height_px: int, sketch: Engine) -> None:
    pixels = sketch.draw(drawing(width_px=width_px, height_px=height_px), ignore_step)
    assert (pixels.width_px, pixels.height_px) == (width_px, height_px)


def test_the_same_drawing_gives_the_same_bytes_even_in_another_process(sketch: Engine) -> None:
    code = (
        "import hashlib, sys; from easel.engines.engine import Drawing; from easel.engines.sketch.engine import Sketch\n"
        "sketch = Sketch(); sketch.load()\n"
        "pixels = sketch.draw(Drawing('a fox in a forest', 377, 701, 7), lambda done, total: None)\n"
        "print(hashlib.sha256(pixels.rgb).hexdigest())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True,
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(printed) == 1
    assert sketch.draw(drawing(), ignore_step) == sketch.draw(drawing(), ignore_step)


def test_ten_seeds_give_ten_pictures(sketch: Engine) -> None:
    assert len({sketch.draw(drawing(seed=seed), ignore_step).rgb for seed in range(1, 11)}) == 10


def test_steps_are_counted_from_one_to_the_last(sketch: Engine) -> None:
    steps: list[tuple[int, int]] = []
    sketch.draw(drawing(), lambda done, total: steps.append((done, total)))
    counted = [step for step in steps if step[0] > 0]
    total = counted[-1][1]
    assert counted == [(done, total) for done in range(1, total + 1)]
    assert total >= 4


def test_an_exception_from_on_step_stops_the_drawing_and_the_engine_stays_usable(sketch: Engine) -> None:
    stop = StopError()

    def stop_at_two(steps_done: int, steps_total: int) -> None:
        if steps_done == 2:
            raise stop

    before = sketch.draw(drawing(), ignore_step)
    with pytest.raises(StopError) as raised:
        sketch.draw(drawing(), stop_at_two)
    assert raised.value is stop
    assert sketch.draw(drawing(), ignore_step) == before


def test_each_step_takes_the_configured_time() -> None:
    engine = Sketch(step_s=0.05)
    engine.load()
    steps: list[int] = []
    start_s = time.monotonic()
    engine.draw(drawing(), lambda done, _total: steps.append(done))
    assert time.monotonic() - start_s >= 0.05 * max(steps)


def test_words_that_are_not_shown_are_told(sketch: Engine) -> None:
    assert sketch.draw(drawing("a red cat and a blorg"), ignore_step).not_drawn == ("blorg",)
    assert sketch.draw(drawing("a red cat"), ignore_step).not_drawn == ()


@pytest.mark.parametrize("prompt", ["blorg", "a watercolor of blorgs", "pixel art blorg"])
def test_a_prompt_of_which_nothing_is_shown_gives_a_landscape_with_a_caption(prompt: str, library: Library) -> None:
    sketch = Sketch()
    sketch.load()
    asked = drawing(prompt, width_px=640, height_px=400)
    scene = sketch.scene(asked)
    assert not scene.placed
    assert scene.shows_nothing_asked
    pixels = sketch.draw(asked, ignore_step)
    picture = Image.frombytes("RGB", (640, 400), pixels.rgb)
    with VectorCanvas(640, 400) as canvas:
        for svg in layers(scene, library):
            canvas.paint(svg)
        without = style.finish(canvas.opaque_image(), scene)
    where = ImageChops.difference(picture, without).getbbox()
    assert where is not None
    assert where[1] > 320, "only the lower edge differs"
    assert (255, 255, 255) in {colour for _, colour in picture.crop(where).getcolors(640 * 400) or []}


@pytest.mark.parametrize("prompt", ["autumn", "beautiful, 4k", "a blorg at night", "a blorg on the beach", "🐈"])
def test_a_prompt_of_which_something_is_shown_gives_no_caption(prompt: str) -> None:
    sketch = Sketch()
    sketch.load()
    assert not sketch.scene(drawing(prompt)).shows_nothing_asked


@pytest.mark.parametrize(
    "prompt",
    ['"</g><script>alert(1)</script>"', '"<image href=\'file:///etc/passwd\'/>" on a sign', "<svg onload=x> cat &amp; dog",
     '"]]> <!-- &lt; %s {x} \\u0000"', "cat\x00\x01 dog", "url(#x) #ff0000 style=fill"],
)  # fmt: skip
def test_no_markup_of_a_prompt_reaches_the_picture(prompt: str, library: Library) -> None:
    sketch = Sketch()
    sketch.load()
    for svg in layers(sketch.scene(drawing(prompt)), library):
        assert set(re.findall(r"<([a-zA-Z]+)", svg)) <= TAGS
        assert not re.search(r"script|file:|alert|onload|href=['\"](?!#)|<!--|]]>", svg)


def test_importing_the_engine_loads_neither_torch_nor_numpy_nor_onnxruntime() -> None:
    code = (
        "import sys; from easel.engines.sketch.engine import Sketch; from easel.engines.engine import Drawing\n"
        "sketch = Sketch(); sketch.load(); sketch.draw(Drawing('neon cat', 64, 64, 1), lambda done, total: None)\n"
        "sys.exit(bool({'torch', 'numpy', 'onnxruntime'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": ":".join(sys.path)})
    assert ran.returncode == 0
