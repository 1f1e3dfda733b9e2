"""The contract's two error tables, row by row, and all other errors, byte for byte.

Errors that a running service can produce are requested from one. The others are rendered directly.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2
import pytest

from easel.domain import api_key, errors
from easel.domain.errors import Refusal
from easel.outside.postgres import private_postgres
from easel.web.answers import refusal_answer
from tests.support.command_line import environment
from tests.support.data_folders import prepared_folder, reachable_folder
from tests.support.patience import PATIENCE_S, eventually
from tests.support.ports import free_port
from tests.support.running_service import GENERATIONS, ORDER, Service

UNKNOWN_TASK = "/v1/tasks/task-unified-1757165031-uyujaw3d"
TOP_UP = "Insufficient quota. Please top up your account."
UNAVAILABLE = "The service is temporarily unavailable, please try again"


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx2.Client]:
    with service.client(service.new_key("errors")) as client:
        yield client


def body(code: str | int, message: str, type_: str, param: str | None = None) -> bytes:
    """An error in the contract's format."""
    error = {"code": code, "message": message, "type": type_} | ({} if param is None else {"param": param})
    return json.dumps({"error": error}, sort_keys=True, separators=(",", ":")).encode()


def assert_error(response: httpx2.Response, status: int, expected: bytes) -> None:
    assert (response.status_code, response.content) == (status, expected)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch(r"req-[0-9a-f]{24}", response.headers["x-request-id"])


POST_ROWS: list[tuple[dict[str, Any], int, bytes]] = [
    (
        {"json": {**ORDER, "seed": 0}},
        400,
        body("invalid_request", "seed must be a whole number from 1 to 2147483647", "invalid_request_error", "seed"),
    ),
    (
        {"json": ORDER, "headers": {"authorization": "Bearer nonsense"}},
        401,
        body("unauthorized", "Invalid or expired token", "authentication_error"),
    ),
    (
        {"json": {**ORDER, "model": "z-image"}},
        403,
        body("model_access_denied", "Token does not have access to model: z-image", "invalid_request_error"),
    ),
    (
        {"content": b" " * 70_000},
        413,
        body("payload_too_large", "The request body is larger than 65536 bytes", "invalid_request_error"),
    ),
]


@pytest.mark.parametrize(("request_", "status", "expected"), POST_ROWS, ids=lambda row: str(row)[:3])
def test_each_row_of_the_creation_endpoints_error_table(
    client: httpx2.Client, request_: dict[str, Any], status: int, expected: bytes
) -> None:
    assert_error(client.post(GENERATIONS, **request_), status, expected)


def test_the_creation_endpoints_402(service: Service) -> None:
    with service.client(service.new_key("errors-poor", "0.025")) as client:
        response = client.post(GENERATIONS, json=ORDER)
    assert_error(response, 402, body("insufficient_quota", TOP_UP, "insufficient_quota"))


@pytest.mark.parametrize(
    "task_id", ["abc", "1757165031", "task-unified", "TASK-UNIFIED-1757165031-uyujaw3d", "%00", "🐈"]
)
def test_the_task_endpoints_400(client: httpx2.Client, task_id: str) -> None:
    message = "Invalid task ID format, must start with 'task-unified-'"
    expected = body("invalid_task_id", message, "invalid_request_error", "task_id")
    assert_error(client.get(f"/v1/tasks/{task_id}"), 400, expected)


def test_the_task_endpoints_401(service: Service) -> None:
    with service.client() as stranger:
        response = stranger.get(UNKNOWN_TASK)
    assert_error(response, 401, body("unauthorized", "Authentication required", "authentication_error"))
    assert response.headers["www-authenticate"] == "Bearer"


def test_the_task_endpoints_403(service: Service) -> None:
    with service.client(service.new_key("errors-write-only", "1", "--scope", "generate")) as client:
        response = client.get(UNKNOWN_TASK)
    message = "You don't have permission to access this task"
    assert_error(response, 403, body("permission_denied", message, "invalid_request_error"))


