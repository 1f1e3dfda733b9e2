"""Flattens the OpenAPI document into the form that client generators understand.

The document is written compactly: it refers to parts of schemas, narrows them, and combines schemas with `allOf`. In
the flat form each schema is complete and refers to others only by name. It accepts the same values.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Node: TypeAlias = Mapping[str, Any]

_NAME_DEPTH: Final = 3
"""The number of parts in a pointer to a named component: `components`, `schemas`, `Task`."""
_ANNOTATIONS: Final = {"description", "summary"}
_SAMPLES: Final = {"default", "example", "examples"}


def flat(document: Node) -> dict[str, Any]:
    """The document without `allOf`, without siblings of `$ref`, and with references only to named components.

    `const: true` becomes `not: {enum: [false]}`, and the reverse, since many generators cannot read a boolean `const`.
    """
    flattened: dict[str, Any] = _flat(document, document)
    return flattened


def target(document: Node, pointer: str) -> Any:
    """The target of a reference within the document. Raises KeyError."""
    found: Any = document
    for part in _parts(pointer):
        found = found[part]
    return found


def merged(document: Node, below: Node, above: Node) -> dict[str, Any]:
    """Two nodes combined. Where both set a key, the upper one wins. It is meant to narrow the lower one.

    The examples and the default of a narrowed node are dropped, because they may not be allowed in the narrower one.
    """
    total = {key: value for key, value in below.items() if key not in _SAMPLES or above.keys() <= _ANNOTATIONS}
    for key, value in above.items():
        old = total.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            total[key] = merged(document, _opened(document, old), _opened(document, value))
        elif key == "required" and isinstance(old, list):
            total[key] = [*old, *(name for name in value if name not in old)]
        else:
            total[key] = value
    return total


def _flat(document: Node, node: Any) -> Any:
    if isinstance(node, list):
        return [_flat(document, item) for item in node]
    if not isinstance(node, Mapping):
        return node
    if _is_name(node):
        return {"$ref": node["$ref"]}
    if "$ref" in node or "allOf" in node:
        return _flat(document, _opened(document, node))
    plain = {key: _flat(document, value) for key, value in node.items()}
    if isinstance(plain.get("const"), bool):
        plain |= {"type": "boolean", "not": {"enum": [not plain.pop("const")]}}
    return plain


def _is_name(node: Node) -> bool:
    """Whether a node only names a component."""
    pointer = node.get("$ref")
    return isinstance(pointer, str) and len(_parts(pointer)) == _NAME_DEPTH and node.keys() <= {"$ref", *_ANNOTATIONS}


def _opened(document: Node, node: Any) -> Any:
    """A node with its own reference and `allOf` resolved. References below it stay."""
    if not isinstance(node, Mapping):
        return node
    opened: dict[str, Any] = {}
    if "$ref" in node:
        opened = _opened(document, target(document, node["$ref"]))
    for part in node.get("allOf", ()):
        opened = merged(document, opened, _opened(document, part))
    own = {key: value for key, value in node.items() if key not in ("$ref", "allOf")}
    return merged(document, opened, own)


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.removeprefix("#/").split("/")]
