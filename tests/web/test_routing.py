"""Which handler answers which method at which path."""

import asyncio
from collections.abc import Mapping
from typing import Final

import pytest
from starlette.requests import Request
from starlette.responses import Response

from easel.domain.errors import MethodNotAllowed, NoSuchAddress
from easel.web.routing import Handler, Route, Routes


def handler(name: str) -> Handler:
    async def handle(_request: Request) -> Response:
        return Response(name)

    return handle


ROUTES: Final = Routes(
    [
        Route("/tasks/{task_id}", GET=handler("read"), DELETE=handler("erase")),
        Route("/tasks/batch", POST=handler("batch")),
        Route("/tasks/{task_id}/events", GET=handler("events")),
        Route("/models/{model:path}", GET=handler("model")),
        Route("/a.b/{name}", GET=handler("dotted")),
    ]
)


def found(method: str, path: str) -> tuple[str, Mapping[str, str]]:
    async def answer(route: Route) -> Response:
        return await route.handler(method)(Request({"type": "http"}))

    route, parameters = ROUTES.find(path)
    return bytes(asyncio.run(answer(route)).body).decode(), parameters


@pytest.mark.parametrize(
    ("method", "path", "name", "parameters"),
    [
        ("GET", "/tasks/1", "read", {"task_id": "1"}),
        ("HEAD", "/tasks/1", "read", {"task_id": "1"}),
        ("DELETE", "/tasks/1", "erase", {"task_id": "1"}),
        ("GET", "/tasks/1/events", "events", {"task_id": "1"}),
        ("POST", "/tasks/batch", "batch", {}),
        ("GET", "/models/a/b", "model", {"model": "a/b"}),
        ("GET", "/a.b/c", "dotted", {"name": "c"}),
    ],
)
def test_a_path_and_a_method_have_one_handler(method: str, path: str, name: str, parameters: Mapping[str, str]) -> None:
    assert found(method, path) == (name, parameters)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/tasks/1", ["DELETE", "GET", "HEAD"]),
        ("GET", "/tasks/batch", ["POST"]),
        ("PUT", "/models/a", ["GET", "HEAD"]),
    ],
)
def test_a_wrong_method_is_refused_with_the_allowed_ones(method: str, path: str, allowed: list[str]) -> None:
    route, _ = ROUTES.find(path)
    with pytest.raises(MethodNotAllowed) as refused:
        route.handler(method)
    assert list(refused.value.allowed_methods) == allowed


@pytest.mark.parametrize("path", ["", "/", "/tasks", "/tasks/", "/tasks/1/", "/tasks/batch/", "/axb/c"])
def test_any_other_path_is_no_address(path: str) -> None:
    with pytest.raises(NoSuchAddress):
        ROUTES.find(path)
