"""Reads `openapi.yaml`, the API's contract, which is written by hand. Tests hold the code to it.

Callers share one dictionary and must not change it.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

import easel.web.reference
from tools.api_page import flat as openapi_flat
from tools.api_page.flat import Node as Node

NAME: Final = "x-name"
"""Where an expanded schema keeps the name by which it was referenced."""

_SOURCE_FILE: Final = Path(easel.web.reference.__file__).with_name("openapi.yaml")
_SCHEMAS_POINTER: Final = "#/components/schemas/"
_DEPTH_MAX: Final = 64


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document as it is written."""
    loaded = yaml.safe_load(_SOURCE_FILE.read_bytes())
    assert isinstance(loaded, dict)
    return loaded


@cache
def served() -> dict[str, Any]:
    """The document as it is served, in the form that generators of clients understand."""
    return openapi_flat.flat(document())


def expanded(document: Node) -> dict[str, Any]:
    """The document with every reference replaced by its target, and every `allOf` by the sum of its parts.

    A schema that was referenced by name keeps that name under `NAME`. Fails on a document that refers to itself.
    """
    plain: dict[str, Any] = _plain(document, document, 0)
    return plain


def _plain(document: Node, node: Any, depth: int) -> Any:
    assert depth < _DEPTH_MAX, "the document refers to itself"
    if isinstance(node, list):
        return [_plain(document, item, depth + 1) for item in node]
    if not isinstance(node, Mapping):
        return node
    below: dict[str, Any] = {}
    for part in node.get("allOf", ()):
        below = openapi_flat.merged(document, below, _plain(document, part, depth + 1))
        below.pop(NAME, None)
    pointer = node.get("$ref")
    if isinstance(pointer, str):
        below = openapi_flat.merged(
            document, below, _plain(document, openapi_flat.target(document, pointer), depth + 1)
        ) | _name(pointer)
    own = {key: _plain(document, value, depth + 1) for key, value in node.items() if key not in ("$ref", "allOf")}
    return openapi_flat.merged(document, below, own)


def _name(pointer: str) -> dict[str, str]:
    name = pointer.removeprefix(_SCHEMAS_POINTER)
    return {NAME: name} if pointer.startswith(_SCHEMAS_POINTER) and "/" not in name else {}
