"""The service's answers compared with its document: every path, and every status that a test can cause."""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar, get_type_hints

import httpx2
import pytest

from easel.assembly.installation import link_keys
from easel.domain import link
from easel.outside.data_folder.secret_file import ensure_secret
from easel.web.app import AdminEndpoints, ConsoleEndpoints, Endpoints, admin_routes, console_routes, routes
from easel.web.routing import Route
from tests.support.contract import EVENTS, Contract, events
from tests.support.data_folders import prepared_folder
from tests.support.frozen import nobody_draws
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, submit

UNKNOWN_TASK: Final = "/v1/tasks/task-unified-1757165031-uyujaw3d"
BATCH: Final = "/v1/tasks/batch"
OPENAI_GENERATIONS: Final = "/openai/v1/images/generations"
UNLISTED: Final = {
    "/docs/{file}", "/console/{path}", "/favicon.ico",  # belong to a page
    "/openai/v1/images/edits", "/openai/v1/images/variations", "/openai/deployments/{model}/images/edits",  # refuse
    "/openai/deployments/{model}/images/generations",  # Azure's address of what is listed
}  # fmt: skip
"""Addresses that are answered, and stand in the document in words at most."""
EndpointsOfAKind = TypeVar("EndpointsOfAKind", Endpoints, ConsoleEndpoints, AdminEndpoints)


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx2.Client]:
    with service.client(service.new_key("openapi")) as client:
        yield client


@pytest.fixture(scope="module")
def slow() -> Iterator[Service]:
    """A service whose tasks stay unfinished for a while."""
    with prepared_folder() as folder, Service(folder, blank_step_s="0.2") as running:
        yield running


@pytest.fixture
def full() -> Iterator[Service]:
    """A slow service with a small backlog."""
    with prepared_folder() as folder, Service(folder, blank_step_s="0.2", backlog_max="8") as running:
        yield running


@pytest.fixture(scope="module")
def strict() -> Iterator[Service]:
    """A service with a low limit on wrong keys."""
    with prepared_folder() as folder, Service(folder, auth_failures_per_minute="5") as running:
        yield running


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    """The document as served."""
    with service.client() as stranger:
        served: dict[str, Any] = stranger.get("/openapi.json").json()
    return served


@pytest.fixture(scope="module")
def contract(document: dict[str, Any]) -> Contract:
    return Contract(document)


def served_routes() -> list[Route]:
    """The routes of the web process, built without real parts."""
    of_console = console_routes(without_parts(ConsoleEndpoints))
    return [*routes(without_parts(Endpoints)), *of_console, *admin_routes(without_parts(AdminEndpoints))]


def without_parts(kind: Callable[..., EndpointsOfAKind]) -> EndpointsOfAKind:
    return kind(**{name: object.__new__(part) for name, part in get_type_hints(kind).items()})


def test_the_document_lists_every_route_and_every_path_is_served(document: dict[str, Any]) -> None:
    listed = {
        (path, method.upper())
        for path, item in document["paths"].items()
        for method in item
        if method not in {"parameters", "head"}
    }
    answered = {
        (route.shown_path, method)
        for route in served_routes()
        for method in route.methods
        if method != "HEAD" and route.shown_path not in UNLISTED
    }
    assert listed == answered


def test_every_listed_head_is_answered(document: dict[str, Any]) -> None:
    heads = {path for path, item in document["paths"].items() if "head" in item}
    assert heads <= {route.shown_path for route in served_routes() if "HEAD" in route.methods}


