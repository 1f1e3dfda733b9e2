"""Reading: what is found in a view of a prompt, and what is known of the prompt's words while it is read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from easel.domain.moderation.doubts import Doubts
from easel.domain.moderation.surroundings import Breaks
from easel.domain.moderation.terms import Term


class Known(NamedTuple):
    """What is known of a word by itself: the terms in it, how many words it has besides them, and whether terms of several
    words may begin with it."""

    terms: Sequence[Term]
    other_words: float
    may_go_on: bool


@dataclass(slots=True)
class Found:
    """What a view has: the term that each concept was found by first, and how many words there are besides terms.

    Two signs of a script without blanks count as a word.
    """

    concepts: dict[str, str] = field(default_factory=dict)
    other_words: float = 0
    doubtful: list[Term] = field(default_factory=list)

    def note(self, term: Term) -> None:
        """That this term is in the view."""
        for concept in term.concepts:
            self.concepts.setdefault(concept, term.text)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a prompt's words by now, and which phrases two of them may begin. Words that are `dull`, with how
    many words they count as, have no terms and begin no phrases. `plain` are the words of the first view,
    and `hidden` what neighbours among them make together that are hidden."""

    doubts: Doubts
    breaks: Breaks
    words: dict[str, Known] = field(default_factory=dict)
    dull: dict[str, float] = field(default_factory=dict)
    pairs: dict[tuple[str, str], list[Term]] = field(default_factory=dict)
    plain: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Cover:
    """Before which word of a view the phrases end that were found, and those that hide; and of one word, if the last of
    these ends within it, how many signs are hidden."""

    ends_before: int = 0
    hides_before: int = 0
    hides_in: int = -1
    hidden_signs: int = 0
