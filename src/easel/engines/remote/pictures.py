"""Checks a picture file from the image server and decodes it.

Only PNG, JPEG and WebP are accepted. The size in the file's header is checked before any pixel is decoded, so a small
file cannot become a huge picture. Colours are taken as sRGB, whatever profile the file names; transparent areas are
placed on white; EXIF orientation is ignored; the first frame of an animation is used.
"""

import io
import struct
import zlib
from typing import Final

from PIL import Image

from easel.domain.task import ErrorCode
from easel.engines.engine import Drawing, Pixels, canvas_px, crop_offset_px
from easel.engines.remote.answers import EmptyPicture, Fault, Unreadable

FORMATS: Final = ("PNG", "JPEG", "WEBP")
MULTIPLE_PX: Final = 16
"""Z-Image draws multiples of this; servers refuse or round other sizes."""

_MODES: Final = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
"""Modes with at most eight bits per channel, which convert without clipping."""
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
"""What Pillow raises for files that are damaged or claim to be enormous. Warnings only where they are errors."""


def canvas(drawing: Drawing) -> tuple[int, int]:
    """The width and height to request: those of the drawing, rounded up."""
    return canvas_px(drawing.width_px, MULTIPLE_PX), canvas_px(drawing.height_px, MULTIPLE_PX)


def drawn_picture(file: bytes, drawing: Drawing) -> Pixels:
    """Like `read_picture`, for a file that a model drew: there is something in it. Raises Fault."""
    pixels = read_picture(file, drawing)
    if pixels.has_one_colour:
        raise EmptyPicture
    return pixels


def read_picture(file: bytes, drawing: Drawing) -> Pixels:
    """The pixels of a file of the drawing's size, or cut from one of the canvas's size. Raises Fault."""
    try:
        with Image.open(io.BytesIO(file), formats=FORMATS) as image:
            if image.size not in {canvas(drawing), (drawing.width_px, drawing.height_px)}:
                raise _wrong_size(image.size, drawing)
            if image.mode not in _MODES:
                raise Unreadable(f"its picture has the mode {image.mode}")
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
