"""Whether a request is valid by the OpenAPI document and by the rules that the contract adds in prose.

It checks what was sent, not what a generator intended. It does not know what exists in the service.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from easel.domain import callback
from tests.support.running_service import GENERATIONS


class RequestRules:
    """A document that requests are checked against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._registry: Registry[Any] = Registry().with_resource(
            "urn:document", Resource.from_contents(document, DRAFT202012)
        )

    def is_good(self, method: str, path: str, url: str, headers: Mapping[str, str], body: bytes | None) -> bool:
        """Whether the document and the contract's prose allow this request to the operation at `path`."""
        item = self._document["paths"][path]
        operation = item[method.lower()]
        parameters = [self._resolved(each) for each in (*item.get("parameters", ()), *operation.get("parameters", ()))]
        sent = {
            "path": _path_values(path, url),
            "query": _query_values(url),
            "header": {name.lower(): text for name, text in headers.items()},
        }
        return (
            all(self._is_good_parameter(each, sent) for each in parameters)
            and not _breaks_period(path, sent["query"])
            and ("requestBody" not in operation or self._is_good_body(path, operation["requestBody"], body))
        )

    def _is_good_parameter(self, parameter: dict[str, Any], sent: Mapping[str, Mapping[str, str]]) -> bool:
        schema = self._resolved(parameter["schema"])
        name = parameter["name"].lower() if parameter["in"] == "header" else parameter["name"]
        text = sent[parameter["in"]].get(name)
        if text is None:
            return not parameter["required"]
        is_number = schema["type"] == "integer" and re.fullmatch("[0-9]{1,9}", text)
        return "\0" not in text and self._is_valid(schema, int(text) if is_number else text.strip(" \t"))

    def _is_good_body(self, path: str, described: dict[str, Any], body: bytes | None) -> bool:
        try:
            value = json.loads(body or b"")
        except ValueError:
            return False
        schema = described["content"]["application/json"]["schema"]
        return self._is_valid(schema, value) and not _breaks_words(path, value)

    def _is_valid(self, schema: dict[str, Any], value: Any) -> bool:
        if "$ref" in schema:
            schema = {"$ref": f"urn:document{schema['$ref']}"}
        return Draft202012Validator(schema, registry=self._registry).is_valid(value)

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        found: Any = node
        if "$ref" in node:
            found = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
        return dict(found)


def _path_values(path: str, url: str) -> dict[str, str]:
    match = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]*)", path), urlsplit(url).path)
    return {} if match is None else {name: unquote(text) for name, text in match.groupdict().items()}


def _query_values(url: str) -> dict[str, str]:
    return {name: texts[-1] for name, texts in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}


def _breaks_period(path: str, query: Mapping[str, str]) -> bool:
    """Whether days that match their schemas are none, or no period that is short enough."""
    if not path.startswith("/v1/usage"):
        return False
    today = datetime.now(UTC).date()
    try:
        last = date.fromisoformat(query.get("to") or today.isoformat())
        first = date.fromisoformat(query["from"]) if query.get("from") else last
    except ValueError:
        return True
    return not 0 <= (last - first).days <= 365


def _breaks_words(path: str, order: dict[str, Any]) -> bool:
    """Whether a body that matches its schema breaks a rule in prose."""
    callback_url = order.get("callback_url")
    return (
        any(isinstance(order.get(name), float) for name in ("seed", "n"))  # to JSON Schema 7.0 is a whole number
        or any(char == "\0" or "\ud800" <= char <= "\udfff" for char in order.get("prompt", ""))
        or (path == GENERATIONS and "response_format" in order)
        or (callback_url is not None and callback.PUBLIC_ONLY.url_fault(callback_url) is not None)
    )