@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 413])
def test_creation_is_answered_as_documented(
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


def test_a_repeated_creation_is_answered_as_documented(client: httpx2.Client, contract: Contract) -> None:
    key = {"idempotency-key": "openapi-served-0001"}
    answers = [
        (client.post(GENERATIONS, json=ORDER, headers=key), 200),
        (client.post(GENERATIONS, json=ORDER, headers=key), 200),
        (client.post(GENERATIONS, json={**ORDER, "seed": 7}, headers=key), 409),
        (client.post(GENERATIONS, json=ORDER, headers={"idempotency-key": "short"}), 400),
    ]
    for response, status in answers:
        assert response.status_code == status
        contract.assert_kept(response)
    assert [response.headers.get("idempotency-replayed") for response, _ in answers] == [None, "true", None, None]


def test_a_creation_that_waits_is_answered_as_documented(client: httpx2.Client, contract: Contract) -> None:
    response = client.post(GENERATIONS, json=ORDER, headers={"prefer": "wait=20"})
    assert (response.json()["status"], response.headers["preference-applied"]) == ("completed", "wait=20")
    contract.assert_kept(response)


def test_a_key_without_the_scope_is_answered_as_documented(service: Service, contract: Contract) -> None:
    with service.client(service.new_key("openapi-reader", "1", "--scope", "read")) as reader:
        refused = [
            reader.post(GENERATIONS, json=ORDER),
            reader.post(f"{UNKNOWN_TASK}/cancel"),
            reader.delete(UNKNOWN_TASK),
        ]
    with service.client(service.new_key("openapi-writer", "1", "--scope", "generate")) as writer:
        refused += [writer.get(path) for path in (UNKNOWN_TASK, f"{UNKNOWN_TASK}/events", "/v1/tasks", "/v1/credits")]
        refused.append(writer.post(BATCH, json={"task_ids": ["x"]}))
    for response in refused:
        assert response.status_code == 403
        contract.assert_kept(response)


def test_reading_a_task_is_answered_as_documented(service: Service, client: httpx2.Client, contract: Contract) -> None:
    task = submit(client, size="16:9")
    contract.assert_kept(client.get(f"/v1/tasks/{task['id']}"))
    finish(client, task["id"])
    path = f"/v1/tasks/{task['id']}"
    with service.client() as stranger:
        answers = [
            (client.get(path, params={"wait": "20"}), 200),
            (client.get(path, params={"wait": "61"}), 400),
            (client.post(f"{path}/cancel"), 409),
            (client.delete(path), 200),
            (client.delete(path), 200),
            (client.get(path), 200),
        ]
        for method, address in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/events")):
            answers += [
                (client.request(method, f"/v1/tasks/abc{address}"), 400),
                (stranger.request(method, UNKNOWN_TASK + address), 401),
                (client.request(method, UNKNOWN_TASK + address), 404),
            ]
    for response, status in answers:
        assert response.status_code == status
        contract.assert_kept(response)


def test_lists_of_tasks_are_answered_as_documented(service: Service, client: httpx2.Client, contract: Contract) -> None:
    ids = [submit(client)["id"] for _ in range(2)]
    with service.client() as stranger:
        answers = [
            (client.get("/v1/tasks"), 200),
            (client.get("/v1/tasks", params={"status": "completed", "model": "z-image-turbo", "page": "2"}), 200),
            (client.get("/v1/tasks", params={"type": "video"}), 200),
            (client.get("/v1/tasks", params={"status": "done"}), 400),
            (client.get("/v1/tasks", params={"page": "0"}), 400),
            (client.get("/v1/tasks", params={"page_size": "51"}), 400),
            (stranger.get("/v1/tasks"), 401),
            (client.post(BATCH, json={"task_ids": [*ids, "abc"]}), 200),
            (client.post(BATCH, json={"task_ids": []}), 400),
            (client.post(BATCH, content=b"x" * 70_000), 413),
            (stranger.post(BATCH, json={"task_ids": ids}), 401),
        ]
    for response, status in answers:
        assert response.status_code == status
        contract.assert_kept(response)


def test_events_are_answered_as_documented(slow: Service, contract: Contract) -> None:
    with slow.client(slow.new_key("openapi-events")) as client:
        path = f"/v1/tasks/{submit(client)['id']}/events"
        answers = [client.get(path)]
        told = events(answers[0].text)
        answers += [client.get(path, headers={"last-event-id": told[index]["id"]}) for index in (0, -1)]
    for response, status in zip(answers, (200, 200, 204), strict=True):
        assert response.status_code == status
        contract.assert_kept(response)
    assert {event["event"] for event in told} >= {"processing", "completed"}


def test_reading_an_unfinished_task_is_answered_as_documented(slow: Service, contract: Contract) -> None:
    with slow.client(slow.new_key("openapi-unfinished", "1")) as client, nobody_draws(slow):
        path = f"/v1/tasks/{submit(client)['id']}"
        answers = [
            (client.get(path), 200),
            (client.delete(path), 409),
            (client.post(f"{path}/cancel"), 200),
            (client.get(path), 200),
            (client.get(f"{path}/events"), 200),
        ]
    for response, status in answers:
        assert response.status_code == status
        contract.assert_kept(response)


def test_exceeding_a_rate_is_answered_as_documented(slow: Service, contract: Contract) -> None:
    with slow.client(slow.new_key("openapi-hasty", "1", "--rate", "1")) as hasty:
        answers = [(hasty.post(GENERATIONS, json=ORDER), status) for status in (200, 429)]
    with slow.client(slow.new_key("openapi-narrow", "1", "--unfinished", "1")) as narrow, nobody_draws(slow):
        answers += [(narrow.post(GENERATIONS, json=ORDER), status) for status in (200, 429)]
    for response, status in answers:
        assert response.status_code == status
        assert response.headers["ratelimit"].startswith('"create";r=')
        contract.assert_kept(response)


def test_a_full_backlog_is_answered_as_documented(full: Service, contract: Contract) -> None:
    with full.client(full.new_key("openapi-many")) as many:
        refused = eventually(lambda: [each for each in [many.post(GENERATIONS, json=ORDER)] if each.status_code != 200])
    assert refused[0].status_code == 503
    contract.assert_kept(refused[0])


@pytest.mark.parametrize("path", ["/v1/credits", "/v1/models", "/v1/tasks", "/openai/v1/models"])
def test_too_many_wrong_keys_are_answered_as_documented(strict: Service, contract: Contract, path: str) -> None:
    with strict.client() as stranger:
        refused = [stranger.get(path) for _ in range(7)]
    # One of them comes back every twelve seconds, whichever of the seven that is.
    assert 429 in {response.status_code for response in refused} <= {401, 429}
    for response in refused:
        contract.assert_kept(response)


@pytest.mark.parametrize("response_format", ["url", "b64_json", None])
def test_openai_clients_are_answered_as_documented(
    service: Service, client: httpx2.Client, contract: Contract, response_format: str | None
) -> None:
    order = {"model": "z-image-turbo", "prompt": "a cute cat", "size": "376x376", "response_format": response_format}
    repeatable = {"idempotency-key": f"openapi-served-{response_format}"}
    with service.client() as stranger:
        answers = [
            (client.post(OPENAI_GENERATIONS, json={**order, "n": 2}), 200),
            (client.post(OPENAI_GENERATIONS, json={**order, "n": 11}), 400),
            (client.post(OPENAI_GENERATIONS, json={**order, "model": "gpt-5"}), 404),
            (client.post(OPENAI_GENERATIONS, json={**order, "n": 2, "stream": True}), 200),
            (client.post(OPENAI_GENERATIONS, json={**order, "other": "x" * 70_000}), 413),
            (client.post(OPENAI_GENERATIONS, json=order, headers=repeatable), 200),
            (client.post(OPENAI_GENERATIONS, json=order, headers=repeatable), 200),
            (client.post(OPENAI_GENERATIONS, json={**order, "seed": 7}, headers=repeatable), 409),
            (stranger.post(OPENAI_GENERATIONS, json=order), 401),
            (client.get("/openai/v1/models"), 200),
            (client.get("/openai/v1/models/dall-e-3"), 200),
            (client.get("/openai/v1/models/gpt-5"), 404),
            (stranger.get("/openai/v1/models"), 401),
        ]
    for response, status in answers:
        assert response.status_code == status
        contract.assert_kept(response)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("output_format", ["webp", "png", "jpeg"])
def test_a_picture_is_served_as_documented(
    service: Service, client: httpx2.Client, contract: Contract, output_format: str, method: str
) -> None:
    url = finish(client, submit(client, output_format=output_format)["id"])["results"][0]
    name = url.rpartition("/")[2]
    expired = link.path(name, 1, link_keys(ensure_secret(service.data_dir)))
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


def test_a_thumbnail_is_served_as_documented(service: Service, client: httpx2.Client, contract: Contract) -> None:
    task = client.get(f"/console/tasks/{finish(client, submit(client)['id'])['id']}")
    contract.assert_kept(task)
    url = task.json()["thumbnail_url"]
    name = task.json()["results"][0].rpartition("/")[2]
    expired = link.thumbnail_path(name, 1, link_keys(ensure_secret(service.data_dir)))
    asked = [(url, {}, 200), (url, {"if-none-match": "*"}, 304), (url.replace("-webp", "-png"), {}, 404)]
    with service.client() as stranger:
        for address, headers, status in [*asked, (expired, {}, 410)]:
            response = stranger.get(address, headers=headers)
            assert response.status_code == status
            contract.assert_kept(response)


@pytest.mark.parametrize("path", ["/v1/credits", "/v1/models"])
def test_account_requests_are_answered_as_documented(
    service: Service, client: httpx2.Client, contract: Contract, path: str
) -> None:
    with service.client() as stranger:
        answers = [(client.get(path), 200), (stranger.get(path), 401)]
    for response, status in answers:
        assert response.status_code == status
        contract.assert_kept(response)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/docs"])
def test_health_and_document_requests_are_answered_as_documented(
    service: Service, contract: Contract, path: str
) -> None:
    with service.client() as stranger:
        response = stranger.get(path)
    assert response.status_code == 200
    contract.assert_kept(response)


def test_any_other_path_or_method_is_answered_as_documented(client: httpx2.Client, contract: Contract) -> None:
    for response, status in [
        (client.get("/nowhere"), 404),
        (client.get("/v1/tasks/a/b"), 404),
        (client.get("/openai/v1/images"), 404),
        (client.get(OPENAI_GENERATIONS), 405),
        (client.post("/v1/credits"), 405),
        (client.get(GENERATIONS), 405),
        (client.put(UNKNOWN_TASK), 405),
        (client.get(f"{UNKNOWN_TASK}/cancel"), 405),
        (client.post("/docs"), 405),
    ]:
        assert response.status_code == status
        contract.assert_kept(response)


def test_an_undocumented_answer_would_be_noticed(client: httpx2.Client, contract: Contract) -> None:
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


def test_an_undocumented_stream_would_be_noticed(client: httpx2.Client, contract: Contract) -> None:
    good = client.get(f"/v1/tasks/{finish(client, submit(client)['id'])['id']}/events")
    contract.assert_kept(good)
    broken = ["", good.text.replace("event: completed", "event: failed"), good.text.replace("id: ", ":"), good.text * 2]
    for text in broken:
        headers = {**good.headers, "content-type": EVENTS}
        with pytest.raises(AssertionError):
            contract.assert_kept(httpx2.Response(200, text=text, headers=headers, request=good.request))
