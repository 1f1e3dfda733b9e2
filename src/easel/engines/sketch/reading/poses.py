"""Gives things the poses that a prompt says they have, before it is read: `a running dog`, `a cat sleeping on a sofa`.
It also finds from how near things are seen: `a portrait of a woman`.

A phrase may say a pose and a relation at once, such as `sitting on`; then it keeps the relation. Whether it says a pose
is told by the tables, or by one of its words.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from easel.engines.sketch.reading.tokens import Token
from easel.engines.sketch.words.grammar import Grammar
from easel.engines.sketch.words.lexicon import Language, Meaning
from easel.engines.sketch.words.spelling import normal

BETWEEN: Final = frozenset({"colours", "sizes"})
"""What may stand between a pose and the thing after it."""
BELONGING: Final = frozenset({"holding", "wearing", "with", "on", "inside", "under"})
"""Relations before a thing that does nothing: in `a cat on a sofa sleeping`, the cat sleeps."""
TAKEN: Final = frozenset({"poses", "views"})
IGNORED: Final = Meaning("ignored", "")


def with_poses(tokens: Sequence[Token], language: Language) -> list[Token]:
    """The tokens, of which those that name things carry what these do."""
    listed = list(tokens)
    for at, token in enumerate(tokens):
        pose = _pose(token, language)
        rest = tuple(meaning for meaning in token.meanings if meaning.kind not in TAKEN)
        if token.meanings and rest != token.meanings:
            listed[at] = replace(token, meanings=rest or (IGNORED,))
        if pose is None:
            continue
        for owner in _owners(listed, at, language.grammar):
            if listed[owner].pose is None:
                listed[owner] = replace(listed[owner], pose=pose, pose_word=token.text)
    return listed


def _pose(token: Token, language: Language) -> str | None:
    """The pose that a token says."""
    words = [normal(word) for word in token.text.split()] if _kind(token) == "relations" else []
    meanings = [*token.meanings, *(meaning for word in words for meaning in language.own.get(word, ()))]
    return next((meaning.name for meaning in meanings if meaning.kind == "poses"), None)


def view_of(tokens: Sequence[Token]) -> str | None:
    """From how near things are seen, if the prompt says it."""
    views = (meaning.name for token in tokens for meaning in token.meanings if meaning.kind == "views")
    return next(views, None)


def _owners(tokens: Sequence[Token], at: int, grammar: Grammar) -> list[int]:
    """Who does it: the thing directly after it, or the one that was spoken of, and both of `a and b`."""
    is_relation = _kind(tokens[at]) == "relations" and not grammar.relations_after
    after = None if is_relation else _next_thing(tokens, at, grammar.relations_after)
    before = [index for index in range(at) if _kind(tokens[index]) == "things"]
    if after is not None or not before:
        later = (index for index in range(at, len(tokens)) if _kind(tokens[index]) == "things")
        found = after if after is not None else next(later, None)
        return [] if found is None else [found]
    start = max((index + 1 for index in range(at) if tokens[index].is_boundary), default=0)
    near = [index for index in before if index >= start] or before[-1:]
    if grammar.relations_after:
        return near[:1]
    while len(near) > 1 and _relations(tokens, near[-2], near[-1]) & BELONGING:
        near.pop()
    both = len(near) > 1 and _relations(tokens, near[-2], near[-1]) == {"and"}
    return near[-2:] if both else near[-1:]


def _next_thing(tokens: Sequence[Token], at: int, may_skip: bool) -> int | None:
    """The thing that the next words name, with nothing between but what is said of it."""
    for index in range(at + 1, len(tokens)):
        kind = _kind(tokens[index])
        if kind == "things":
            return index
        if kind not in BETWEEN and not (may_skip and kind == "ignored"):
            return None
    return None


def _relations(tokens: Sequence[Token], start: int, end: int) -> set[str]:
    between = [meaning for token in tokens[start + 1 : end] for meaning in token.meanings[:1]]
    return {meaning.name for meaning in between if meaning.kind == "relations"}


def _kind(token: Token) -> str:
    return token.meanings[0].kind if token.meanings else ""
