"""English nouns that are kinds of what has a picture: a terrier is a dog, a bistro is a café.

The table is made of WordNet (`tools/sketch_words/kinds.py`). It is read when a word is asked for that no other table
has, and kept as one text that is searched by halves, since a dictionary of it would take eight times the memory. It has
no plurals: the caller tries a word's stems.
"""

import functools
from pathlib import Path
from typing import Final

KINDS: Final = Path(__file__).parent / "kinds.tsv"
PLACE: Final = "@"
"""What stands before the name of a place."""

KIND_LETTERS_MIN: Final = 3
KIND_WORDS_MAX: Final = 3
"""The shortest and the longest entries."""


def kind_of(word: str) -> str | None:
    """The picture of what a normal word is a kind of, or the place after `@`."""
    text = _text()
    low, high = 0, len(text)
    while low < high:
        start = text.rfind("\n", 0, (low + high) // 2) + 1
        end = text.index("\n", start)
        found, _, name = text[start:end].partition("\t")
        if found == word:
            return name
        low, high = (end + 1, high) if found < word else (low, start)
    return None


@functools.cache
def _text() -> str:
    return KINDS.read_text(encoding="utf-8")
