"""A picture's file: the extension and media type of its format, its name in storage, and that of its thumbnail."""

from collections.abc import Mapping
from typing import Final

from easel.domain.link import thumbnail_name
from easel.domain.order import OutputFormat

EXTENSIONS: Final[Mapping[OutputFormat, str]] = {"webp": ".webp", "png": ".png", "jpeg": ".jpg"}
CONTENT_TYPES: Final[Mapping[OutputFormat, str]] = {"webp": "image/webp", "png": "image/png", "jpeg": "image/jpeg"}
CONTENT_TYPE_BY_EXTENSION: Final = {EXTENSIONS[kind]: CONTENT_TYPES[kind] for kind in EXTENSIONS}


def object_name(picture_name: str) -> str:
    """A picture's name in storage. Pictures are spread over 256 folders, so that none grows without bound."""
    return f"{picture_name[:2]}/{picture_name}"


def object_names(picture_name: str) -> tuple[str, str]:
    """The names in storage of a picture and of its thumbnail, which may not be there."""
    return object_name(picture_name), object_name(thumbnail_name(picture_name))
