"""Understands the tokens of a prompt one after another: which things there are, and how they are related.

A rule looks only at the kinds of the tokens and at how the language is built, never at a single word.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from easel.engines.sketch.reading import joining
from easel.engines.sketch.reading.choosing import Around, chosen
from easel.engines.sketch.reading.following import is_ignored, is_thing, names_next, object_follows, thing_follows
from easel.engines.sketch.reading.pending import Pending
from easel.engines.sketch.reading.sights import ONE_OF, READABLE, are_two, had_as, meant
from easel.engines.sketch.reading.tokens import Token
from easel.engines.sketch.reading.whereabouts import Whereabouts
from easel.engines.sketch.reading.wish import AMOUNTS, FIELD, MANY, SEVERAL, SOME, Relation, Thing
from easel.engines.sketch.words.grammar import Grammar

THINGS_MAX: Final = 12
"""Kinds of things in one picture. More are told as not understood."""
_SETTINGS: Final = {"times": "time", "weathers": "weather", "seasons": "season", "styles": "style"}
_ALONE: Final = frozenset({"at-left", "at-right"})


class Interpretation:
    """The state of reading one prompt from its beginning to its end."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self.things: list[Thing] = []
        self.relations: list[Relation] = []
        self.settings: dict[str, str] = {}
        self.where = Whereabouts()
        self.not_understood: list[str] = []
        self._pending = Pending()
        self._relation: str | None = None
        self._verb: str | None = None  # its object comes next, and then its subject unless that came before
        self._objects: list[tuple[str, int]] = []  # of verbs whose subject comes later: `骑着马的人`
        self._kept: list[tuple[str, int]] = []  # where the doer of a verb is, if that was said before the verb
        self._following: Sequence[Token] = ()
        self._taken = Token("")
        self._is_and = False  # whether the open relation is that of `and`
        self._related = 0  # the thing that the open relation leads to, where relations stand after it
        self._is_thing_in_clause = self._is_place_near = self._is_thing_near = False
        self._noun_at: int | None = None  # the last thing, if it may be part of a compound: `chocolate cake` is a cake
        self._link_at: int | None = None  # the last word that leads from a thing to what describes it
        self._genitive_at: int | None = None  # the last word of a thing to which the next one belongs
        self._is_owned = False  # the last thing belongs to the one before, which does nothing with it: `バラの花束`
        self._gap_at: int | None = None  # the last word that is not understood
        self._at = self._count_at = 0
        self._takers: Mapping[str, Callable[[str, str, bool], None]] = {
            "things": self._thing,
            "actions": self._action,
            "counts": self._count,
            "colours": self._colour,
            "sizes": self._size,
            "relations": self._relate,
            "verbs": self._take_verb,
            "places": self._place,
            "grounds": self._ground,
        }

    def take(self, token: Token, following: Sequence[Token]) -> None:
        """Take the next token."""
        self._at += 1
        self._following, self._taken = following, token
        if token.is_boundary:
            self.end_clause()
            return
        if not token.meanings:
            self.not_understood.append(token.text)
            self._gap_at = self._at
            return
        meaning = chosen(token.meanings, self._around(following))
        self._link_at = self._at if self._is_link(token.text) else self._link_at
        if meaning.kind in _SETTINGS:
            self.settings.setdefault(_SETTINGS[meaning.kind], meaning.name)
            if self._pending.count == 1 and not names_next(following):
                self._pending.count = None
        elif meaning.kind == "counts" and self._counts_last_thing(following):
            count = AMOUNTS.get(meaning.name) or int(meaning.name)
            self.things[-1] = replace(self.things[-1], count=count, is_count_said=True)
        elif meaning.kind == "ignored":
            self._pending.is_one = token.text.casefold() in self._grammar.articles
            if token.text in self._grammar.genitives and self._noun_at == self._at - 1:
                self._genitive_at = self._at
        else:
            self._takers[meaning.kind](meaning.name, token.text, meaning.is_plural)
            if meaning.is_located and meaning.kind == "things":
                self._relate("inside", token.text, False)

    def _around(self, following: Sequence[Token]) -> Around:
        before = self._at - 1
        return Around(
            self._grammar,
            following,
            is_noun_before=self._noun_at == before,
            is_thing_near=self._is_thing_near,
            is_gap_before=self._gap_at is not None and self._gap_at > (self._noun_at or 0),
            is_linked=self._link_at == before,
            relation=self._relation,
        )

    def end_clause(self) -> None:
        """Use what is still open, at a comma or at the end."""
        self._settle()
        joining.put_on_top(self.relations, self._relation, len(self.things) - 1)
        for kind, other in self._objects:
            if other > 0:
                self._join(kind, joining.actor(self.relations, self._objects[0][1] - 1), other)
                self._verb = None
        if self._objects and self._objects[0][1] > 0:
            self._objects.clear()
        self._is_thing_near = self._is_place_near = self._is_thing_in_clause = False

    def _counts_last_thing(self, following: Sequence[Token]) -> bool:
        """Whether a number belongs to the thing before it: `사과 세 개`, `猫が二匹`."""
        if not self._grammar.relations_after or not self._is_thing_near or self.things[-1].is_count_said:
            return False
        if self._relation is not None or self._objects or self._verb is not None:
            return False
        is_next = self._grammar.counts_after and self._at - (self._noun_at or 0) <= 2
        return is_next or not names_next([token for token in following if not is_ignored(token)])

    def _action(self, name: str, word: str, _is_plural: bool) -> None:
        relation, picture = name.split()
        if self._is_read(picture):
            self._relate(relation, word, False)
            return
        if self._grammar.relations_after:
            self._take_verb(relation, word, False)
        else:
            self._relate(relation, word, False)
        self._thing(picture, word, False)

    def _is_read(self, picture: str) -> bool:
        """Whether reading has said what is read, where verbs come last."""
        is_next = self._grammar.relations_after and self._noun_at == self._at - 1
        return is_next and picture == "open-book" and self.things[-1].picture in READABLE

    def _count(self, name: str, _word: str, _is_plural: bool) -> None:
        self._pending.count, self._count_at = AMOUNTS.get(name) or int(name), self._at
        self._pending.is_one = self._pending.count == 1

    def _take_verb(self, name: str, _word: str, _is_plural: bool) -> None:
        self._verb = name

    def _thing(self, name: str, word: str, is_plural: bool) -> None:
        if len(self.things) >= THINGS_MAX:
            self.not_understood.append(word)
            self._pending = Pending()
            return
        is_said_of = self._is_describing(word)
        had = had_as(self.things[-1].picture, name.partition("*")[0]) if is_said_of else None
        if is_said_of and had is None:
            self._noun_at = self._at
            return
        if self._is_compound(word):
            self._pending = self._without_first_noun(name)
        pending, self._pending = self._pending, Pending()
        name, _, implied = name.partition("*")
        name = ONE_OF.get(name, name) if pending.count in range(2, MANY) else name
        is_several = is_plural or implied == SEVERAL
        usual = int(implied) if implied.isdigit() else SOME if is_several and not pending.is_one else 1
        count = pending.count if pending.count and pending.count > 1 else usual
        is_said = pending.count is not None
        does = (self._taken.pose, self._taken.pose_word)
        self.things.append(Thing(name, word, count, is_said, pending.colour, pending.size, *does))
        self._is_thing_near, self._is_place_near = True, False
        self._noun_at = self._at if word[:1].isalpha() else None
        self._is_owned = self._genitive_at == self._at - 1
        last = len(self.things) - 1
        if had is not None:
            self._join(had, *((last, last - 1) if had == "inside" else (last - 1, last)))
        if pending.is_aloft:
            self.relations.append(Relation("aloft", last))
        if self._verb is not None or self._objects:
            self._act(last)
        self._is_thing_in_clause = True
        if self._relation is not None and not self._objects:
            if self._relation == "as before" or not self._grammar.relations_after:
                self._join(self._relation, last - 1, last)
            else:
                self._join(self._relation, last, self._related)
            self._relation = None

    def _is_compound(self, word: str) -> bool:
        """Whether this thing follows another one directly, in a language that builds compounds so."""
        is_next = self._noun_at is not None and self._noun_at + 1 == self._at
        is_free = self._relation is None and self._verb is None
        return self._grammar.has_noun_compounds and is_next and word[:1].isalpha() and is_free

    def _is_link(self, word: str) -> bool:
        return word.casefold() in self._grammar.links and self._noun_at is not None and self._noun_at + 1 == self._at

    def _is_describing(self, word: str) -> bool:
        """Whether this thing only says what kind of thing the last one is: `tarta de chocolate`, `jus jeruk`."""
        if self._noun_at is None or self._relation is not None or self._pending.count is not None:
            return False
        if self._noun_at + 1 == self._at:
            return self._grammar.leads_itself(word)
        return self._noun_at + 2 == self._at and self._link_at == self._at - 1

    def _without_first_noun(self, name: str) -> Pending:
        """Take back the thing that turned out to describe the next one, and give what was said of it to that."""
        if are_two(self.things[-1].picture, name):
            return Pending(self.things[-1].count if self.things[-1].is_count_said else None)
        first = self.things.pop()
        self._relation = joining.released(self.relations, len(self.things)) or self._relation
        return Pending(first.count if first.is_count_said else None, [first.colour] if first.colour else [], first.size)

    def _act(self, thing: int) -> None:
        """Join a verb's object and its subject: `骑着马的人` and `人骑着马`."""
        if self._verb is None and self._relation == "next":
            self._objects.append((self._objects[-1][0], thing))
            self._relation = None
        elif self._verb is None:
            for kind, other in [*self._objects, *self._kept]:
                self._join(kind, thing, other)
            self._objects.clear()
            self._kept.clear()
        elif self._objects or self._relation is not None or not self._is_thing_in_clause:
            self._keep_for_doer(self._verb)
            self._objects.append((self._verb, thing))
        else:
            self._join(self._verb, joining.actor(self.relations, thing - 1), thing)
        self._verb = None

    def _keep_for_doer(self, verb: str) -> None:
        """Use a relation that stands before a verb, where the doer comes last.

        In `帽子と眼鏡をかけた猫` both are worn; in `ベンチの隣で傘を持つ少女` the girl is where it says.
        """
        if self._relation is None or not self._grammar.relations_after or self._objects:
            return
        if self._is_and:
            self._objects.append((verb, self._related))
        else:
            self._kept.append((self._relation, self._related))
        self._relation = None

    def _join(self, kind: str, subject: int, other: int) -> None:
        if kind == "as before":
            before = self.relations[-1]
            kind, subject = before.kind, before.subject
            if kind in joining.CARRIED and before.other is not None:
                subject, other = other, before.other
        if subject < 0 or other < 0:
            return
        if kind in joining.TURNED:
            kind, subject, other = joining.TURNED[kind], other, subject
        kind = meant(kind, self.things[other].picture)
        if kind == "flying-over":
            kind = "above"
            self.relations.append(Relation("aloft", subject))
        if not self._grammar.relations_after:
            subject = joining.doer(self.relations, kind, subject)
        if self._grammar.relations_after and kind in joining.KEPT_TOGETHER:
            joining.join_done(self.relations, kind, subject, other)
        elif kind in joining.CARRIED and not self._grammar.relations_after:
            joining.join_carried(self.relations, kind, subject, other, self.things)
        else:
            self.relations.append(Relation(kind, subject, other))

    def _colour(self, name: str, _word: str, _is_plural: bool) -> None:
        if self._grammar.adjectives_after and self._is_place_near:
            self.where.colour = self.where.colour or name
            return
        if self._grammar.adjectives_after and self._is_thing_near and self.things[-1].colour is None:
            self.things[-1] = replace(self.things[-1], colour=name)
        else:
            self._pending.colours.append(name)

    def _size(self, name: str, _word: str, _is_plural: bool) -> None:
        if self._grammar.adjectives_after and self._is_thing_near and self.things[-1].size is None:
            self.things[-1] = replace(self.things[-1], size=name)
        else:
            self._pending.size = name

    def _relate(self, name: str, _word: str, _is_plural: bool) -> None:
        if name == "and":
            self._and()
            return
        self._settle()
        if name == "containing":
            self._relation, self._related, self._is_and = name, len(self.things) - 1, False
            return
        is_over_place = name == "flying-over" and self._grammar.relations_after and self._is_place_near
        if name == "aloft" or is_over_place:
            self._aloft()
            return
        if self._grammar.relations_after and self._is_place_near and name not in joining.DONE | _ALONE:
            return
        if name in _ALONE:
            if self.things:
                self.relations.append(Relation(name, len(self.things) - 1))
        elif self._grammar.relations_after and len(self.things) >= 2 and self._is_pair_joined_by(name):
            before = len(self.things) - 2
            self._join(name, joining.actor(self.relations, before) if name in joining.DONE else before, before + 1)
        elif self._relation in (None, "next", "as before", "with") or name != "next":
            self._relation, self._related, self._is_and = name, len(self.things) - 1, False

    def _aloft(self) -> None:
        """The next thing or the last one is in the air: `a flying pig`, `a pig flying over the city`.

        Who flies something holds it: `a girl flying a kite`.
        """
        is_said_after = self._is_thing_near and self._relation is None and self._verb is None
        if is_said_after and self._around(self._following).is_acting_on_next:
            self._relate("holding", "", False)
        elif thing_follows(self._following) and not is_said_after:
            self._pending.is_aloft = True
        elif self.things:
            self.relations.append(Relation("aloft", len(self.things) - 1))

    def _and(self) -> None:
        """What is worn or held together with something else is worn or held as well."""
        last = self.relations[-1] if self.relations else None
        if last is not None and last.kind == "between" and last.other == len(self.things) - 1:
            return
        is_shared = joining.is_shared(last, self.things, is_after=self._grammar.relations_after)
        if self._relation is None:
            self._is_and = True
            self._relation, self._related = "as before" if is_shared else "next", len(self.things) - 1

    def _is_pair_joined_by(self, name: str) -> bool:
        """Whether the last two things are meant, not the last one and the next: `帽子をかぶった猫`."""
        is_doer_next = name in joining.DONE and (self._is_owned or object_follows(self._following))
        return joining.is_unrelated(self.relations, len(self.things) - 1) and not is_doer_next

    def _place(self, name: str, word: str, _is_plural: bool) -> None:
        """A place, which may only say of the next thing where it stands: `on a café table`."""
        name, _, colour = name.partition("*")
        if self._relation == "flying-over":
            self._aloft()
        if name == "sky" and (self.where.place or self._relation in ("under", "above", "next", "looking")):
            self.settings["sky"] = "clear"
        elif not self.where.take(name, self._pending.colour or colour or None, self._relation):
            self.not_understood.append(word)
        if self._grammar.has_noun_compounds and is_thing(self._following[:1]):
            return
        self._pending = Pending()
        self._relation = None
        self._is_thing_near, self._is_place_near = False, True

    def _ground(self, _name: str, _word: str, _is_plural: bool) -> None:
        """A word for the background itself: its colour is what was said before it."""
        colour = self._pending.colour
        if colour is not None or (self.things and self._grammar.adjectives_after):
            self.where.place = self.where.place or "studio"
            self.where.colour = colour or self.where.colour
            self._is_thing_near, self._is_place_near = False, colour is None
        self._pending = Pending()
        self._relation = None

    def _settle(self) -> None:
        """Give what is pending to the last thing: `the cat is black`."""
        pending, self._pending = self._pending, Pending()
        if pending.count == FIELD:
            self.where.place, pending.count = self.where.place or "meadow", None
        if self.where.place == "studio" and self.where.colour is None and pending.colours:
            self.where.colour = pending.colours[-1]
        elif self.things:
            last = self.things[-1]
            colour = last.colour or (pending.colour if self._relation not in joining.APART else None)
            self.things[-1] = replace(last, colour=colour, size=last.size or pending.size)
            is_of_last = self._count_at > (self._gap_at or 0) and self._relation is None
            if pending.count and not last.is_count_said and is_of_last:
                self.things[-1] = replace(self.things[-1], count=pending.count, is_count_said=True)
        elif pending.colours and self.where.place is None:
            self.where.place, self.where.colour = "studio", pending.colours[-1]
