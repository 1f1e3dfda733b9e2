"""Easel as an MCP server, for the official client: `easel mcp` on standard streams, and `/mcp` over HTTP."""

import asyncio
import base64
import itertools
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ImageContent, ResourceLink, TextContent
from PIL import Image

from tests.support.administration import account_named, read
from tests.support.command_line import easel, environment
from tests.support.frozen import nobody_draws
from tests.support.moderated import REFUSED
from tests.support.patience import PATIENCE_S, eventually
from tests.support.running_service import GENERATIONS, ORDER, Service
from tests.support.slow_service import STEPS, slow_service

SIZE = "376x376"
UNKNOWN = "task-unified-1757165031-uyujaw3d"
TOOLS = {"generate_image", "check_task", "cancel_task", "list_tasks", "check_balance", "list_models"}
Connect = Callable[[Service, str], Any]


@asynccontextmanager
async def by_stdio(service: Service, key: str) -> AsyncIterator[Client]:
    started = StdioServerParameters(
        command=sys.executable,
        args=["-m", "easel", "mcp"],
        env=environment(EASEL_URL=service.url, EASEL_API_KEY=key),
    )
    async with Client(started) as client:
        yield client


@asynccontextmanager
async def by_http(service: Service, key: str, mode: str = "auto") -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as http,
        Client(streamable_http_client(f"{service.url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


@asynccontextmanager
async def by_earlier_http(service: Service, key: str) -> AsyncIterator[Client]:
    """As clients connect that speak the protocol of 2025."""
    async with by_http(service, key, "legacy") as client:
        yield client


@pytest.fixture(params=[by_stdio, by_http, by_earlier_http])
def connect(request: pytest.FixtureRequest) -> Connect:
    kind: Connect = request.param
    return kind


@pytest.fixture(scope="module")
def slow() -> Iterator[Service]:
    with slow_service() as running:
        yield running


@pytest.fixture(scope="module")
def slower() -> Iterator[Service]:
    """A service whose draws no test waits for."""
    with slow_service(step_s=2.0) as running:
        yield running


def played(connect: Connect, service: Service, key: str, act: Callable[[Client], Awaitable[Any]]) -> Any:
    async def play() -> Any:
        async with connect(service, key) as client:
            return await act(client)

    return asyncio.run(play())


def called(connect: Connect, service: Service, key: str, tool: str, **arguments: Any) -> CallToolResult:
    result = played(connect, service, key, lambda client: client.call_tool(tool, arguments))
    assert isinstance(result, CallToolResult)
    return result


def structured(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


def words(result: CallToolResult) -> str:
    return " ".join(part.text for part in result.content if isinstance(part, TextContent))


def test_the_tools_describe_themselves(connect: Connect, service: Service, new_key: Callable[..., str]) -> None:
    listed = played(connect, service, new_key(), lambda client: client.list_tools())
    tools = {tool.name: tool for tool in listed.tools}
    assert set(tools) == TOOLS
    for tool in tools.values():
        assert tool.title
        assert tool.description
        assert tool.output_schema is not None
        assert tool.annotations is not None
        assert "context" not in tool.input_schema["properties"]
    assert tools["check_task"].annotations.read_only_hint is True
    assert tools["generate_image"].annotations.read_only_hint is False
    assert tools["cancel_task"].annotations.destructive_hint is True
    assert tools["generate_image"].input_schema["required"] == ["prompt"]


def test_a_picture_is_drawn_and_returned(connect: Connect, service: Service, new_key: Callable[..., str]) -> None:
    key = new_key()
    result = called(
        connect, service, key, "generate_image", prompt="a cat", size="752x376", seed=7, output_format="png"
    )
    drawing = structured(result)
    assert (drawing["status"], drawing["width"], drawing["height"], drawing["seed"]) == ("completed", 752, 376, 7)
    assert drawing["credits"] == 0.026
    (image,) = (part for part in result.content if isinstance(part, ImageContent))
    assert image.mime_type == "image/png"
    with Image.open(BytesIO(base64.b64decode(image.data))) as picture:
        assert (picture.format, picture.size) == ("PNG", (752, 376))
    (link,) = (part for part in result.content if isinstance(part, ResourceLink))
    assert str(link.uri) == drawing["url"]
    assert drawing["url"].startswith(f"{service.url}/pictures/")
    assert httpx2.get(drawing["url"], trust_env=False, timeout=30).status_code == 200
    checked = called(connect, service, key, "check_task", task_id=drawing["task_id"])
    assert structured(checked) == drawing


def test_a_large_picture_is_returned_as_a_link_alone(service: Service, new_key: Callable[..., str]) -> None:
    key = new_key()
    drawing = structured(called(by_http, service, key, "generate_image", prompt="a cat", size=SIZE))
    (file,) = service.data_dir.rglob(drawing["url"].rpartition("/")[2])
    file.write_bytes(bytes(2 * 1024 * 1024 + 1))
    result = called(by_http, service, key, "check_task", task_id=drawing["task_id"])
    assert [part.type for part in result.content] == ["text", "resource_link"]
    assert drawing["url"] in words(result)


def test_progress_is_reported_while_a_picture_is_drawn(connect: Connect, slow: Service) -> None:
    reports: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total, message))

    async def draw(client: Client) -> Any:
        return await client.call_tool("generate_image", {"prompt": "a cat", "size": SIZE}, progress_callback=note)

    assert structured(played(connect, slow, slow.new_key("progress"), draw))["status"] == "completed"
    assert [report[0] for report in reports] == sorted(report[0] for report in reports)
    assert {report[1] for report in reports} == {100}
    assert any(report[2] is not None and report[2].endswith(f"of {STEPS}") for report in reports)


def newest(client: httpx2.Client) -> dict[str, Any]:
    task: dict[str, Any] = client.get("/v1/tasks").json()["data"][0]
    return task


def test_a_call_that_is_cancelled_cancels_its_task(connect: Connect, slower: Service) -> None:
    key = slower.new_key("cancelled-call")
    with slower.client(key) as http:
        before = http.get("/v1/tasks").json()["total"]

        async def leave(client: Client) -> None:
            begun = asyncio.Event()

            async def note(progress: float, total: float | None, message: str | None) -> None:
                begun.set()

            drawing = asyncio.create_task(
                client.call_tool("generate_image", {"prompt": "a cat", "size": SIZE}, progress_callback=note)
            )
            await asyncio.wait_for(begun.wait(), PATIENCE_S)
            drawing.cancel()
            await asyncio.wait({drawing})
            # The cancellation must arrive before the connection ends.
            await client.call_tool("check_balance", {})

        played(connect, slower, key, leave)
        assert http.get("/v1/tasks").json()["total"] == before + 1
        eventually(lambda: newest(http)["status"] == "failed")
        assert http.get(f"/v1/tasks/{newest(http)['id']}").json()["error"]["code"] == "request_cancelled"


def test_an_agent_that_leaves_at_any_moment_is_charged_for_nothing(slow: Service) -> None:
    key = slow.new_key("leaving-agent")
    asked = json.dumps(
        {
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "generate_image", "arguments": {"prompt": "a cat", "size": SIZE}},
        }
    ).encode()  # fmt: skip
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: easel\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nContent-Length: {len(asked)}\r\n\r\n"
    ).encode()
    called(by_http, slow, key, "check_balance")  # the first call loads the library
    earlier = len(slow.log_lines())
    stays_s = itertools.count(0, 0.005)

    def leave() -> None:
        with socket.create_connection(("127.0.0.1", slow.port)) as connection:
            stay_s = next(stays_s)
            connection.sendall(head + asked[: None if stay_s else -1])
            time.sleep(stay_s)

    with slow.client(key) as http:
        for _ in range(24):
            leave()
        while http.get("/v1/tasks").json()["total"] < 10:
            leave()
        eventually(lambda: http.get("/v1/tasks?status=processing").json()["total"] == 0, timeout_s=60)
        assert http.get("/v1/tasks?status=completed").json()["total"] == 0
        assert http.get("/v1/credits").json()["data"]["user"]["used_credits"] == 0
    assert [line for line in slow.log_lines()[earlier:] if line["level"] != "info"] == []


