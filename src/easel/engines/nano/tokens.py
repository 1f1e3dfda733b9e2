"""Nano's tokenizer: byte-level BPE in plain Python, trained by training/tokens.py.

Any text can be tokenized. It is cut into pieces of bounded length first, so the time is linear in its length.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

PIECES: Final = re.compile(r" ?[a-z]{1,24}| ?[0-9]{1,4}| ?[^\x00-\x7f]{1,16}| ?[\x00-\x7f]")
"""Merges never cross the borders of these pieces. Their bounds keep absurd prompts cheap."""
END: Final = "<end>"


def _byte_letters() -> list[str]:
    """The letter that stands for each byte: the byte itself if it is printable, else a code point from 256 up."""
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


BYTE_LETTERS: Final = _byte_letters()


def plain(text: str) -> str:
    """The normalized text that is cut into pieces: NFKC, lower case, single spaces."""
    return " " + " ".join(unicodedata.normalize("NFKC", text).lower().split())


class Tokenizer:
    """Turns texts into token numbers."""

    def __init__(self, words: Mapping[str, int], merges: Sequence[Sequence[str]]) -> None:
        self._words = words
        self._ranks = {(left, right): rank for rank, (left, right) in enumerate(merges)}
        self._end = words[END]

    def tokens(self, text: str, tokens_max: int) -> tuple[list[int], int]:
        """At most `tokens_max` tokens, including the end token, and how many were cut off."""
        found = [self._words[word] for piece in PIECES.findall(plain(text)) for word in self._merge(piece)]
        return [*found[: tokens_max - 1], self._end], max(0, len(found) - tokens_max + 1)

    def _merge(self, piece: str) -> list[str]:
        """Join neighbouring parts until no known pair is left. The pair that was learned earliest is joined first."""
        parts = [BYTE_LETTERS[byte] for byte in piece.encode()]
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            joined: list[str] = []
            index = 0
            while index < len(parts):
                pair = index + 1 < len(parts) and (parts[index], parts[index + 1]) == best
                joined.append(parts[index] + parts[index + 1] if pair else parts[index])
                index += 2 if pair else 1
            parts = joined
        return parts
