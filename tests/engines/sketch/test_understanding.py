"""The prompts of `make eval-sketch` are understood at least as well as its documentation says."""

from typing import Final

from tools.sketch_evaluation.expectation import own_cases
from tools.sketch_evaluation.scoring import score

from easel.engines.sketch.pictures.library import Library

HELD: Final = {"things": 97.0, "counts": 97.0, "colours": 95.0, "relations": 92.0, "places": 95.0}
"""The aims that are reached, in % of what the prompts name."""


def test_the_aims_that_are_reached_stay_reached(library: Library) -> None:
    measured = score(own_cases(), library, seeds=[1], sizes_px=[(512, 512), (768, 432)])
    lost = {kind: share for kind, least in HELD.items() if (share := measured.share(kind) or 0.0) < least}
    assert lost == {}


def test_every_language_has_twenty_prompts() -> None:
    languages = [case.language for case in own_cases()]
    assert {language: languages.count(language) for language in languages} == dict.fromkeys(languages, 20)
    assert len(set(languages)) == 15