def test_nothing_but_tools_is_offered(connect: Connect, service: Service, new_key: Callable[..., str]) -> None:
    async def ask(client: Client) -> tuple[Any, list[str]]:
        answers = []
        for asking in (client.get_prompt("a secret"), client.read_resource("secret:a"), client.list_prompts()):
            with pytest.raises(MCPError) as refused:
                await asking
            answers.append(refused.value.error.message)
        return client.server_capabilities, answers

    offered, answers = played(connect, service, new_key(), ask)
    assert offered.tools is not None
    assert (offered.prompts, offered.resources) == (None, None)
    assert answers == ["Method not found"] * 3


def test_a_task_can_be_left_and_checked_and_cancelled(connect: Connect, slow: Service) -> None:
    key = slow.new_key("left")

    async def act(client: Client) -> None:
        left = await client.call_tool("generate_image", {"prompt": "a cat", "size": SIZE, "wait_s": 0})
        task_id = structured(left)["task_id"]
        assert structured(left)["status"] == "pending"
        assert "check_task" in words(left)
        done = structured(await client.call_tool("check_task", {"task_id": task_id, "wait_s": 30}))
        assert done["status"] == "completed"
        with nobody_draws(slow):
            other = structured(await client.call_tool("generate_image", {"prompt": "a cat", "wait_s": 0}))["task_id"]
            assert "Nothing is charged" in words(await client.call_tool("cancel_task", {"task_id": other}))
        ended = await client.call_tool("check_task", {"task_id": other, "wait_s": 30})
        assert ended.is_error
        assert "request_cancelled" in words(ended)

    played(connect, slow, key, act)


