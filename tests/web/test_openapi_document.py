"""The OpenAPI document against the hosted API's own, against itself, and against the domain's rules.

Whether the service answers as the document says is tested where the service is tested.
"""

import copy
import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from tools.api_page import document as openapi

from easel.domain import delivery, errors, order, task
from easel.web.edge import limits as edge_limits
from easel.web.edge import refusing
from tests.support.paths import DATA, ROOT

VENDOR: dict[str, Any] = yaml.safe_load(DATA.joinpath("z-image-turbo.openapi.yaml").read_bytes())
OURS = openapi.document()
SERVED = openapi.served()

DIFFERS = {
    "/info": "Easel's own name, version and licence",
    "/servers": "self-hosted: the server is the one that serves the document",
    "/paths/~1v1~1images~1generations/post/summary": "the vendor's product title",
    "/paths/~1v1~1images~1generations/post/description": "its facts are kept; its link leads to the vendor's site",
    "/paths/~1v1~1images~1generations/post/responses/200/content/application~1json/schema/$ref": (
        "where a client waits, the answer is the task in any of its shapes; without, it is the vendor's"
    ),
    "/components/securitySchemes/bearerAuth/description": "sends the reader to the vendor's dashboard for a key",
    "/components/schemas/ImageGenerationRequest/properties/size/enum": "stands in anyOf, beside the pattern of WxH",
    **{
        f"/components/schemas/ImageGenerationRequest/properties/{name}/type": "null is taken for absent"
        for name in ("size", "seed", "nsfw_check", "callback_url")
    },
}

KEY_REFUSED = errors.InvalidRequest("Idempotency-Key must be 16 to 96 letters, digits, dots, hyphens or underscores")
WAIT_REFUSED = errors.InvalidRequest("wait must be a whole number from 0 to 60", "wait")
PREVIEWS_REFUSED = errors.InvalidRequest("previews must be true or false", "previews")
STATUS_REFUSED = errors.InvalidRequest("status must be one of pending, processing, completed, failed", "status")
REFUSED = "Content policy violation.\nThe prompt was refused: sexual."
LATE = "The pictures were not finished in the time that the client waits"
IDS_REFUSED = errors.InvalidRequest("task_ids must be a list of 1 to 50 task ids", "task_ids")
COMMON = (errors.Unauthorized, errors.PermissionDenied, errors.RateLimitExceeded, errors.InternalError,
          errors.ServiceUnavailable)  # fmt: skip
"""The errors of every operation on tasks."""
ONE = (*COMMON, errors.InvalidTaskId, errors.TaskNotFound)
"""The errors of every operation on one task."""

REGISTRY: Registry[Any] = Registry().with_resource("urn:easel", Resource.from_contents(SERVED, DRAFT202012))


def escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def resolved(node: Any) -> Any:
    while isinstance(node, dict) and isinstance(node.get("$ref"), str):
        target: Any = OURS
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def missing(theirs: Any, ours: Any, pointer: str = "") -> Iterator[str]:
    """Every part of the vendor's document that ours lacks or contradicts."""
    if isinstance(theirs, dict):
        ours = ours if "$ref" in theirs else resolved(ours)
        for key, value in theirs.items():
            below = f"{pointer}/{escaped(key)}"
            if below in DIFFERS or (key == "example" and value in example_values(ours)):
                continue
            yield from missing(value, ours[key], below) if key in ours else [below]
    elif not is_kept(theirs, ours, pointer):
        yield pointer


def is_kept(theirs: Any, ours: Any, pointer: str) -> bool:
    """Whether ours contains a list or a plain value of the vendor's."""
    if isinstance(theirs, list) and not pointer.endswith("/enum"):
        return all(each in ours for each in theirs)
    return theirs in ours if pointer.endswith("/description") else theirs == ours


def example_values(node: dict[str, Any]) -> list[Any]:
    return [node[key] for key in ("example",) if key in node] + [
        each["value"] for each in node.get("examples", {}).values()
    ]


def validator(pointer: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"urn:easel#{pointer}"}, registry=REGISTRY)