@pytest.mark.parametrize(
    "task_id",
    [
        "task-unified-1757165031-uyujaw3d", "task-unified-", "task-unified-1757165031-uyujaw3", "task-unified-x-uyujaw3d",
        "task-unified-1757165031-UYUJAW3D", "task-unified-1757165031-uyujaw3d%00", "task-unified-%F0%9F%90%88",
        "task-unified-1757165031-uyujaw3d%0A", "task-unified-" + "1" * 3000, "task-unified-%27%3B--",
    ],
)  # fmt: skip
def test_the_task_endpoints_404(client: httpx2.Client, task_id: str) -> None:
    message = "The requested task could not be found"
    expected = body("task_not_found", message, "invalid_request_error")
    assert_error(client.get(f"/v1/tasks/{task_id}"), 404, expected)


@pytest.mark.parametrize(
    ("refusal", "generation", "task"),
    [
        (
            errors.InsufficientQuota(),
            body("insufficient_quota", TOP_UP, "insufficient_quota"),
            body("quota_exceeded", TOP_UP, "insufficient_quota"),
        ),
        (
            errors.RateLimitExceeded(7),
            body("rate_limit_exceeded", "Too many requests, please try again later", "rate_limit_error"),
            body("rate_limit_exceeded", "Rate limit exceeded", "evo_api_error"),
        ),
        (
            errors.InternalError(),
            body("internal_error", "Internal server error", "api_error"),
            body("internal_error", "Failed to retrieve task status", "api_error"),
        ),
    ],
    ids=["402", "429", "500"],
)
def test_errors_that_no_request_can_cause_are_rendered_in_both_wordings(
    refusal: Refusal, generation: bytes, task: bytes
) -> None:
    for path in (GENERATIONS, "/v1/models", "/v1/tasksx", "/", "/pictures/a/b"):
        assert refusal_answer(refusal, path).body == generation
    for path in ("/v1/tasks", "/v1/tasks/", UNKNOWN_TASK, f"{UNKNOWN_TASK}/cancel"):
        answer = refusal_answer(refusal, path)
        assert (answer.status_code, answer.body) == (refusal.status, task)


def test_refusals_show_their_figures() -> None:
    large = refusal_answer(errors.PayloadTooLarge(65536), GENERATIONS)
    message = "The request body is larger than 65536 bytes"
    assert large.body == body("payload_too_large", message, "invalid_request_error")
    outside = refusal_answer(errors.RangeNotSatisfiable(1486), "/pictures/a/b")
    message = "The range lies outside the picture"
    assert outside.body == body("range_not_satisfiable", message, "invalid_request_error")
    assert outside.headers["content-range"] == "bytes */1486"


def test_a_429_says_when_to_retry() -> None:
    assert refusal_answer(errors.RateLimitExceeded(7), GENERATIONS).headers["retry-after"] == "7"


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/", "/v2/models", f"{GENERATIONS}/", "/v1/images", "/docs/", "/docs/x", "/index.html",
             "/pictures", "/pictures/a", "/pictures/a/b/c", "//v1/models", "/%2e%2e/etc/passwd"],
)  # fmt: skip
def test_an_unknown_path_gets_404(client: httpx2.Client, path: str) -> None:
    expected = body("not_found", errors.NoSuchAddress.generation.message, "invalid_request_error")
    assert_error(client.get(str(client.base_url).rstrip("/") + path), 404, expected)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", GENERATIONS, {"POST"}),
        ("PUT", GENERATIONS, {"POST"}),
        ("POST", UNKNOWN_TASK, {"GET", "HEAD", "DELETE"}),
        ("POST", "/v1/models", {"GET", "HEAD"}),
        ("OPTIONS", "/healthz", {"GET", "HEAD"}),
        ("DELETE", "/pictures/a/b", {"GET", "HEAD"}),
        ("POST", "/docs", {"GET", "HEAD"}),
    ],
)
def test_an_unsupported_method_gets_405_with_the_supported_ones(
    client: httpx2.Client, method: str, path: str, allowed: set[str]
) -> None:
    response = client.request(method, path)
    message = "This address does not support this method"
    assert_error(response, 405, body("method_not_allowed", message, "invalid_request_error"))
    assert set(response.headers["allow"].split(", ")) == allowed


