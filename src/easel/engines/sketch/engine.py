"""The sketch engine: understands a prompt by rules, composes a scene, and paints it as vectors at the exact size.

It is no neural model. Its steps are the layers that it paints. The same drawing gives the same bytes on one machine,
and the same picture on every machine. Words that it does not understand or cannot draw are told (`Pixels.not_drawn`).
If that is all of them, it draws a landscape whose caption says so.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final, Literal

from PIL import Image

from easel.engines.engine import (
    PREVIEW_SIDE_PX_MAX,
    Drawing,
    EngineUnusable,
    OfferPreview,
    OnStep,
    Pixels,
    no_previews,
)
from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.composing.scene import Scene
from easel.engines.sketch.painting import vector_canvas
from easel.engines.sketch.painting.caption import captioned
from easel.engines.sketch.painting.painter import layers
from easel.engines.sketch.painting.vector_canvas import PaintingFailed, VectorCanvas
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.pictures.picture_pack import PicturePack
from easel.engines.sketch.reading.reader import read
from easel.engines.sketch.styles import style
from easel.engines.sketch.words.lexicon import language

TASKS_AT_ONCE: Final = 2
NOT_DRAWN_MAX: Final = 30
WORD_CHARACTERS_MAX: Final = 60
NOT_UNDERSTOOD: Final = "Easel Sketch did not understand this prompt"
"""The caption of a landscape that is drawn because nothing of the prompt can be."""


class Sketch:
    """Draws scenes. Each step takes `step_s` seconds longer than it needs, to imitate a slow engine."""

    name = "sketch"
    model = "Easel Sketch"
    draws_at_once = 1
    tasks_at_once = TASKS_AT_ONCE
    offers_previews: Literal[True] = True

    def __init__(self, step_s: float = 0.0) -> None:
        assert step_s >= 0
        self._step_s = step_s
        self._library: Library | None = None

    def load(self) -> None:
        """Read the index of pictures and the English words. Raises EngineUnusable."""
        try:
            vector_canvas.load()
            self._library = Library(PicturePack())
            language("en")
        except (OSError, ValueError, ImportError, PaintingFailed) as error:
            raise EngineUnusable(
                f"The built-in engine cannot be loaded ({type(error).__name__}: {error}): install Easel again."
            ) from error

    def scene(self, drawing: Drawing) -> Scene:
        """The scene of a drawing, without painting it."""
        library = self._library
        assert library is not None, "load() comes first"
        wish = read(drawing.prompt, library.emoji)
        return compose(wish, drawing.width_px, drawing.height_px, drawing.seed, library)

    def draw(self, drawing: Drawing, on_step: OnStep, offer_preview: OfferPreview = no_previews) -> Pixels:
        """Paint the scene layer by layer. Raises only what `on_step` raises."""
        on_step(0, 1)
        scene = self.scene(drawing)
        assert self._library is not None
        documents = list(layers(scene, self._library))
        steps = len(documents) + 1

        def on_layer(done: int, canvas: VectorCanvas) -> None:
            offer_preview(lambda: _preview(canvas))
            on_step(done, steps)

        image = style.finish(self._painted(documents, drawing, on_layer), scene)
        if scene.shows_nothing_asked:
            image = captioned(image, NOT_UNDERSTOOD)
        self._pause()
        on_step(steps, steps)
        return Pixels(drawing.width_px, drawing.height_px, image.tobytes(), not_drawn=_told(scene.not_drawn))

    def probe(self) -> None:
        """There is no device."""

    def _painted(
        self, documents: list[str], drawing: Drawing, on_layer: Callable[[int, VectorCanvas], None]
    ) -> Image.Image:
        with VectorCanvas(drawing.width_px, drawing.height_px) as canvas:
            for done, svg in enumerate(documents, start=1):
                canvas.paint(svg)
                self._pause()
                on_layer(done, canvas)
        # After the block, because the renderer's buffers are as large as the picture.
        return canvas.opaque_image()

    def _pause(self) -> None:
        if self._step_s:
            time.sleep(self._step_s)


def _preview(canvas: VectorCanvas) -> Pixels:
    """The layers painted so far, on white."""
    image = canvas.reduced_image(PREVIEW_SIDE_PX_MAX)
    return Pixels(*image.size, image.tobytes())


def _told(words: Iterable[str]) -> tuple[str, ...]:
    """The first words, each without what makes it too long."""
    shortened = [
        word if len(word) <= WORD_CHARACTERS_MAX else word[: WORD_CHARACTERS_MAX - 1].rstrip() + "…" for word in words
    ]
    return tuple(dict.fromkeys(shortened))[:NOT_DRAWN_MAX]
