"""Gives people the looks that a prompt says they have, before it is read: hair, a beard, what they do for a living.

Parts of the body are no things of their own: `a cat with green eyes` is a cat, and the eyes are told as not understood;
`a parrot on a pirate's shoulder` is on the pirate. A trade may be a person who holds something, such as a violinist.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from easel.engines.sketch.reading.tokens import Token
from easel.engines.sketch.words.grammar import Grammar
from easel.engines.sketch.words.lexicon import Meaning

HAIR_OF: Final = {
    "red": "red-hair", "orange": "red-hair", "yellow": "blonde-hair", "gold": "blonde-hair", "beige": "blonde-hair",
    "white": "white-hair", "gray": "white-hair", "silver": "white-hair", "black": "", "brown": "",
}  # fmt: skip
"""Hair by its colour. Pictures of people have black or brown hair if nothing is said."""
GENDERS: Final = {
    "man": "man", "men": "man", "boy": "man", "old-man": "man", "woman": "woman", "women": "woman", "girl": "woman",
    "old-woman": "woman", "person": "person", "people": "person", "child": "person",
}  # fmt: skip
"""Whose picture with such hair stands for a person."""
OLD: Final = frozenset({"old-man", "old-woman"})
SOON: Final = 5
"""How many tokens after a trade may name what it holds."""
BESIDE: Final = frozenset({"ignored", "colours", "sizes", "counts"})
"""What may stand between a part and what joins it to its owner."""


def with_looks(tokens: Sequence[Token], grammar: Grammar) -> list[Token]:
    """The tokens, of which those that say how someone looks are used or told."""
    listed = list(_with_trades(tokens))
    gone: set[int] = set()
    for at, token in enumerate(listed):
        look = next((meaning.name for meaning in token.meanings if meaning.kind == "looks"), None)
        if look is None:
            continue
        rest = tuple(meaning for meaning in token.meanings if meaning.kind != "looks")
        if look in ("part", "limb"):
            if not _has_owner(listed, at, grammar):
                listed[at] = Token(token.text, rest)
                continue
            beside = _beside(listed, at, grammar)
            listed[at] = Token(token.text)
            gone |= {*_joining(listed, at), *(beside if look == "part" else ()), *([at] if look == "limb" else ())}
            continue
        beside = {index for index in _beside(listed, at, grammar) if _kind(listed[index]) == "colours"}
        beside = beside if look in ("hair", "beard") else set()
        person = _person(listed, at)
        drawn = _drawn(listed[person], _hair(listed, look, beside)) if person is not None else None
        if person is None or drawn is None:
            listed[at] = Token(token.text, () if person is not None else rest)
            gone |= {*_joining(listed, at), *beside} if person is not None else set()
            continue
        listed[person] = replace(listed[person], meanings=drawn)
        gone |= {at, *_joining(listed, at), *beside}
    return [token for at, token in enumerate(listed) if at not in gone]


def _with_trades(tokens: Sequence[Token]) -> Iterator[Token]:
    """The tokens, with `singer holding violin` as a singer and what is done, unless the violin is named soon."""
    for at, token in enumerate(tokens):
        trade = next((meaning for meaning in token.meanings if meaning.kind == "trades"), None)
        if trade is None:
            yield token
            continue
        person, deed = trade.name.split(" ", 1)
        yield replace(token, meanings=(Meaning("things", person, trade.is_plural),))
        soon = {meaning.name for after in tokens[at + 1 : at + SOON] for meaning in after.meanings}
        if deed.split(" ")[1] not in soon:
            yield Token(token.text, (Meaning("actions", deed),))


def _kind(token: Token) -> str:
    return token.meanings[0].kind if token.meanings else ""


def _is_person(token: Token) -> bool:
    return _kind(token) == "things" and _gender(token.meanings[0].name) != ""


def _gender(picture: str) -> str:
    return GENDERS.get(picture.partition("*")[0], "")


def _person(listed: Sequence[Token], at: int) -> int | None:
    """Who looks so: whoever is named next, or who was named last."""
    for after in range(at + 1, len(listed)):
        if _is_person(listed[after]):
            return after
        if _kind(listed[after]) != "ignored" or listed[after].is_boundary:
            break
    return next((before for before in range(at - 1, -1, -1) if _is_person(listed[before])), None)


def _hair(listed: Sequence[Token], look: str, beside: set[int]) -> str | None:
    """The name of the hair. None if no picture has it, and empty if every picture has."""
    colours = [listed[at].meanings[0].name for at in sorted(beside) if _kind(listed[at]) == "colours"]
    return HAIR_OF.get(colours[0]) if look == "hair" and colours else "" if look == "hair" else look


def _drawn(person: Token, hair: str | None) -> tuple[Meaning, ...] | None:
    """The person with the hair. None if there is no such picture."""
    meaning = person.meanings[0]
    name, _, count = meaning.name.partition("*")
    gender = _gender(name)
    is_natural = name in OLD and hair in ("white-hair", "beard")
    if hair is None or hair == "" or is_natural:
        return None if hair is None else person.meanings
    if name in OLD or (hair == "beard" and gender == "woman"):
        return None
    drawn = f"{gender}-{hair}" + (f"*{count}" if count else "")
    return (Meaning("things", drawn, meaning.is_plural, meaning.is_located),)


def _has_owner(listed: Sequence[Token], at: int, grammar: Grammar) -> bool:
    """Whether something has been named that the part may belong to."""
    if any(_kind(token) == "things" for token in listed[:at]):
        return True
    after = [_kind(token) for token in listed[at + 1 : at + 4] if _kind(token) != "ignored"]
    return grammar.relations_after and after[:1] == ["things"]


def _beside(listed: Sequence[Token], at: int, grammar: Grammar) -> set[int]:
    """Where the colours, sizes and numbers of a part stand."""
    found = set()
    for before in range(at - 1, -1, -1):
        if listed[before].is_boundary or _kind(listed[before]) not in BESIDE:
            break
        found.add(before)
    if grammar.adjectives_after:
        found.clear()
        for after in range(at + 1, len(listed)):
            if listed[after].is_boundary or _kind(listed[after]) not in BESIDE - {"counts"}:
                break
            found.add(after)
    return {index for index in found if _kind(listed[index]) != "ignored"}


def _joining(listed: Sequence[Token], at: int) -> set[int]:
    """Where the relation stands that only leads to a part, unless it leads on to what has the part or to more."""
    after = [_kind(token) for token in listed[at + 1 : at + 4] if _kind(token) not in BESIDE]
    is_and = bool(after) and any(
        meaning.kind == "relations" and meaning.name == "and"
        for token in listed[at + 1 : at + 4]
        if _kind(token) == after[0]
        for meaning in token.meanings
    )
    if is_and or after[:1] == ["things"]:
        return set()
    for before in range(at - 1, -1, -1):
        if _kind(listed[before]) == "relations":
            return {before}
        if listed[before].is_boundary or _kind(listed[before]) not in BESIDE:
            break
    return set()
