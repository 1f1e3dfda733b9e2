"""Writes a caption along the lower edge of a finished picture, over whatever style it has."""

from typing import Final

from PIL import Image, ImageChops

from easel.engines.sketch.painting.lettering import written
from easel.engines.sketch.painting.markup import document, rect
from easel.engines.sketch.painting.vector_canvas import VectorCanvas

WIDTH_SHARE: Final = 0.86
HEIGHT_SHARE_OF_WIDTH: Final = 0.062
HEIGHT_SHARE_MAX: Final = 0.07


def captioned(image: Image.Image, caption: str) -> Image.Image:
    """The picture with a caption in white on a dark band. Every character of the caption must have an outline."""
    width_px, height_px = image.size
    band = min(width_px * HEIGHT_SHARE_OF_WIDTH, height_px * HEIGHT_SHARE_MAX)
    middle, top = width_px / 2, height_px - band * 1.6
    painted = rect(middle - width_px * 0.47, top, width_px * 0.94, band * 1.2, "#1b2233", band * 0.6, 0.62)
    painted += written(caption, middle, top + band * 0.6, width_px * WIDTH_SHARE, band * 0.8, "#ffffff")
    with VectorCanvas(width_px, height_px) as canvas:
        canvas.paint(document(width_px, height_px, painted))
        over = canvas.image()
    shown_through = ImageChops.invert(over.getchannel("A"))
    below = ImageChops.multiply(image, Image.merge("RGB", [shown_through] * 3))
    return ImageChops.add(below, over.convert("RGB"))