def test_tasks_credits_and_models_are_read(connect: Connect, service: Service, new_key: Callable[..., str]) -> None:
    key = new_key()

    async def act(client: Client) -> list[dict[str, Any]]:
        await client.call_tool("generate_image", {"prompt": "a cat", "size": SIZE})
        calls: list[tuple[str, dict[str, Any]]] = [
            ("list_tasks", {"status": "completed"}), ("check_balance", {}), ("list_models", {}),
        ]  # fmt: skip
        return [structured(await client.call_tool(name, arguments)) for name, arguments in calls]

    tasks, balance, models = played(connect, service, key, act)
    assert (tasks["total"], tasks["tasks"][0]["status"]) == (1, "completed")
    assert (balance["remaining_credits"], balance["used_credits"], balance["has_limit"]) == (99.974, 0.026, False)
    assert models == {"models": ["z-image-turbo"]}


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("generate_image", {"prompt": REFUSED}, "Do not repeat this prompt."),
        ("generate_image", {"prompt": "a cat", "size": "9:1"}, "Correct the arguments and call the tool again."),
        ("generate_image", {"prompt": "a cat", "model": "sdxl"}, "list_models shows the models"),
        ("generate_image", {}, "prompt"),
        ("check_task", {"task_id": UNKNOWN}, "list_tasks shows the tasks"),
        ("cancel_task", {"task_id": "7"}, "Task ids look like"),
    ],
)
def test_an_error_says_what_to_do(
    service: Service, new_key: Callable[..., str], tool: str, arguments: dict[str, Any], said: str
) -> None:
    result = called(by_http, service, new_key(), tool, **arguments)
    assert result.is_error
    assert said in words(result)


def test_a_tool_reaches_nothing_but_tasks(service: Service) -> None:
    key = service.new_key("operating-agent", "1", "--scope", "admin", "--scope", "read")
    service.new_key("victim")
    with service.client(key) as http:
        keys_of = {"account_id": account_named(http, "victim")["id"]}
        [victim] = [each["id"] for each in read(http, "keys", **keys_of)["data"]]
        result = called(by_http, service, key, "cancel_task", task_id=f"../../admin/v1/keys/{victim}/revoke?")
        assert "Task ids look like" in words(result)
        [found] = read(http, "keys", **keys_of)["data"]
    assert found["revoked_at"] is None


def test_an_account_without_credits_is_told_so(connect: Connect, service: Service) -> None:
    result = called(connect, service, service.new_key("poor-agent", "0"), "generate_image", prompt="a cat")
    assert result.is_error
    assert "check_balance shows them" in words(result)


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer sk-easel-x"}, {"authorization": "Basic x"}])
def test_a_request_without_a_valid_key_is_refused(service: Service, headers: dict[str, str]) -> None:
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    refused = httpx2.post(f"{service.url}/mcp", json=asked, headers=headers, timeout=60, trust_env=False)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["error"]["code"] == "unauthorized"


def test_requests_to_tools_are_counted_for_the_key(service: Service, new_key: Callable[..., str]) -> None:
    key = new_key(None, "100", "--rate", "1")
    with service.client(key) as http:
        assert http.post(GENERATIONS, json=ORDER).status_code == 200
    result = called(by_http, service, key, "generate_image", prompt="a cat")
    assert result.is_error
    assert "Try again in" in words(result)


def test_the_command_needs_a_key() -> None:
    refused = easel("mcp")
    assert refused.returncode == 2
    assert "EASEL_API_KEY" in refused.stderr


def test_no_silent_stream_is_opened(service: Service, new_key: Callable[..., str]) -> None:
    with service.client(new_key()) as http:
        refused = http.get("/mcp", headers={"accept": "text/event-stream"})
    assert (refused.status_code, refused.headers["allow"]) == (405, "DELETE, POST")


def test_what_is_not_the_protocol_is_refused(service: Service, new_key: Callable[..., str]) -> None:
    with service.client(new_key()) as http:
        for body in (b"", b"{", json.dumps({"jsonrpc": "2.0"}).encode()):
            refused = http.post("/mcp", content=body, headers={"accept": "application/json, text/event-stream"})
            assert 400 <= refused.status_code < 500
        large = http.post("/mcp", content=b" " * 100_000, headers={"content-type": "application/json"})
        assert large.status_code == 413
