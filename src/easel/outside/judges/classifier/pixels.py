"""Preprocesses picture files for a model, as transformers and timm do.

Importing this module imports numpy. The operations and their rounding are those of transformers' Pillow processors;
where the exact middle falls between two pixels, a crop may differ from timm's by one pixel.
"""

import io
import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from easel.domain.moderation.decision import Layer, LayerFailed
from easel.outside.judges.classifier.folder import Preparation

FORMATS: Final = ("PNG", "JPEG", "WEBP")
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
"""What Pillow raises for files that are broken or claim to be enormous. Warnings count only if Python raises them."""


def prepared(picture: bytes, preparation: Preparation) -> NDArray[np.float32]:
    """The pixels of a picture (1 x 3 x height x width). Raises LayerFailed if it cannot be read."""
    try:
        with Image.open(io.BytesIO(picture), formats=FORMATS) as image:
            framed = _cropped(_resized(image.convert("RGB"), preparation), preparation)
            values = np.asarray(framed, dtype=np.float32)
    except _FAULTS as error:
        reason = f"The picture classifier cannot read the picture ({type(error).__name__})."
        raise LayerFailed(Layer.CLASSIFIER, reason) from None
    mean, std = np.array(preparation.mean, np.float32), np.array(preparation.std, np.float32)
    scaled = (values * np.float32(preparation.factor) - mean) / std
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)


def grey_picture() -> bytes:
    """A picture file for trying a model."""
    file = io.BytesIO()
    Image.new("RGB", (96, 64), "grey").save(file, "PNG")
    return file.getvalue()


def _resized(image: Image.Image, preparation: Preparation) -> Image.Image:
    to_px = preparation.resize_px
    if to_px is None:
        return image
    if isinstance(to_px, int):
        short_px, long_px = sorted(image.size)
        longer_px = int(to_px * long_px / short_px)
        to_px = (longer_px, to_px) if image.width <= image.height else (to_px, longer_px)
    height_px, width_px = to_px
    return image.resize((width_px, height_px), Image.Resampling(preparation.resample))


def _cropped(image: Image.Image, preparation: Preparation) -> Image.Image:
    if preparation.crop_px is None:
        return image
    height_px, width_px = preparation.crop_px
    left, top = (image.width - width_px) // 2, (image.height - height_px) // 2
    return image.crop((left, top, left + width_px, top + height_px))
