"""Maps the labels and outputs of picture classifiers to Easel's categories.

Pure. Labels are compared regardless of case and of the separators between their words. Unknown labels, and those of
pictures that are never refused (`neutral`, `drawings`, `sexy` …), do not count.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from easel.domain.moderation.decision import Category

_MEANINGS: Final[Mapping[str, Category]] = {
    "nsfw": Category.SEXUAL,
    "porn": Category.SEXUAL,
    "pornography": Category.SEXUAL,
    "hentai": Category.SEXUAL,
    "explicit": Category.SEXUAL,
    "sexual": Category.SEXUAL,
    "nudity": Category.SEXUAL,
    "unsafe": Category.SEXUAL,
    "gore": Category.VIOLENCE_GRAPHIC,
    "blood": Category.VIOLENCE_GRAPHIC,
    "violence": Category.VIOLENCE_GRAPHIC,
    "graphic": Category.VIOLENCE_GRAPHIC,
    "hate": Category.HATE,
    "hate_symbols": Category.HATE,
    "self_harm": Category.SELF_HARM,
}
_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")
_SUM_SLACK: Final = 4e-3
"""How far the sum of probabilities may differ from 1 in half precision."""


def meaning(label: str) -> Category | None:
    """The category that a label stands for, if any."""
    return _MEANINGS.get(_BETWEEN_WORDS.sub("_", label.casefold()).strip("_"))


def are_probabilities(outputs: Sequence[float]) -> bool:
    """Whether a model's outputs are already probabilities. Some exported models end in a softmax."""
    return all(0 <= output <= 1 for output in outputs) and abs(sum(outputs) - 1) <= _SUM_SLACK


def softmax(logits: Sequence[float]) -> list[float]:
    """One probability per label; their sum is 1."""
    highest = max(logits)
    weights = [math.exp(logit - highest) for logit in logits]
    return [weight / sum(weights) for weight in weights]


def sigmoid(logits: Sequence[float]) -> list[float]:
    """One independent probability per label."""
    # With tanh, because exp overflows for large numbers.
    return [0.5 * (1 + math.tanh(logit / 2)) for logit in logits]


def scores(labels: Sequence[str], probabilities: Sequence[float], *, exclude_each_other: bool) -> dict[str, float]:
    """A score for every category that has labels: the sum over its labels if labels exclude each other, else the
    highest."""
    found: dict[str, float] = {}
    for label, probability in zip(labels, probabilities, strict=True):
        category = meaning(label)
        if category is not None:
            before = found.get(category, 0.0)
            found[category] = min(1.0, before + probability) if exclude_each_other else max(before, probability)
    return found