def nodes(node: Any, pointer: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield pointer, node
        for key, value in node.items():
            if key not in ("example", "examples", "default"):
                yield from nodes(value, f"{pointer}/{escaped(key)}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from nodes(value, f"{pointer}/{index}")


def examples() -> Iterator[tuple[str, Any]]:
    """Every example and default, with the pointer to the schema that it must match."""
    for pointer, node in nodes(SERVED):
        if "schema" in node:
            schema = f"{pointer}/schema"
            yield from ((schema, value) for value in example_values(node))
        elif re.search("/(schema|schemas/[^/]+)(/|$)", pointer):
            yield from ((pointer, node[key]) for key in ("example", "default") if key in node)


def answers(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for status, response in operation["responses"].items():
        yield status, resolved(response)


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in OURS["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield f"{method} {path}", operation


def error_examples(responses: dict[str, Any]) -> set[tuple[Any, ...]]:
    """Status, code, message, type and param of every error that an operation shows."""
    return {
        (status, error["code"], error["message"], error["type"], error.get("param"))
        for status, response in responses.items()
        for content in resolved(response).get("content", {}).values()
        for value in example_values(content)
        if status >= "400"
        for error in [value["error"]]
    }


def worded(refusal: type[errors.Refusal] | errors.Refusal, column: str) -> tuple[Any, ...]:
    wording: errors.Wording = getattr(refusal, column)
    return str(refusal.status), wording.code, wording.message, wording.type, refusal.param


@pytest.mark.parametrize("document", [OURS, SERVED], ids=["as written", "as served"])
def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_everything_in_the_hosted_document_is_in_ours() -> None:
    assert list(missing(VENDOR, OURS)) == []


@pytest.mark.parametrize(
    ("pointer", "change"),
    [
        ("/paths", {"/v1/other": {}}),
        ("/components/schemas/ImageGenerationRequest/properties", {"steps": {"type": "integer"}}),
        ("/components/schemas/ImageGenerationRequest/properties/seed", {"maximum": 7}),
        ("/components/schemas/ImageGenerationRequest/properties/prompt", {"description": "Something else"}),
        ("/components/schemas/ImageGenerationRequest/properties/nsfw_check", {"default": True}),
        ("/components/schemas/TaskInfo", {"required": ["colour"]}),
        ("/components/schemas/Usage/properties/billing_rule", {"enum": ["per_call"]}),
        ("/components/schemas/Usage/properties/credits_reserved", {"example": 1}),
    ],
)
def test_anything_missing_from_the_hosted_document_is_noticed(pointer: str, change: dict[str, Any]) -> None:
    vendor = copy.deepcopy(VENDOR)
    node = vendor
    for part in pointer[1:].split("/"):
        node = node[part]
    node |= change
    assert list(missing(vendor, OURS)) == [f"{pointer}/{escaped(key)}" for key in change]


def test_every_listed_difference_still_exists() -> None:
    differing = set()
    for pointer in DIFFERS:
        theirs, ours = VENDOR, OURS
        for part in pointer[1:].split("/"):
            key = part.replace("~1", "/")
            theirs, ours = theirs[key], resolved(ours).get(key, {})
        if theirs != ours:
            differing.add(pointer)
    assert differing == set(DIFFERS)


def test_size_accepts_the_hosted_ratios_and_pixels() -> None:
    size = OURS["components"]["schemas"]["ImageGenerationRequest"]["properties"]["size"]
    ratios, pixels, absent = size["anyOf"]
    hosted = VENDOR["components"]["schemas"]["ImageGenerationRequest"]["properties"]["size"]["enum"]
    assert ratios["enum"] == hosted == list(order.RATIOS_PX)
    assert absent["type"] == "null"
    sides_px = [side for side in range(100, 10_000) if re.search(pixels["pattern"], f"{side}x{order.SIDE_PX_MIN}")]
    assert sides_px == [side for side in range(100, 10_000) if re.search(pixels["pattern"], f"1024x{side}")]
    assert sides_px == list(range(order.SIDE_PX_MIN, order.SIDE_PX_MAX + 1))
    for ratio, (width_px, height_px) in order.RATIOS_PX.items():
        assert f"`{ratio}` is {width_px}x{height_px}" in size["description"]


def test_every_example_matches_its_schema() -> None:
    checked = 0
    for pointer, example in examples():
        faults = [fault.message for fault in validator(pointer).iter_errors(example)]
        assert faults == [], pointer
        checked += 1
    assert checked >= 250


@pytest.mark.parametrize(("name", "operation"), list(operations()))
def test_every_json_answer_has_an_example_and_every_answer_a_request_id(name: str, operation: dict[str, Any]) -> None:
    for status, response in answers(operation):
        assert "x-request-id" in response["headers"], (name, status)
        content = response.get("content", {}).get("application/json", {"example": None})
        assert "example" in content or content["examples"], (name, status)
        if status in ("429", "503"):
            assert "Retry-After" in response["headers"], (name, status)


def test_limits_are_those_of_the_domain() -> None:
    schemas = OURS["components"]["schemas"]
    request = schemas["ImageGenerationRequest"]["properties"]
    assert request["prompt"]["maxLength"] == order.PROMPT_CODE_POINTS_MAX
    assert (request["seed"]["minimum"], request["seed"]["maximum"]) == (order.SEED_MIN, order.SEED_MAX)
    assert request["output_format"]["enum"] == [*order.OUTPUT_FORMATS, None]
    assert request["model"]["enum"] == list(order.MODELS)
    picture = schemas["Picture"]["properties"]
    for side in ("width", "height"):
        assert (picture[side]["minimum"], picture[side]["maximum"]) == (order.SIDE_PX_MIN, order.SIDE_PX_MAX)
    assert schemas["TaskError"]["properties"]["code"]["enum"] == list(task.ErrorCode)
    assert schemas["Callback"]["properties"]["state"]["enum"] == list(delivery.State)
    assert schemas["CallbackAttempt"]["properties"]["outcome"]["enum"] == [None, *delivery.AttemptOutcome]
    assert schemas["CallbackId"]["pattern"] == "^" + delivery.message_id(schemas["TaskId"]["pattern"].removeprefix("^"))
    assert schemas["ImageGenerationResponse"]["properties"]["status"]["enum"] == list(task.Status)


def test_creation_errors_are_worded_as_the_service_words_them() -> None:
    shown = error_examples(OURS["paths"]["/v1/images/generations"]["post"]["responses"])
    assert shown == {
        ("400", "invalid_request", "Invalid request parameters", "invalid_request_error", None),
        worded(KEY_REFUSED, "generation"),
        worded(errors.ContentPolicyViolation(REFUSED), "generation"),
        worded(errors.IdempotencyConflict, "generation"),
        worded(errors.InvalidRequest("seed must be a whole number from 1 to 2147483647", "seed"), "generation"),
        worded(errors.Unauthorized, "generation"),
        worded(errors.InsufficientQuota, "generation"),
        worded(errors.ModelAccessDenied("z-image-turbo"), "generation"),
        worded(errors.PermissionDenied, "generation"),
        worded(errors.PayloadTooLarge(65536), "generation"),
        worded(errors.RateLimitExceeded(1), "generation"),
        worded(errors.InternalError, "generation"),
        worded(errors.ServiceUnavailable, "generation"),
    }


@pytest.mark.parametrize(
    ("operation", "refusals"),
    [
        ("get /v1/tasks", (*COMMON, STATUS_REFUSED)),
        ("post /v1/tasks/batch", (*COMMON, IDS_REFUSED, errors.PayloadTooLarge(65536))),
        ("get /v1/tasks/{task_id}", (*ONE, WAIT_REFUSED, errors.InsufficientQuota)),
        ("delete /v1/tasks/{task_id}", (*ONE, errors.TaskUnfinished)),
        ("post /v1/tasks/{task_id}/cancel", (*ONE, errors.AlreadyCompleted)),
        ("get /v1/tasks/{task_id}/events", (*ONE, PREVIEWS_REFUSED)),
        ("get /v1/tasks/{task_id}/callback", (*ONE, errors.CallbackNotFound)),
        ("post /v1/tasks/{task_id}/callback/redeliver", (*ONE, errors.CallbackNotFound, errors.CallbackUnderWay)),
    ],
)
def test_task_errors_are_worded_as_the_service_words_them(
    operation: str, refusals: tuple[type[errors.Refusal] | errors.Refusal, ...]
) -> None:
    method, path = operation.split()
    shown = error_examples(OURS["paths"][path][method]["responses"])
    assert shown == {worded(refusal, "task") for refusal in refusals}


def test_openai_errors_are_worded_as_the_service_words_them() -> None:
    shown = error_examples(OURS["paths"]["/openai/v1/images/generations"]["post"]["responses"])
    refusals = (
        errors.InvalidRequest("n must be a whole number from 1 to 10", "n"), errors.Unauthorized,
        errors.InsufficientQuota, errors.PermissionDenied, errors.ModelNotFound("z-image-turbo"),
        errors.IdempotencyConflict, errors.PayloadTooLarge(65536), errors.RateLimitExceeded(1), errors.InternalError,
        errors.ServiceUnavailable, errors.OrderFailed(task.ErrorCode.GENERATION_TIMEOUT, LATE),
        errors.OrderFailed(task.ErrorCode.CONTENT_POLICY_VIOLATION, REFUSED),
    )  # fmt: skip
    assert shown == {worded(each, "openai" if each.openai else "generation") for each in refusals}


def test_errors_beyond_the_two_tables_are_worded_as_the_service_words_them() -> None:
    shown = error_examples(OURS["paths"]["/pictures/{grant}/{file}"]["get"]["responses"])
    shown |= error_examples(OURS["x-any-address"])
    refusals = (
        errors.NotFound, errors.NoSuchAddress, errors.MethodNotAllowed, errors.LinkExpired, errors.RangeNotSatisfiable,
        errors.InternalError, errors.ServiceUnavailable, errors.InvalidRequest(refusing.MALFORMED), errors.RequestTimeout,
        errors.HeadersTooLarge(edge_limits.HEAD_BYTES_MAX, edge_limits.HEADERS_MAX, edge_limits.TARGET_BYTES_MAX),
    )  # fmt: skip
    assert shown == {worded(refusal, "generation") for refusal in refusals}


def test_errors_of_credits_carry_their_status_as_an_integer() -> None:
    shown = error_examples(OURS["paths"]["/v1/credits"]["get"]["responses"])
    refusals = (
        errors.Unauthorized, errors.PermissionDenied, errors.RateLimitExceeded, errors.InternalError,
        errors.ServiceUnavailable,
    )  # fmt: skip
    worded_with_status = {
        (str(each.status), each.status, each.generation.message, each.generation.type, None) for each in refusals
    }
    assert shown == worded_with_status


def completed() -> dict[str, Any]:
    content = OURS["paths"]["/v1/tasks/{task_id}"]["get"]["responses"]["200"]["content"]["application/json"]
    return dict(content["examples"]["completed"]["value"])


@pytest.mark.parametrize(
    "fault",
    [
        {"extra": 1},
        {"status": "failed"},
        {"status": "processing"},
        {"id": "task-1"},
        {"progress": 99},
        {"results": []},
        {"results": ["https://easel.example/pictures/x/y.gif"]},
        {"duration": 1.5},
        {"task_info": {"can_cancel": False, "estimated_time": 1}},
        {"usage": {"billing_rule": "per_call", "credits_reserved": 0.026, "user_group": "default"}},
    ],
)
def test_a_wrong_completed_task_is_invalid(fault: dict[str, Any]) -> None:
    task_schema = validator("/components/schemas/Task")
    assert task_schema.is_valid(completed())
    assert not task_schema.is_valid(completed() | fault)


def test_a_task_without_its_picture_has_neither_link_nor_data() -> None:
    task_schema = validator("/components/schemas/Task")
    assert task_schema.is_valid(completed() | {"results": [], "result_data": []})
    assert not task_schema.is_valid(completed() | {"result_data": []})


def events() -> list[tuple[str, dict[str, Any]]]:
    """The name and the data of each event in the document's example."""
    content = OURS["paths"]["/v1/tasks/{task_id}/events"]["get"]["responses"]["200"]["content"]
    shown = re.findall(r"^event: (.+)\ndata: (.+)$", content["text/event-stream"]["example"], re.MULTILINE)
    return [(name, json.loads(data)) for name, data in shown]


def test_only_events_tell_the_place_in_the_queue_and_the_steps() -> None:
    event_schema, task_schema = validator("/components/schemas/TaskEvent"), validator("/components/schemas/Task")
    assert [name for name, _ in events()] == ["pending", "processing", "preview", "failed"]
    for name, shown in events():
        assert name == shown.get("status", "preview")
        assert event_schema.is_valid(shown) is (name != "preview")
        assert validator("/components/schemas/Preview").is_valid(shown) is (name == "preview")
        assert task_schema.is_valid(shown) is (name == "failed")


def test_every_property_is_described_in_words() -> None:
    schemas = openapi.expanded(OURS)["components"]["schemas"]
    undescribed = [
        f"{name}{pointer}/{each}"
        for name, schema in schemas.items()
        for pointer, node in nodes(schema)
        for each, value in node.get("properties", {}).items()
        if not re.search("/(anyOf|if|then|else)(/|$)", pointer) and "description" not in value
    ]
    assert undescribed == []


@pytest.mark.parametrize(
    "size", ["5:4", "64x64", "375x1024", "1024x1537", "1024x", "01024x768", "1024X768", "", "10240x768"]
)
def test_a_size_of_neither_form_is_invalid(size: str) -> None:
    request = {"model": "z-image-turbo", "prompt": "a cute cat", "size": size}
    assert not validator("/components/schemas/ImageGenerationRequest").is_valid(request)


def test_unknown_properties_of_a_request_are_valid() -> None:
    request = {"model": "z-image-turbo", "prompt": "a cute cat", "quality": "2K", "n": 4}
    assert validator("/components/schemas/ImageGenerationRequest").is_valid(request)


def test_the_version_is_that_of_the_distribution() -> None:
    project = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["project"]
    assert OURS["info"]["version"] == project["version"]
    assert OURS["info"]["license"]["identifier"] == project["license"]
