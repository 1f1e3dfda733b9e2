"""Frames: what the engine and its child process say to each other, and how it is laid out in a pipe.

A frame is a byte for its kind, four bytes for the length of its content (big-endian), and the content. Every kind has a
greatest length, and a longer frame is refused before it is read. The child imports this module, so it needs nothing but
the standard library. What the contents mean is the subject of `messages`.
"""

import struct
from enum import IntEnum
from typing import IO, Final

PICTURE_SIDE_PX_MAX: Final = 2048
PREVIEW_SIDE_PX_MAX: Final = PICTURE_SIDE_PX_MAX // 8
"""A preview has a pixel for each latent."""
WORDS_BYTES_MAX: Final = 64 * 1024
_HEAD: Final = struct.Struct(">BI")


class Kind(IntEnum):
    """What a frame is. The engine sends those below 16, and the child sends the others."""

    LOAD = 1
    DRAW = 2
    CANCEL = 3
    PING = 4
    WATCH = 5
    HELLO = 16
    LOADED = 17
    BEAT = 18
    """The child is alive: the library reported something."""
    STEP = 19
    PICTURE = 20
    FAILED = 21
    PONG = 22
    PREVIEW = 23


CONTENT_BYTES_MAX: Final = dict.fromkeys(Kind, WORDS_BYTES_MAX) | {
    Kind.BEAT: 0,
    Kind.PING: 0,
    Kind.PONG: 0,
    Kind.PICTURE: 16 + 3 * PICTURE_SIDE_PX_MAX**2,
    Kind.PREVIEW: 16 + 3 * PREVIEW_SIDE_PX_MAX**2,
}


class FrameWrong(Exception):
    """The other side sent something that is no frame. Nothing that follows in this pipe can be understood."""


def write_frame(pipe: IO[bytes], kind: Kind, content: bytes = b"") -> None:
    """Write one frame and flush it. Raises OSError."""
    assert len(content) <= CONTENT_BYTES_MAX[kind]
    pipe.write(_HEAD.pack(kind, len(content)) + content)
    pipe.flush()


def read_frame(pipe: IO[bytes]) -> tuple[Kind, bytes] | None:
    """The next frame. None at the end of the pipe, also within a frame. Raises FrameWrong and OSError."""
    head = pipe.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    number, length_bytes = _HEAD.unpack(head)
    try:
        kind = Kind(number)
    except ValueError:
        raise FrameWrong(f"it sent a frame of the unknown kind {number}") from None
    if length_bytes > CONTENT_BYTES_MAX[kind]:
        raise FrameWrong(
            f"it sent a frame {kind.name} of {length_bytes} bytes, and {CONTENT_BYTES_MAX[kind]} are allowed"
        )
    content = pipe.read(length_bytes)
    return None if len(content) < length_bytes else (kind, content)
