"""Counts a request's body as it arrives: how much of it is missing, and whether its chunks are too small.

It stores nothing of the body. The endpoint limits the body's size.
"""

from typing import Final

from easel.domain.errors import InvalidRequest

PIECES_MAX: Final = 512
"""How many chunks a body may have, plus one per KB. Each chunk costs as much as a small request."""
FRAMING_BYTES_MAX: Final = 32 * 1024
"""How many bytes of chunk sizes and extensions a body may have, plus as many as its own bytes."""
KEPT_BYTES_MAX: Final = 64 * 1024
"""The most that an endpoint keeps of a body. A larger one is refused or discarded as it arrives."""


class ArrivingBody:
    """The body of one request. `left_bytes` is what is missing, or None if the body is chunked or there is none."""

    def __init__(self, length_bytes: int | None = None) -> None:
        self.left_bytes = length_bytes
        self._bytes = 0
        self._pieces = 0
        self._framing_bytes = 0

    @property
    def kept_bytes(self) -> int:
        """The most that an endpoint keeps of what has arrived."""
        return min(self._bytes, KEPT_BYTES_MAX)

    def note_read(self, count_bytes: int) -> None:
        """Count bytes that are about to be parsed."""
        self._framing_bytes += count_bytes

    def note_piece(self, count_bytes: int) -> None:
        """Count those of them that belong to the body. Raises InvalidRequest if the chunks are too small."""
        self._bytes += count_bytes
        self._framing_bytes -= count_bytes
        if self.left_bytes is not None:
            self.left_bytes -= count_bytes
            return
        self._pieces += 1
        is_crumbled = self._pieces > PIECES_MAX + self._bytes // 1024
        if is_crumbled or self._framing_bytes > FRAMING_BYTES_MAX + self._bytes:
            raise InvalidRequest("The body comes in too many chunks, or in chunks with too much around them")
