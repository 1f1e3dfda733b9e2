"""Checks answers against the OpenAPI document: status, headers, content type and body.

Each answer is checked by itself, without its request and without what happened before.
"""

import itertools
import json
import re
from typing import Any, Final

import httpx2
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

EVENTS: Final = "text/event-stream"


class Contract:
    """A document that answers are checked against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._registry: Registry[Any] = Registry().with_resource(
            "urn:served", Resource.from_contents(document, DRAFT202012)
        )
        # As OpenAPI has it, a path without a parameter is meant before one with.
        paths = sorted(document["paths"], key=lambda path: path.count("{"))
        self.paths = {re.sub(r"\{\w+\}", "[^/]+", path): path for path in paths}

    def assert_kept(self, response: httpx2.Response) -> None:
        """Fails unless the document describes this answer: its status, its headers, its type and its body."""
        pointer = self._pointer(response)
        described = self._at(pointer)
        for name, header in described.get("headers", {}).items():
            self._assert_header(response, name, self._resolved(header))
        if response.request.method == "HEAD" or "content" not in described:
            assert response.content == b""
            return
        media_type = response.headers["content-type"].partition(";")[0]
        assert media_type in described["content"]
        if media_type == "application/json":
            self._assert_valid(response.json(), f"{pointer}/content/application~1json/schema")
        if media_type == EVENTS and response.url.path.startswith("/openai/"):
            self._assert_openai_events(response.text)
        elif media_type == EVENTS:
            self._assert_events(response.text)

    def _assert_header(self, response: httpx2.Response, name: str, header: dict[str, Any]) -> None:
        assert name in response.headers or not header["required"], name
        if name in response.headers:
            text = response.headers[name]
            value = int(text) if header["schema"]["type"] == "integer" else text
            assert self._validator(header["schema"]).is_valid(value), (name, text)

    def _assert_events(self, stream: str) -> None:
        """Fails unless each event holds a task and the last one an ended task."""
        told = events(stream)
        for event in told:
            assert event.keys() == {"id", "event", "data"}
            task = json.loads(event["data"])
            self._assert_valid(task, "#/components/schemas/TaskEvent")
            assert event["event"] == task["status"]
        assert [event["event"] in {"completed", "failed"} for event in told] == [False] * (len(told) - 1) + [True]
        assert all(one["id"] != next_one["id"] for one, next_one in itertools.pairwise(told))

    def _assert_openai_events(self, stream: str) -> None:
        """Fails unless each event holds a picture."""
        told = events(stream)
        assert told
        for event in told:
            picture = json.loads(event["data"])
            self._assert_valid(picture, "#/components/schemas/OpenaiImageEvent")
            assert event["event"] == picture["type"]

    def _assert_valid(self, value: Any, pointer: str) -> None:
        faults = [fault.message for fault in self._validator({"$ref": f"urn:served{pointer}"}).iter_errors(value)]
        assert faults == [], (pointer, value)

    def _validator(self, schema: dict[str, Any]) -> Draft202012Validator:
        return Draft202012Validator(schema, registry=self._registry)

    def _pointer(self, response: httpx2.Response) -> str:
        """The JSON pointer to the description of this answer."""
        method, status = response.request.method.lower(), str(response.status_code)
        meant = [path for pattern, path in self.paths.items() if re.fullmatch(pattern, response.url.path)]
        path = meant[0] if meant and method in self._document["paths"][meant[0]] else None
        if path is None:
            pointer = f"#/x-any-address/{status}"
        else:
            pointer = f"#/paths/{path.replace('/', '~1')}/{method}/responses/{status}"
        reference = self._at(pointer).get("$ref")
        return pointer if reference is None else str(reference)

    def _at(self, pointer: str) -> Any:
        found: Any = self._document
        for part in pointer.removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        return found

    def _resolved(self, node: dict[str, Any]) -> Any:
        return self._at(node["$ref"]) if "$ref" in node else node


def events(stream: str) -> list[dict[str, str]]:
    """The events of a finished stream, each with its fields, without comments and `retry`."""
    assert stream.endswith("\n\n")
    blocks = [
        dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith((":", "retry: ")))
        for block in stream.removesuffix("\n\n").split("\n\n")
    ]
    return [block for block in blocks if block]
