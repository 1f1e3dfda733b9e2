"""Reads the scores by category from a moderation server's answer.

Pure. One invalid score makes the whole answer invalid, since ignoring it could let something pass. The server's own
verdict (`flagged`) is ignored.
"""

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from easel.domain.moderation.decision import Category

_KNOWN: Final = frozenset(str(category) for category in Category)
SLACK: Final = 1e-3
"""How far rounding in the server may move a score beyond 0 and 1. Such a score is set to the bound."""


class NoScores(Exception):
    """The answer has no usable scores. The message says why, without repeating the answer."""


class _Result(msgspec.Struct):
    category_scores: dict[str, float | None] | None = None
    categories: dict[str, bool | None] | None = None
    category_applied_input_types: dict[str, list[str]] | None = None


class _Answer(msgspec.Struct):
    results: list[_Result]


def read_scores(body: bytes, *, has_picture: bool = False) -> Mapping[str, float]:
    """The highest score in any result for each category that Easel knows, if the answer has one.

    If a result has only `categories`, true and false count as 1 and 0. Raises NoScores, also if a result says that the
    picture was not judged.
    """
    try:
        results = msgspec.json.decode(body, type=_Answer).results
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NoScores("its answer is not in OpenAI's format") from None
    scores: dict[str, float] = {}
    for result in results:
        applied = result.category_applied_input_types
        if has_picture and applied is not None and not any("image" in kinds for kinds in applied.values()):
            raise NoScores("it did not judge the picture")
        for name, score in _scores(result).items():
            scores[name] = max(score, scores.get(name, 0.0))
    if not scores:
        raise NoScores("its answer has no category that Easel knows")
    return scores


def _scores(result: _Result) -> dict[str, float]:
    given: Mapping[str, float | None] = result.category_scores or result.categories or {}
    scores = {name: float(score) for name, score in given.items() if score is not None and name in _KNOWN}
    if not all(math.isfinite(score) and -SLACK <= score <= 1 + SLACK for score in scores.values()):
        raise NoScores("its answer has a score that is not between 0 and 1")
    return {name: min(1.0, max(0.0, score)) for name, score in scores.items()}
