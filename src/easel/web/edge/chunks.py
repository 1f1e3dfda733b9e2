"""Limits how many chunks a chunked body may come in, and how many bytes around them.

Each chunk costs as much as a small request, however short it is.
"""

from typing import Final

from easel.domain.errors import InvalidRequest

CHUNKS_MAX: Final = 512
"""How many chunks a body may have, plus one per KB of it."""
FRAMING_BYTES_MAX: Final = 32 * 1024
"""How many bytes of chunk sizes and extensions a body may have, plus as many as its own bytes."""


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
        """Count a chunk, or a part of one, among the bytes read. Raises InvalidRequest if there are too many."""
        self._chunks += 1
        self._body_bytes += count_bytes
        self._framing_bytes -= count_bytes
        has_too_many = self._chunks > CHUNKS_MAX + self._body_bytes // 1024
        if has_too_many or self._framing_bytes > FRAMING_BYTES_MAX + self._body_bytes:
            raise InvalidRequest("The body has too many chunks, or too much data around its chunks")
