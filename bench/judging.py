"""How long Easel's own rules take to judge a prompt, which happens in the web process before it answers.

It measures ordinary prompts and hostile ones, which produce many variants, words, terms or disguises. The slowest of
these is reported. Each prompt is new to the process, except for characters that it has seen before.
"""

import random
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from easel.domain.moderation.decision import Level
from easel.domain.moderation.rules import Rulebook
from easel.domain.order import PROMPT_CODE_POINTS_MAX
from easel.outside.judges import rulebook

SHORT: Final = 200
JUDGINGS: Final = 30
ORDINARY: Final = (
    "An old lighthouse keeper reads a letter by candlelight while a storm beats against the windows, warm colours, "
    "oil on canvas; on the table a map, a compass, two apples and a sleeping cat, highly detailed, 35 mm. "
)
HOSTILE: Final[Mapping[str, str]] = {
    "one letter": "a", "letters alone": "a ", "masked": "a*", "signs": "!", "ligatures": "ﷺ", "leet": "n4k3d ch1ld ",
    "stretched": "aaab", "mathematical": "𝓷", "Cyrillic": "обнажен ", "mixed scripts": "аa1", "Han": "裸体女孩在",
    "Han alone": "裸 ", "Kana": "エロい女の子の", "Korean": "벌거벗은 ", "Arabic": "والطفل ", "compounds": "nudechildsexporn ",
    "beginnings": "se ", "ages": "12 year ", "all disguises": "n4аaa*k ", "accents": "e\u0301\u0302 ",
    "Vietnamese": "nụ bởi ", "Thai": "เด็กเปลือย", "Hindi": "नंगा ", "Katakana": "グロバル", "commas": "n, a, k, ", "clauses": "a nude; ",
    "across words": "特色情况", "surroundings": "rape against cut in half ", "spelled": "n u d e c h i l d s e x ",
}  # fmt: skip
"""What hostile prompts repeat, by name."""


@dataclass(frozen=True, slots=True)
class Judging:
    """Milliseconds for an ordinary prompt of 200 characters and one of 2,000, and for the slowest hostile one of 2,000,
    which is named; medians."""

    short_ms: float
    long_ms: float
    hostile_ms: float
    hostile: str


def measure() -> Judging:
    """Judge all of them, in this process."""
    rules = rulebook.load()
    hostile = {name: _median_ms(rules, text, PROMPT_CODE_POINTS_MAX) for name, text in HOSTILE.items()}
    hostile["random characters"] = statistics.median(_times_ms(rules, _random_prompts()))
    slowest = max(hostile, key=lambda name: hostile[name])
    return Judging(
        _median_ms(rules, ORDINARY, SHORT),
        _median_ms(rules, ORDINARY, PROMPT_CODE_POINTS_MAX),
        hostile[slowest],
        slowest,
    )


def _median_ms(rules: Rulebook, text: str, length: int) -> float:
    prompt = (text * (length // len(text) + 1))[:length]
    return statistics.median(_times_ms(rules, iter([prompt] * JUDGINGS)))


def _times_ms(rules: Rulebook, prompts: Iterator[str]) -> Iterator[float]:
    for prompt in prompts:
        began_s = time.perf_counter()
        rules.judge(prompt, Level.STRICT)
        yield (time.perf_counter() - began_s) * 1000


def _random_prompts() -> Iterator[str]:
    """Characters from everywhere below the surrogates."""
    chance = random.Random(1)  # noqa: S311 - no secret
    for _ in range(JUDGINGS):
        yield "".join(chr(chance.randrange(0x21, 0xD800)) for _ in range(PROMPT_CODE_POINTS_MAX))
