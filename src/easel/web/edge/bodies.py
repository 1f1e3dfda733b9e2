"""How a request's body arrives: what is missing of it, and whether it comes in too small pieces.

It counts; it holds no part of a body. A limit on a body's size is the endpoint's.
"""

from typing import Final

from easel.domain.errors import InvalidRequest

PIECES_MAX: Final = 512
"""How many pieces a body in chunks may come in, beside one for each KB. Each costs as much as a small request."""
FRAMING_BYTES_MAX: Final = 32 * 1024
"""How many bytes of chunk sizes and extensions a body may have, beside as many as its own."""
KEPT_BYTES_MAX: Final = 64 * 1024
"""How much of a body an endpoint keeps at most. More is refused, or thrown away as it arrives."""


class ArrivingBody:
    """The body of one request. `left_bytes` is what is missing, or None where it comes in chunks or there is none."""

    def __init__(self, length_bytes: int | None = None) -> None:
        self.left_bytes = length_bytes
        self._bytes = 0
        self._pieces = 0
        self._framing_bytes = 0

    @property
    def kept_bytes(self) -> int:
        """What is kept of it at most."""
        return min(self._bytes, KEPT_BYTES_MAX)

    def note_read(self, count_bytes: int) -> None:
        """So many bytes are about to be parsed."""
        self._framing_bytes += count_bytes

    def note_piece(self, count_bytes: int) -> None:
        """So many of them were a piece of the body. Raises InvalidRequest when the pieces are crumbs."""
        self._bytes += count_bytes
        self._framing_bytes -= count_bytes
        if self.left_bytes is not None:
            self.left_bytes -= count_bytes
            return
        self._pieces += 1
        is_crumbled = self._pieces > PIECES_MAX + self._bytes // 1024
        if is_crumbled or self._framing_bytes > FRAMING_BYTES_MAX + self._bytes:
            raise InvalidRequest("The body comes in too many chunks, or in chunks with too much around them")
