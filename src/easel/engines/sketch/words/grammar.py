"""How a language is built, as far as reading needs it: what words lose before they are compared, and what stands where.

The section `grammar` of a table may have these lines:

- `endings`: what words lose before they are compared, longest first, for plurals and cases; `old>new` puts something in
  its place
- `beginnings`: the same for articles and prepositions that are written together with a word
- `plurals`: those of the endings that say that there are several
- `duals`: how a word changes that says that there are two: `ة>تان`
- `links`: words between a thing and another one that only describes it, such as `de` in `tarta de chocolate`; `-` if
  nothing stands between them
- `having`: words between somebody and what they wear, such as `au` in `un homme au chapeau`
- `articles`: words before a thing that say that it is one and belong to the ignored words, such as `a`
- `genitives`: words between a thing and another one that belongs to it, such as `の`
- `located`: those of the endings that say that something is on or in a thing
- `joined`: those of the endings that say that another thing follows, such as `와` in `고양이와 개`
- `measures`: words between a number and a thing, such as `只` in `三只猫`; `counts = after` if they often follow the
  thing
- `adjectives = after`: a colour or size belongs to the thing before it
- `relations = after`: a relation stands after the thing that it leads to
- `accents = optional`: many leave the accents out
- `cases = yes`: words change so much that they are best compared without their endings
- `umlauts = yes`: many write `ae` for `ä`
- `marks = needed`: most words are other words without their accents
- `spaces = no`: words are not separated
- `compounds = yes`: words are made of words
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Grammar:
    """How a language is built, as far as it matters here."""

    endings: tuple[tuple[str, str], ...] = ()
    beginnings: tuple[str, ...] = ()
    plurals: frozenset[str] = frozenset()
    duals: tuple[tuple[str, str], ...] = ()
    links: frozenset[str] = frozenset()
    having: frozenset[str] = frozenset()
    articles: frozenset[str] = frozenset()
    genitives: frozenset[str] = frozenset()
    adjectives_after: bool = False
    are_accents_optional: bool = False
    has_umlauts: bool = False
    has_cases: bool = False
    are_marks_needed: bool = False
    relations_after: bool = False
    has_spaces: bool = True
    has_compounds: bool = False
    located: frozenset[str] = frozenset()
    joined: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    counts_after: bool = False

    @property
    def has_noun_compounds(self) -> bool:
        """Whether a noun before another one describes it: `chocolate cake`."""
        return self.has_spaces and not (self.adjectives_after or self.relations_after or "-" in self.links)

    def leads_itself(self, word: str) -> bool:
        """Whether a word begins with what leads from a thing to it, such as `d'eau`, or needs nothing of the kind."""
        start = word.casefold().replace("’", "'").partition("'")
        return "-" in self.links or (bool(start[1]) and start[0] + start[1] in self.links)

    @functools.cached_property
    def endings_by_length(self) -> tuple[tuple[int, Mapping[str, list[str]]], ...]:
        """What stands in the place of each ending, by the ending's length, longest first."""
        found: dict[int, dict[str, list[str]]] = {}
        for ending, replacement in self.endings:
            found.setdefault(len(ending), {}).setdefault(ending, []).append(replacement)
        return tuple(sorted(found.items(), reverse=True))


def stems(phrase: str, grammar: Grammar) -> Iterator[tuple[str, bool]]:
    """What a phrase may be without its endings and beginnings, each with whether that says that there are several."""
    heads = [phrase]
    if phrase.startswith(grammar.beginnings):
        heads += [phrase[len(start) :] for start in grammar.beginnings if phrase.startswith(start)]
    for head in heads:
        if head != phrase and len(head) > 1:
            yield head, False
        longest = len(head) - (1 if head[:1] > "\u1100" else 2)
        for length, endings in grammar.endings_by_length:
            if length <= longest:
                for replacement in endings.get(head[-length:], ()):
                    yield head[:-length] + replacement, head[-length:] in grammar.plurals


def grammar_of(lines: Mapping[str, str]) -> Grammar:
    """The grammar that a table tells, by the names of its lines."""

    def listed(name: str) -> list[str]:
        return lines.get(name, "").split()

    def pairs(name: str) -> list[tuple[str, str]]:
        return [(pair.split(">")[0], pair.split(">")[1] if ">" in pair else "") for pair in listed(name)]

    return Grammar(
        endings=tuple(sorted(pairs("endings"), key=lambda pair: -len(pair[0]))),
        beginnings=tuple(listed("beginnings")),
        plurals=frozenset(listed("plurals")),
        duals=tuple(pairs("duals")),
        links=frozenset(listed("links")),
        having=frozenset(listed("having")),
        articles=frozenset(listed("articles")),
        genitives=frozenset(listed("genitives")),
        adjectives_after=lines.get("adjectives", "").strip() == "after",
        relations_after=lines.get("relations", "").strip() == "after",
        are_accents_optional=lines.get("accents", "").strip() == "optional",
        are_marks_needed=lines.get("marks", "").strip() == "needed",
        has_cases=lines.get("cases", "").strip() == "yes",
        has_umlauts=lines.get("umlauts", "").strip() == "yes",
        has_spaces=lines.get("spaces", "").strip() != "no",
        located=frozenset(listed("located")),
        joined=tuple(listed("joined")),
        measures=tuple(listed("measures")),
        counts_after=lines.get("counts", "").strip() == "after",
        has_compounds=lines.get("compounds", "").strip() == "yes",
    )
