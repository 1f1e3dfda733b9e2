"""What a moderation server's answer says: one score for each of its categories.

Pure. An answer counts as a whole or not at all: a score that is none makes it unreadable, since to leave out what one
cannot read is to let it pass. What the server thinks of the scores (`flagged`) is not looked at.
"""

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from easel.domain.moderation.decision import Category

_KNOWN: Final = frozenset(str(category) for category in Category)
SLACK: Final = 1e-3
"""How far beyond 0 and 1 a score may be by rounding in the server's arithmetic; it is moved to the bound."""


class NoScores(Exception):
    """The answer holds none that count. The message says why, and nothing that the server said."""


class _Result(msgspec.Struct):
    category_scores: dict[str, float | None] | None = None
    categories: dict[str, bool | None] | None = None
    category_applied_input_types: dict[str, list[str]] | None = None


class _Answer(msgspec.Struct):
    results: list[_Result]


def read_scores(body: bytes, *, has_picture: bool = False) -> Mapping[str, float]:
    """The scores by category; of several results the highest of each; a category without a score is not there, and
    neither is one that Easel does not know. Where a result has only `categories`, they count as 1 and 0. Raises NoScores,
    also where a result tells that the picture was not looked at."""
    try:
        results = msgspec.json.decode(body, type=_Answer).results
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NoScores("its answer has not the form of OpenAI's") from None
    scores: dict[str, float] = {}
    for result in results:
        applied = result.category_applied_input_types
        if has_picture and applied is not None and not any("image" in kinds for kinds in applied.values()):
            raise NoScores("it did not look at the picture")
        for name, score in _scores(result).items():
            scores[name] = max(score, scores.get(name, 0.0))
    if not scores:
        raise NoScores("it says nothing of any category that Easel knows")
    return scores


def _scores(result: _Result) -> dict[str, float]:
    given: Mapping[str, float | None] = result.category_scores or result.categories or {}
    scores = {name: float(score) for name, score in given.items() if score is not None and name in _KNOWN}
    if not all(math.isfinite(score) and -SLACK <= score <= 1 + SLACK for score in scores.values()):
        raise NoScores("a score in it is not between 0 and 1")
    return {name: min(1.0, max(0.0, score)) for name, score in scores.items()}
