"""Composes prompts and counts the verdicts on their scenes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read
from tools.sketch_evaluation.expectation import Case
from tools.sketch_evaluation.judging import Judge

SIZES_PX: Final = ((512, 512), (768, 432), (432, 768))
AIMS: Final = {"things": 97.0, "counts": 97.0, "colours": 95.0, "relations": 92.0, "places": 95.0}
"""What must be right, in % of what is asked for."""


@dataclass(slots=True)
class Score:
    """How much was asked for and how much of it is right, by language and kind, over all scenes."""

    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    right: Counter[tuple[str, str]] = field(default_factory=Counter)
    missing: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    """In how many scenes something is wrong: language, prompt, kind and what was asked for."""
    unasked: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """In how many scenes a picture is that nothing asked for: language, prompt and picture."""
    undrawable: int = 0
    prompts: int = 0
    scenes: int = 0

    def languages(self) -> list[str]:
        """The languages, in alphabetical order."""
        return sorted({language for language, _ in self.asked})

    def share(self, kind: str, language: str | None = None) -> float | None:
        """What is right, in % of what is asked for. None if nothing is asked for."""
        keys = [key for key in self.asked if key[1] == kind and language in (None, key[0])]
        asked = sum(self.asked[key] for key in keys)
        return 100 * sum(self.right[key] for key in keys) / asked if asked else None

    def below_aim(self) -> list[str]:
        """The kinds that do not reach their aim."""
        return [kind for kind, aim in AIMS.items() if (share := self.share(kind)) is not None and share < aim]


def score(
    cases: Iterable[Case], library: Library, seeds: Sequence[int], sizes_px: Sequence[tuple[int, int]] = SIZES_PX
) -> Score:
    """The score of all cases."""
    judge, total = Judge(library), Score()
    for case in cases:
        wish = read(case.prompt, library.emoji)
        total.prompts += 1
        total.undrawable += len(case.expected.undrawable)
        for width_px, height_px in sizes_px:
            for seed in seeds:
                scene = compose(wish, width_px, height_px, seed, library)
                total.scenes += 1
                for verdict in judge.verdicts(case.expected, scene, wish):
                    total.asked[case.language, verdict.kind] += 1
                    total.right[case.language, verdict.kind] += verdict.is_right
                    if not verdict.is_right:
                        total.missing[case.language, case.prompt, verdict.kind, verdict.asked] += 1
                for picture in judge.unasked(case.expected, scene):
                    total.unasked[case.language, case.prompt, picture] += 1
    return total
