"""Rows of single letters in a prompt, such as `n a k e d`, and the words that they spell.

Each row is read once, however many variants are made of it. Whether the words mean anything is not decided here.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from easel.domain.moderation.lookalikes import AMBIGUOUS_LEET, LEET_SYMBOLS
from easel.domain.moderation.scripts import LETTER_MARKS

LETTER: Final = r"[^\W_]"
SYMBOLS: Final = re.escape(LEET_SYMBOLS + AMBIGUOUS_LEET[1:])
"""The symbols that may stand for letters."""
_ROW_LETTER: Final = rf"(?:{LETTER}[{LETTER_MARKS}]*|[{SYMBOLS}])"
_SEPARATOR: Final = rf"(?:[^\w{SYMBOLS}{LETTER_MARKS}]|_)"
# A symbol that may stand for a letter is no separator, so a text can be divided in one way only.
_ROWS: Final = re.compile(
    rf"(?<![\w{SYMBOLS}{LETTER_MARKS}])(?:{_ROW_LETTER}{_SEPARATOR}{{1,8}}){{2,}}{_ROW_LETTER}(?![\w{SYMBOLS}{LETTER_MARKS}])"
)
_SEPARATORS: Final = re.compile(f"({_SEPARATOR}+)")
SPLITS: Final = (1, 2, -1, -2)
"""Where a row is split, since its ends may be other words, like the first `a` of `a n a k e d`."""
_SPLIT_CHARACTERS_MAX: Final = 120
BETWEEN_ROWS: Final = 9 * "\n"
"""A gap too wide to be within a row."""
SPELLED_MARK: Final = "\ue010"
"""Precedes each word that single letters spell, in a text with the rest of the prompt around it."""


class _Row(NamedTuple):
    """One row: its text, its letters together, the words that it spells, and whether its separators are mixed, so that
    the words are uncertain."""

    text: str
    together: str
    words: str
    is_mixed: bool


class LetterRows:
    """The rows of a folded prompt."""

    def __init__(self, folded: str) -> None:
        self.folded = folded
        self._rows: list[_Row] = []
        self._between: list[str] = []
        known: dict[str, _Row] = {}
        end = 0
        for found in _ROWS.finditer(folded):
            self._between.append(folded[end : found.start()])
            text, end = found[0], found.end()
            self._rows.append(known.get(text) or known.setdefault(text, _row(text)))
        self._after = folded[end:]

    def __bool__(self) -> bool:
        return bool(self._rows)

    @property
    def together(self) -> Iterable[str]:
        """The letters of each row as one word."""
        return dict.fromkeys(row.together for row in self._rows)

    def spelled(self) -> str:
        """The prompt with the words that the rows spell."""
        return self._with(row.words for row in self._rows)

    def split(self, at: int) -> str:
        """The same, with each row split at an index. A row that is too long to split stays as it is."""
        return self._with(
            row.text if len(row.text) > _SPLIT_CHARACTERS_MAX else f"{row.words[:at]} {row.words[at:]}"
            for row in self._rows
        )

    def marked(self) -> str:
        """The prompt with the words that the rows spell, each after SPELLED_MARK; one word if separators are mixed."""
        return self._with(_marked(row.together if row.is_mixed else row.words) for row in self._rows)

    def _with(self, replacements: Iterator[str]) -> str:
        if not self._rows:
            return self.folded
        return "".join(itertools.chain.from_iterable(zip(self._between, replacements, strict=True))) + self._after


def _row(text: str) -> _Row:
    pieces = _SEPARATORS.split(text)
    letters, separators = pieces[::2], pieces[1::2]
    counts = Counter(separators)
    usual, times = counts.most_common(1)[0]
    gaps = _gaps(counts, _frequent_separator(counts, usual, len(separators)))
    pieces[1::2] = [gaps[separator] for separator in separators]
    return _Row(text, "".join(letters), "".join(pieces), is_mixed=2 * times < len(separators))


def _gaps(counts: Mapping[str, int], frequent: str | None) -> Mapping[str, str]:
    """What each separator becomes. The most frequent one stands within words, and the others between them."""
    if frequent is None:
        return {separator: " " if any(map(str.isspace, separator)) else "" for separator in counts}
    return {separator: "" if separator == frequent else " " for separator in counts}


def _frequent_separator(counts: Mapping[str, int], usual: str, count: int) -> str | None:
    """The separator that stands between at least half of the letters, if there is one."""
    if len(usual) > 1 and 2 * counts[usual] >= count:
        return usual
    if 2 * sum(times for separator, times in counts.items() if separator.isspace() and len(separator) == 1) >= count:
        return usual if usual.isspace() else " "
    return None


def _marked(words: str) -> str:
    return f" {SPELLED_MARK}{f' {SPELLED_MARK}'.join(words.split())} "
