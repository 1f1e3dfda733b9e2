"""The wire contract as data: `openapi.yaml`, read once per process.

The document is written by hand and is not derived from the code; tests hold the two together. Callers share one
dictionary and must not change it.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from easel.web.reference import flat as openapi_flat
from easel.web.reference.flat import Node as Node

NAME: Final = "x-name"
"""Where an expanded schema keeps the name it was referred to by."""

_DOCUMENT_FILE: Final = Path(__file__).with_name("openapi.yaml")
_SCHEMAS_POINTER: Final = "#/components/schemas/"
_DEPTH_MAX: Final = 64


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    loaded = yaml.safe_load(_DOCUMENT_FILE.read_bytes())
    assert isinstance(loaded, dict)
    return loaded


@cache
def served() -> dict[str, Any]:
    """The document as generators of clients understand it."""
    return openapi_flat.flat(document())


@cache
def document_json() -> bytes:
    """The body of `/openapi.json`, in the order in which the document is written."""
    return msgspec.json.encode(served())


def document_json_at(base_url: str) -> bytes:
    """The same for a service at an address of its own, which may have a path."""
    servers = [{**server, "url": base_url} for server in served()["servers"]]
    return msgspec.json.encode({**served(), "servers": servers})


def expanded(document: Node) -> dict[str, Any]:
    """The document with every reference replaced by what it points to, and every `allOf` by the sum of its parts.

    A schema that was referred to by name keeps that name under `NAME`. Fails on a document that refers to itself.
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
