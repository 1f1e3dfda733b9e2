"""A picture as judges get it. In a module of its own, because the judges' libraries take long to import."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class PictureFile:
    """A picture as it would be stored: the file and its media type, such as `image/webp`."""

    content: bytes
    content_type: str
