"""The flat OpenAPI document can be read by client generators, and means the same as the written one."""

import re
from typing import Any

import pytest
import yaml
from tools.api_page import document as openapi
from tools.api_page import flat as openapi_flat

from easel.web.reference.endpoints import document_json
from tests.web.test_openapi_document import nodes, validator

SERVED = openapi.served()


def test_the_served_document_is_flat() -> None:
    for pointer, node in nodes(SERVED):
        assert "allOf" not in node, pointer
        assert not isinstance(node.get("const"), bool), pointer
        if isinstance(node.get("$ref"), str):
            assert node.keys() == {"$ref"}, pointer
            assert re.fullmatch(r"#/components/[a-zA-Z]+/[A-Za-z]+", node["$ref"]), pointer
    for name, schema in SERVED["components"]["schemas"].items():
        if "properties" in schema:
            assert not schema.keys() & {"anyOf", "oneOf"}, name


def test_every_reference_of_the_served_document_has_a_target() -> None:
    pointers = {node["$ref"] for _, node in nodes(SERVED) if isinstance(node.get("$ref"), str)}
    assert len(pointers) > 50
    assert all(openapi_flat.target(SERVED, pointer) for pointer in pointers)


@pytest.mark.parametrize(
    ("written", "flattened"),
    [
        ({"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Cat"}),
        ({"$ref": "#/components/schemas/Cat", "description": "Hers"}, {"$ref": "#/components/schemas/Cat"}),
        ({"$ref": "#/components/schemas/Cat/properties/legs"}, {"type": "integer", "maximum": 4}),
        ({"$ref": "#/components/schemas/Cat/properties/legs", "maximum": 3}, {"type": "integer", "maximum": 3}),
        (
            {"allOf": [{"$ref": "#/components/schemas/Cat"}, {"required": ["tail"]}]},
            {"type": "object", "required": ["legs", "tail"], "properties": {
                "legs": {"type": "integer", "maximum": 4}, "tail": {"$ref": "#/components/schemas/Tail"},
            }},
        ),
        (
            {"$ref": "#/components/schemas/Cat", "properties": {"tail": {"properties": {"wags": {"const": True}}}}},
            {"type": "object", "required": ["legs"], "properties": {
                "legs": {"type": "integer", "maximum": 4},
                "tail": {"type": "object", "properties": {"wags": {"type": "boolean", "not": {"enum": [False]}}}},
            }},
        ),
        ({"const": "x"}, {"const": "x"}),
        ([{"const": 1}, "$ref"], [{"const": 1}, "$ref"]),
    ],
)  # fmt: skip
def test_a_flattened_node_means_the_same(written: Any, flattened: Any) -> None:
    cat = {
        "type": "object",
        "required": ["legs"],
        "properties": {"legs": {"type": "integer", "maximum": 4}, "tail": {"$ref": "#/components/schemas/Tail"}},
    }
    tail = {"type": "object", "properties": {"wags": {"type": "boolean"}}}
    document = {"components": {"schemas": {"Cat": cat, "Tail": tail, "Node": written}}}
    assert openapi_flat.flat(document)["components"]["schemas"]["Node"] == flattened


def test_the_served_json_is_the_flat_document() -> None:
    assert yaml.safe_load(document_json(None)) == SERVED


@pytest.mark.parametrize("name", ["ImageGenerationRequest", "OpenaiImageRequest"])
def test_null_passes_in_every_optional_property_and_in_no_other(name: str) -> None:
    schema = SERVED["components"]["schemas"][name]
    judge, right = validator(f"/components/schemas/{name}"), {"model": "z-image-turbo", "prompt": "a cute cat"}
    assert judge.is_valid(right)
    for each in schema["properties"]:
        assert judge.is_valid(right | {each: None}) is (each not in schema["required"]), each