def test_errors_of_credits_carry_their_status_as_an_integer(service: Service, client: httpx2.Client) -> None:
    with service.client() as stranger:
        response = stranger.get("/v1/credits")
    assert_error(response, 401, body(401, "Invalid or expired token", "authentication_error"))
    message = "This address does not support this method"
    assert_error(client.post("/v1/credits"), 405, body(405, message, "invalid_request_error"))
    with service.client(service.new_key("errors-credits", "1", "--scope", "generate")) as client:
        response = client.get("/v1/credits")
    message = "You don't have permission to do this with this key"
    assert_error(response, 403, body(403, message, "invalid_request_error"))
    for refusal in (errors.RateLimitExceeded(1), errors.InternalError(), errors.ServiceUnavailable()):
        assert json.loads(bytes(refusal_answer(refusal, "/v1/credits").body))["error"]["code"] == refusal.status


@pytest.mark.parametrize("sent", ["my-request", "a" * 64, "A.b_c-9"])
def test_a_clients_valid_request_id_is_kept(client: httpx2.Client, service: Service, sent: str) -> None:
    response = client.get("/v1/models", headers={"x-request-id": sent})
    assert response.headers["x-request-id"] == sent
    eventually(lambda: any(line.get("request_id") == sent for line in service.log_lines()))


@pytest.mark.parametrize("sent", ["", "a" * 65, "a b", "a\tb", 'a"b', "ü", "a;b"])
def test_any_other_request_id_is_replaced(client: httpx2.Client, sent: str) -> None:
    response = client.get("/v1/models", headers={b"x-request-id": sent.encode()})
    assert re.fullmatch(r"req-[0-9a-f]{24}", response.headers["x-request-id"])


@contextmanager
def web_alone(database_url: str) -> Iterator[httpx2.Client]:
    """Run a web process on this database, and return a client of it."""
    port = free_port()
    with reachable_folder() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "easel", "web", "--port", str(port), "--data-dir", str(folder)],
            env=environment(EASEL_DATABASE_URL=database_url, EASEL_SECRET="s" * 32, EASEL_ENGINE="blank"),
            stderr=subprocess.DEVNULL,
        )
        try:
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
                eventually(lambda: answers(client))
                yield client
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def answers(client: httpx2.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def test_without_its_database_the_service_answers_503_in_every_wording_with_retry_after() -> None:
    key = api_key.from_random(bytes(api_key.RANDOM_BYTES))
    asked: dict[str, tuple[str, str | int]] = {
        GENERATIONS: ("POST", "service_unavailable"),
        UNKNOWN_TASK: ("GET", "service_unavailable"),
        "/v1/models": ("GET", "service_unavailable"),
        "/v1/credits": ("GET", 503),
    }
    with prepared_folder() as data_dir, ExitStack() as running:
        database = ExitStack()
        server = database.enter_context(private_postgres.attach(data_dir))
        client = running.enter_context(web_alone(server.url))
        database.close()
        client.headers["authorization"] = f"Bearer {key}"
        with ThreadPoolExecutor() as pool:
            given = list(pool.map(lambda path: client.request(asked[path][0], path), asked))
        for response, (_, code) in zip(given, asked.values(), strict=True):
            assert_error(response, 503, body(code, UNAVAILABLE, "api_error"))
            assert response.headers["retry-after"] == "2"
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["database"]) == (503, "unavailable")
        assert ready.headers["retry-after"] == "2"
        assert client.get("/healthz").content == b'{"status":"ok"}'
        running.enter_context(private_postgres.attach(data_dir))
        eventually(lambda: client.get("/v1/models").status_code == 401)
