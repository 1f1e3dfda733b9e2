"""What the service answers against what it says that it answers: every path, every status it can be brought to."""

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urljoin

import httpx2
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from starlette.routing import Route

from easel import assembly
from easel.actions.forecast import Forecast
from easel.actions.submit import Submit
from easel.domain import link
from easel.outside.pictures import Pictures
from easel.store.database import Database
from easel.web.account import AccountEndpoints
from easel.web.app import routes
from easel.web.auth import Auth
from easel.web.health import HealthEndpoints
from easel.web.pictures import PictureEndpoint
from easel.web.tasks import TaskEndpoints
from tests.running_service import GENERATIONS, ORDER, Service, finish, submit

UNKNOWN_TASK: Final = "/v1/tasks/task-unified-1757165031-uyujaw3d"
PAGE_PARTS: Final = {"/docs/reference.css"}
"""Addresses that belong to a page and are nobody's contract."""


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx2.Client]:
    with service.client(service.new_key("openapi")) as client:
        yield client


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    """The document as served."""
    with service.client() as stranger:
        served: dict[str, Any] = stranger.get("/openapi.json").json()
    return served


class Contract:
    """The served document, as a judge of answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._registry: Registry[Any] = Registry().with_resource(
            "urn:served", Resource.from_contents(document, DRAFT202012)
        )
        self.paths = {re.sub(r"\{\w+\}", "[^/]+", path): path for path in document["paths"]}

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
            schema = {"$ref": f"urn:served{pointer}/content/application~1json/schema"}
            faults = [fault.message for fault in self._validator(schema).iter_errors(response.json())]
            assert faults == [], response.text

    def _assert_header(self, response: httpx2.Response, name: str, header: dict[str, Any]) -> None:
        assert name in response.headers or not header["required"], name
        if name in response.headers:
            text = response.headers[name]
            value = int(text) if header["schema"]["type"] == "integer" else text
            assert self._validator(header["schema"]).is_valid(value), (name, text)

    def _validator(self, schema: dict[str, Any]) -> Draft202012Validator:
        return Draft202012Validator(schema, registry=self._registry)

    def _pointer(self, response: httpx2.Response) -> str:
        """Where the document describes this answer."""
        path = next((given for pattern, given in self.paths.items() if re.fullmatch(pattern, response.url.path)), None)
        method, status = response.request.method.lower(), str(response.status_code)
        if path is None or method not in self._document["paths"][path]:
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


@pytest.fixture(scope="module")
def contract(document: dict[str, Any]) -> Contract:
    return Contract(document)


def served_routes() -> list[Route]:
    """The routes that the web process answers, made of its own parts, none of which is started."""
    database, pictures, keys = Database("postgresql://", 2), Pictures("/nowhere"), link.link_keys(b"a secret")
    auth, forecast = Auth(database, b"pepper"), Forecast(database)
    made = routes(
        TaskEndpoints(database, auth, Submit(database, forecast, 26_000), forecast, keys, None),
        AccountEndpoints(database, auth),
        PictureEndpoint(pictures, keys),
        HealthEndpoints(database, pictures),
    )
    assert all(isinstance(route, Route) for route in made)
    return [route for route in made if isinstance(route, Route)]


def test_the_document_lists_every_route_and_the_service_answers_every_path(document: dict[str, Any]) -> None:
    listed = {
        (path, method.upper())
        for path, item in document["paths"].items()
        for method in item
        if method not in {"parameters", "head"}
    }
    answered = {
        (route.path, method)
        for route in served_routes()
        for method in route.methods or ()
        if method != "HEAD" and route.path not in PAGE_PARTS
    }
    assert listed == answered


def test_every_listed_head_is_answered(document: dict[str, Any]) -> None:
    heads = {path for path, item in document["paths"].items() if "head" in item}
    assert heads <= {route.path for route in served_routes() if "HEAD" in (route.methods or ())}


@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 413])
def test_creating_answers_as_the_document_says(
    service: Service, client: httpx2.Client, contract: Contract, status: int
) -> None:
    changed: dict[int, dict[str, Any]] = {400: {"seed": 0}, 403: {"model": "other"}, 413: {"other": "x" * 70_000}}
    response = client.post(GENERATIONS, json={**ORDER, **changed.get(status, {})})
    if status == 401:
        with service.client() as stranger:
            response = stranger.post(GENERATIONS, json=ORDER)
    if status == 402:
        with service.client(service.new_key("openapi-poor", "0.01")) as poor:
            response = poor.post(GENERATIONS, json=ORDER)
    assert response.status_code == status
    contract.assert_kept(response)


def test_a_key_that_may_not_create_or_read_is_answered_as_the_document_says(
    service: Service, contract: Contract
) -> None:
    with service.client(service.new_key("openapi-reader", "1", "--scope", "read")) as reader:
        refused = [reader.post(GENERATIONS, json=ORDER)]
    with service.client(service.new_key("openapi-writer", "1", "--scope", "generate")) as writer:
        refused += [writer.get(UNKNOWN_TASK), writer.get("/v1/credits")]
    for response in refused:
        assert response.status_code == 403
        contract.assert_kept(response)


def test_reading_a_task_answers_as_the_document_says(
    service: Service, client: httpx2.Client, contract: Contract
) -> None:
    task = submit(client, size="16:9")
    contract.assert_kept(client.get(f"/v1/tasks/{task['id']}"))
    finish(client, task["id"])
    with service.client() as stranger:
        answers = [
            (client.get(f"/v1/tasks/{task['id']}"), 200),
            (client.get("/v1/tasks/abc"), 400),
            (stranger.get(UNKNOWN_TASK), 401),
            (client.get(UNKNOWN_TASK), 404),
        ]
    for response, status in answers:
        assert response.status_code == status
        contract.assert_kept(response)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("output_format", ["webp", "png", "jpeg"])
def test_a_picture_is_answered_as_the_document_says(
    service: Service, client: httpx2.Client, contract: Contract, output_format: str, method: str
) -> None:
    url = finish(client, submit(client, output_format=output_format)["id"])["results"][0]
    name = url.rpartition("/")[2]
    expired = link.path(name, 1, assembly.link_keys(assembly.kept_secret(service.data_dir)))
    asked = [
        (url, {}, 200),
        (url, {"range": "bytes=0-9"}, 206),
        (url, {"if-none-match": "*"}, 304),
        (f"/pictures/1.00000000.{'A' * 43}/{name}", {}, 404),
        (expired, {}, 410),
        (url, {"range": "bytes=999999999-"}, 416),
    ]
    with service.client() as stranger:
        for address, headers, status in asked:
            response = stranger.request(method, address, headers=headers)
            assert response.status_code == status
            if method == "GET" and status in {200, 206}:
                assert response.headers["content-type"] == f"image/{output_format}"
            contract.assert_kept(response)


@pytest.mark.parametrize("path", ["/v1/credits", "/v1/models"])
def test_an_account_is_answered_as_the_document_says(
    service: Service, client: httpx2.Client, contract: Contract, path: str
) -> None:
    with service.client() as stranger:
        answers = [(client.get(path), 200), (stranger.get(path), 401)]
    for response, status in answers:
        assert response.status_code == status
        contract.assert_kept(response)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/docs"])
def test_the_service_itself_is_answered_as_the_document_says(service: Service, contract: Contract, path: str) -> None:
    with service.client() as stranger:
        response = stranger.get(path)
    assert response.status_code == 200
    contract.assert_kept(response)


def test_any_other_address_or_method_is_answered_as_the_document_says(
    client: httpx2.Client, contract: Contract
) -> None:
    for response, status in [
        (client.get("/nowhere"), 404),
        (client.get("/v1/tasks/a/b"), 404),
        (client.get(GENERATIONS), 405),
        (client.delete(UNKNOWN_TASK), 405),
        (client.post("/docs"), 405),
    ]:
        assert response.status_code == status
        contract.assert_kept(response)


def test_an_answer_that_breaks_the_document_would_be_noticed(client: httpx2.Client, contract: Contract) -> None:
    good = client.post(GENERATIONS, json=ORDER)
    headers = {"content-type": "application/json", "x-request-id": "req-1"}
    broken = [
        httpx2.Response(200, json={**good.json(), "extra": 1}, headers=headers, request=good.request),
        httpx2.Response(200, json=good.json(), request=good.request),
        httpx2.Response(200, text=good.text, headers=headers | {"content-type": "text/plain"}, request=good.request),
        httpx2.Response(400, json=good.json(), headers=headers, request=good.request),
        httpx2.Response(418, json=good.json(), headers=headers, request=good.request),
    ]
    for response in broken:
        with pytest.raises((AssertionError, KeyError)):
            contract.assert_kept(response)


def test_the_page_is_served_with_its_style_sheet_and_may_load_nothing_else(service: Service) -> None:
    with service.client() as stranger:
        page = stranger.get("/docs")
        loaded = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page.text)
        sheet = stranger.get(urljoin(str(page.url), loaded[0]))
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy)
    assert "script-src" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert {sheet.url.path} == PAGE_PARTS
    assert len(loaded) == 1
    assert service.url in page.text
    assert "<script" not in page.text
    assert (sheet.status_code, sheet.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "{" in sheet.text
