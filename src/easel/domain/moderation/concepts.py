"""The concepts that the code treats specially, by their names in `rules.toml`.

A term names one or more concepts: `nude` names nudity. All other concepts matter only to the rules that list them.
"""

from typing import Final

LITTLE_ELSE: Final = "little_else"
"""Added to a prompt that has hardly any words besides terms. No term names it."""
OTHER_WORDS_MAX: Final = 2
"""A prompt with more other words does not get LITTLE_ELSE."""

HIDING: Final = frozenset({"innocent", "adult", "cherub"})
"""Named by phrases that hide the words in them: `naked mole rat`, `grown-up girl`."""

YOUNG: Final = frozenset({"minor", "teen", "unclear_age"})
"""People who are or may be under age."""

LIVING: Final = YOUNG | {"person", "adult", "real_person", "creature"}
CUT_APART: Final = "cut_apart"
"""Gore only next to one of LIVING: `a man cut in half`, but not `a watermelon cut in half`."""

CANCELLABLE: Final = frozenset({"self_harm", "assault", "coerced", "terror"})
"""Cancelled by nearby words of prevention or help: `overcoming suicidal thoughts`."""
URGED: Final = "self_harm_urged"
"""Addressed to somebody, as in `kill yourself`, so no nearby words cancel it."""

NEUTRAL: Final = frozenset(
    {
        "person",
        "depiction",
        "display",
        "real_look",
        "invented",
        "adult",
        "innocent",
        "encourage",
        "glorify",
        "old_art",
        "creature",
    }
)
"""Harmless alone. Their terms are no evidence that a prompt is in the term's language."""
