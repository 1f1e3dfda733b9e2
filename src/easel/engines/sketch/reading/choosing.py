"""Chooses among the meanings of a word by what stands around it."""

from collections.abc import Sequence
from dataclasses import dataclass

from easel.engines.sketch.reading.following import is_ignored, names_next, object_follows, thing_follows
from easel.engines.sketch.reading.tokens import Token
from easel.engines.sketch.words.grammar import Grammar
from easel.engines.sketch.words.lexicon import Meaning


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a word: before it, as the reader has understood it, and the tokens after it."""

    grammar: Grammar
    following: Sequence[Token]
    is_noun_before: bool
    """Whether a thing stands directly before."""
    is_thing_near: bool
    """Whether the last thing is near enough for an adjective after it."""
    is_gap_before: bool
    """Whether a word that is not understood stands between that thing and this word."""
    is_linked: bool
    """Whether a word stands before that leads from a thing to what describes it."""
    relation: str | None

    @property
    def is_acting_on_next(self) -> bool:
        """Whether the last thing does something with the next one: `a man reading the newspaper`."""
        return self.is_thing_near and object_follows(self.following) and not self.grammar.relations_after

    def is_inside(self, place: Meaning) -> bool:
        """Whether something is in what is named here, as the word before or after it says."""
        if not self.grammar.relations_after:
            return self.relation == "inside"
        after = (token.meanings[0] for token in self.following if token.meanings and not is_ignored(token))
        return place.is_located or next((meaning.name == "inside" for meaning in after), False)

    @property
    def is_describing_last(self) -> bool:
        """Whether an adjective here belongs to the last thing."""
        return self.grammar.adjectives_after and self.is_thing_near and self.relation is None


def chosen(meanings: tuple[Meaning, ...], around: Around) -> Meaning:
    """The meaning that fits: `orange` is a colour before a thing, or after one where adjectives come after."""
    by_kind = {meaning.kind: meaning for meaning in reversed(meanings)}
    if meanings[0].kind == "actions" and around.is_acting_on_next:
        return Meaning("relations", meanings[0].name.split()[0])
    if "actions" in by_kind and "relations" in by_kind:
        return by_kind["relations" if thing_follows(around.following) else "actions"]
    if "places" in by_kind and around.is_inside(by_kind["places"]):
        return by_kind["places"]
    if "things" in by_kind and "relations" in by_kind:
        is_verb = around.is_noun_before and object_follows(around.following)
        return by_kind["relations" if is_verb else "things"]
    if "things" in by_kind and "ignored" in by_kind:
        is_adjective = around.is_describing_last or names_next(around.following)
        return by_kind["ignored" if is_adjective else "things"]
    if "things" in by_kind and "colours" in by_kind:
        return by_kind["colours" if _is_colour(around) else "things"]
    return meanings[0]


def _is_colour(around: Around) -> bool:
    if around.is_linked:
        return False
    if around.grammar.adjectives_after:
        return around.is_describing_last and not around.is_gap_before
    return names_next(around.following)
