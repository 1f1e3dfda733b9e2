"""A picture's file from the image server, checked before it is believed, and its pixels.

PNG, JPEG and WebP, and no other format that Pillow knows. The size is read from the file's head and must be one that
was asked for before any pixel is unpacked, so a small file cannot become a huge picture. Colours are taken as sRGB,
whatever profile the file names; transparent parts are laid on white; a note that a camera was held sideways is
ignored; of an animation the first picture is taken.
"""

import io
import struct
import zlib
from typing import Final

from PIL import Image

from easel.domain.task import ErrorCode
from easel.engines.engine import Drawing, Pixels, canvas_px, crop_offset_px
from easel.engines.remote.answers import Fault, Unreadable

FORMATS: Final = ("PNG", "JPEG", "WEBP")
MULTIPLE_PX: Final = 16
"""Z-Image draws sides that are multiples of this, and servers refuse or round any other."""

_MODES: Final = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
"""Those with eight bits or fewer for each channel, which convert without clipping."""
_FAULTS: Final = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Warning,
)
"""What Pillow raises for files that are broken or claim to be enormous; warnings only where they are made errors."""


def canvas(drawing: Drawing) -> tuple[int, int]:
    """Width and height in pixels to ask the server for: the next multiples up."""
    return canvas_px(drawing.width_px, MULTIPLE_PX), canvas_px(drawing.height_px, MULTIPLE_PX)


def read_picture(file: bytes, drawing: Drawing) -> Pixels:
    """The pixels of a picture of the canvas's size, cut to the drawing's, or of the drawing's own. Raises Fault."""
    try:
        with Image.open(io.BytesIO(file), formats=FORMATS) as image:
            if image.size not in {canvas(drawing), (drawing.width_px, drawing.height_px)}:
                raise _wrong_size(image.size, drawing)
            if image.mode not in _MODES:
                raise Unreadable(f"its picture's mode is {image.mode}")
            return _cut(image, drawing)
    except _FAULTS as error:
        raise Unreadable(f"{type(error).__name__} while its picture was read") from None


def _cut(image: Image.Image, drawing: Drawing) -> Pixels:
    left = crop_offset_px(image.width, drawing.width_px)
    top = crop_offset_px(image.height, drawing.height_px)
    part = image.crop((left, top, left + drawing.width_px, top + drawing.height_px))
    if part.has_transparency_data:
        layer = part.convert("RGBA")
        part = Image.new("RGBA", layer.size, "white")
        part.alpha_composite(layer)
    return Pixels(drawing.width_px, drawing.height_px, part.convert("RGB").tobytes())


def _wrong_size(size_px: tuple[int, int], drawing: Drawing) -> Fault:
    width_px, height_px = canvas(drawing)
    message = f"The image server drew {size_px[0]}x{size_px[1]} pixels in place of {width_px}x{height_px}"
    return Fault(ErrorCode.IMAGE_DIMENSION_MISMATCH, message)
