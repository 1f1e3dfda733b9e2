"""Limits the number of chunks in a chunked body, and the bytes of chunk sizes and extensions around them.

Even a short chunk costs as much work as a small request.
"""

from typing import Final

from easel.domain.errors import InvalidRequest

CHUNKS_MAX: Final = 512
"""How many chunks any body may have. Each KB of the body allows one more."""
FRAMING_BYTES_MAX: Final = 32 * 1024
"""How many bytes of chunk sizes and extensions any body may have. Each byte of the body allows one more."""


class ChunkCount:
    """The chunks of one body."""

    def __init__(self) -> None:
        self._body_bytes = 0
        self._framing_bytes = 0
        self._chunks = 0

    def note_read(self, count_bytes: int) -> None:
        """Count bytes that are about to be parsed."""
        self._framing_bytes += count_bytes

    def note_chunk(self, count_bytes: int) -> None:
        """Count a chunk, or a part of one, which `note_read` counted as read. Raises InvalidRequest over a limit."""
        self._chunks += 1
        self._body_bytes += count_bytes
        self._framing_bytes -= count_bytes
        has_too_many = self._chunks > CHUNKS_MAX + self._body_bytes // 1024
        if has_too_many or self._framing_bytes > FRAMING_BYTES_MAX + self._body_bytes:
            raise InvalidRequest("The body has too many chunks, or too much data around its chunks")
