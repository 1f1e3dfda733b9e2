"""Gives the young of animals their kind before a prompt is read: cubs of a polar bear are small polar bears.

A word of the section `young` names whose young it is if no animal is named: `any bear` is that of any animal, `bird
baby-chick` that of any bird, and `own cat` is always a cat, which is small beside a grown one.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from easel.engines.sketch.reading.following import names_next
from easel.engines.sketch.reading.sights import ANIMALS
from easel.engines.sketch.reading.tokens import Token
from easel.engines.sketch.words.grammar import Grammar
from easel.engines.sketch.words.lexicon import Meaning

BIRDS: Final = frozenset({
    "bird", "black-bird", "dove", "duck", "eagle", "flamingo", "goose", "ostrich", "owl", "parrot", "peacock", "penguin",
    "swan", "toucan", "turkey",
})  # fmt: skip
LIKE: Final = {"own": frozenset[str](), "bird": BIRDS, "any": ANIMALS | BIRDS | {"ox", "moose", "camel", "panda"}}
"""Whose young each word may name."""


def with_young(tokens: Sequence[Token], grammar: Grammar) -> list[Token]:
    """The tokens, of which the young are a size and an animal."""
    listed: list[Token] = []
    for at, token in enumerate(tokens):
        young = next((meaning for meaning in token.meanings if meaning.kind == "young"), None)
        if young is None or not _is_young(tokens, at):
            rest = tuple(one for one in token.meanings if one.kind != "young")
            listed.append(replace(token, meanings=rest if rest or not token.meanings else (Meaning("ignored", ""),)))
            continue
        kind, picture = young.name.split()
        named = [_animal(other) for other in (*reversed(tokens[:at]), *tokens[at + 1 :])]
        grown = next((name for name in named if name in LIKE[kind]), None)
        picture = grown or picture
        thing = replace(token, meanings=(Meaning("things", picture, young.is_plural),))
        small = [Token(token.text, (Meaning("sizes", "small"),))] if picture in named else []
        listed += [thing, *small] if grammar.adjectives_after else [*small, thing]
    return listed


def _is_young(tokens: Sequence[Token], at: int) -> bool:
    """Whether a word names the young, not only what kind of animal the word beside it means: `retriever puppy`.

    A word that means something else, such as `petit` and `Junge`, names them after a number if an animal came before,
    and after `and` or `with` if it was the last thing: `une lionne et ses petits`.
    """
    before = tokens[at - 1] if at else None
    if len(tokens[at].meanings) == 1 or (tokens[at].meanings[0].kind == "things" and _is_animals(tokens[at])):
        return before is None or not _animal(before)
    if names_next(tokens[at + 1 :]):
        return False
    is_counted = before is not None and any(meaning.kind == "counts" for meaning in before.meanings)
    return (is_counted and any(_animal(token) in LIKE["any"] for token in tokens[:at])) or _is_beside_animal(tokens, at)


def _is_beside_animal(tokens: Sequence[Token], at: int) -> bool:
    """Whether the last thing is an animal, and `and` or `with` leads on from it."""
    leads = False
    for token in reversed(tokens[:at]):
        kind, name = (token.meanings[0].kind, token.meanings[0].name) if token.meanings else ("", "")
        if kind == "things":
            return leads and _animal(token) in LIKE["any"]
        if kind == "relations" and name in ("and", "with", "next"):
            leads = True
        elif kind != "ignored":
            return False
    return False


def _is_animals(token: Token) -> bool:
    """Whether the word means an animal anyway."""
    return token.meanings[0].name.partition("*")[0] in LIKE["any"] | {"baby-chick"}


def _animal(token: Token) -> str:
    is_grown = bool(token.meanings) and token.meanings[0].kind == "things"
    is_grown = is_grown and not any(meaning.kind == "young" for meaning in token.meanings)
    return token.meanings[0].name.partition("*")[0] if is_grown else ""
