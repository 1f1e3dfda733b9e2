"""Looks at the tokens that come next, where a word's meaning depends on them. It takes none of them."""

from collections.abc import Sequence

from easel.engines.sketch.reading.tokens import Token


def thing_follows(following: Sequence[Token]) -> bool:
    """Whether the next word with a meaning of its own names a thing."""
    kinds = [token.meanings[0].kind for token in following if token.meanings and not token.is_boundary]
    named = [kind for kind in kinds if kind not in ("ignored", "counts", "colours", "sizes")]
    return bool(named) and named[0] == "things"


def object_follows(following: Sequence[Token]) -> bool:
    """Whether a thing is named next, with nothing between but what is said of it."""
    for token in following:
        kind = token.meanings[0].kind if token.meanings else ""
        if kind not in ("ignored", "counts", "colours", "sizes"):
            return kind == "things"
    return False


def is_thing(following: Sequence[Token]) -> bool:
    """Whether the first token names a thing."""
    return bool(following) and bool(following[0].meanings) and following[0].meanings[0].kind == "things"


def is_ignored(token: Token) -> bool:
    """Whether a token needs no picture."""
    return bool(token.meanings) and token.meanings[0].kind == "ignored"


def names_next(following: Sequence[Token]) -> bool:
    """Whether a thing, a place or the background is named next, perhaps after its colours and sizes."""
    for token in following:
        if token.is_boundary or not token.meanings:
            return False
        kind = token.meanings[0].kind
        if kind in ("things", "places", "grounds"):
            return True
        if kind not in ("colours", "sizes"):
            return False
    return False


def told(tokens: Sequence[Token], not_understood: Sequence[str]) -> tuple[str, ...]:
    """What a picture will not show, each word once: what was not understood, and what is understood but never shown."""
    unshown = [token.text for token in tokens if any(meaning.kind == "unshown" for meaning in token.meanings)]
    return tuple(dict.fromkeys([*not_understood, *unshown]))
