"""Reads the filters of operators' lists from the query string. An absent or empty one lets everything through."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from starlette.requests import Request

from easel.domain.errors import InvalidRequest
from easel.domain.spans import SPAN_SENTENCE, parse_span

NAME_CHARACTERS_MAX: Final = 200


def named(request: Request, name: str) -> str | None:
    """A name. Raises InvalidRequest."""
    text = request.query_params.get(name) or None
    if text is not None and (len(text) > NAME_CHARACTERS_MAX or not text.isprintable()):
        raise InvalidRequest(f"{name} must have at most {NAME_CHARACTERS_MAX} printable characters", name)
    return text


def one_of(request: Request, name: str, known: Collection[str]) -> str | None:
    """One of several values. Raises InvalidRequest."""
    text = request.query_params.get(name) or None
    if text is not None and text not in known:
        raise InvalidRequest(f"{name} must be one of {', '.join(known)}", name)
    return text


def span(request: Request, name: str) -> timedelta | None:
    """A span of time, such as 24h. Raises InvalidRequest."""
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        return parse_span(text)
    except ValueError:
        raise InvalidRequest(f"{name} must be {SPAN_SENTENCE}", name) from None
