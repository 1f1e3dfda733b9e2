"""The tools. They have the names and arguments of the hosted service's own MCP server where both offer the same.

Each works through the HTTP API, with the key of whoever calls it.
"""

import asyncio
import base64
import contextlib
import mimetypes
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Annotated, Any, Final, Literal

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent, ToolAnnotations
from pydantic import Field

import easel
from easel.client.answers import Task
from easel.client.async_client import AsyncClient
from easel.client.failures import ClientError, TaskFailed, Unfinished
from easel.client.orders import DEFAULT_MODEL
from easel.mcp.answers import Balance, Drawing, Models, TaskList
from easel.mcp.failures import advice, told_to_the_model

WAIT_S: Final = 300
WAIT_S_MAX: Final = 3600
CANCEL_TIMEOUT_S: Final = 10.0
SHOWN_BYTES_MAX: Final = 2 * 1024 * 1024
"""Larger pictures are returned as links alone. An answer is held whole until the agent has read it, and all connections
of a web process together may hold only 24 MB (`web/edge/crowd.py`)."""
INSTRUCTIONS: Final = """\
Draws pictures from text. generate_image waits for the picture and returns it with a link, its size and its seed. To vary a
picture, change the prompt or the seed; to draw it again, keep both. A task that fails or is cancelled costs nothing.\
"""
_NOT_OFFERED: Final = ("prompts/", "resources/")
_READS: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)

ClientOf = Callable[["Context[Any, Any]"], AbstractAsyncContextManager[AsyncClient]]
"""The client of whoever calls a tool."""

TaskId = Annotated[str, Field(description="Id of a task, as generate_image and list_tasks return it", max_length=64)]
Wait = Annotated[int, Field(ge=0, le=WAIT_S_MAX, description="Seconds to wait for the picture. 0 returns at once")]


def mcp_server(client_of: ClientOf) -> MCPServer[Any]:
    """A server whose tools use the client that `client_of` returns for a call."""
    server: MCPServer[Any] = MCPServer(
        "easel", title="Easel", version=easel.__version__, instructions=INSTRUCTIONS, log_level="WARNING",
        subscriptions=False,
    )  # fmt: skip
    _add_drawing(server, client_of)
    _add_reading(server, client_of)
    _add_cancelling(server, client_of)
    _add_account(server, client_of)
    _offer_only_tools(server)
    return server


def _offer_only_tools(server: MCPServer[Any]) -> None:
    """Without this, the library offers prompts and resources too, and reports each request for one as its own fault."""
    for method in [name for name in server._lowlevel_server._request_handlers if name.startswith(_NOT_OFFERED)]:
        del server._lowlevel_server._request_handlers[method]


def _add_drawing(server: MCPServer[Any], client_of: ClientOf) -> None:
    @server.tool(
        title="Draw a picture",
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
        ),
    )
    async def generate_image(
        context: "Context[Any, Any]",
        prompt: Annotated[str, Field(min_length=1, max_length=2000, description="What the picture shows")],
        size: Annotated[
            str | None, Field(description="Ratio such as 1:1, 3:2 or 16:9, or WIDTHxHEIGHT, 376 to 1536 pixels a side")
        ] = None,
        seed: Annotated[int | None, Field(ge=1, le=2_147_483_647, description="Leave out for a new picture")] = None,
        output_format: Annotated[Literal["webp", "png", "jpeg"], Field(description="Format of the file")] = "webp",
        model: Annotated[str, Field(description="list_models shows the choice")] = DEFAULT_MODEL,
        wait_s: Wait = WAIT_S,
    ) -> Annotated[CallToolResult, Drawing]:
        """Draw a picture of a prompt. Waits for it, and returns the picture, a link to it, its size and its seed.

        Costs credits. If the picture is not ready after wait_s, the task goes on, and check_task waits for it.
        """
        async with client_of(context) as client:
            with told_to_the_model():
                order = client.submit(prompt, model=model, size=size, seed=seed, output_format=output_format)
                task = await _submitted(client, order)
            return await _awaited(context, client, task, wait_s, cancels=True)


def _add_reading(server: MCPServer[Any], client_of: ClientOf) -> None:
    @server.tool(title="Check a task", annotations=_READS)
    async def check_task(
        context: "Context[Any, Any]", task_id: TaskId, wait_s: Wait = 0
    ) -> Annotated[CallToolResult, Drawing]:
        """Show a task, and its picture if it is completed. With wait_s, first wait for its end."""
        async with client_of(context) as client:
            with told_to_the_model():
                task = await client.task(task_id)
            return await _awaited(context, client, task, wait_s, cancels=False)

    @server.tool(title="List tasks", annotations=_READS)
    async def list_tasks(
        context: "Context[Any, Any]",
        status: Annotated[
            Literal["processing", "completed", "failed"] | None, Field(description="processing means unfinished")
        ] = None,
        page: Annotated[int, Field(ge=1, le=10_000)] = 1,
        page_size: Annotated[int, Field(ge=1, le=50)] = 20,
    ) -> TaskList:
        """List the tasks of this account, newest first."""
        async with client_of(context) as client:
            with told_to_the_model():
                return TaskList.of(await client.tasks(status=status, page=page, page_size=page_size))


def _add_cancelling(server: MCPServer[Any], client_of: ClientOf) -> None:
    @server.tool(
        title="Cancel a task",
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
        ),
    )
    async def cancel_task(context: "Context[Any, Any]", task_id: TaskId) -> Annotated[CallToolResult, Drawing]:
        """Cancel a task that is not drawn yet. Nothing is charged for it. A completed task stays as it is."""
        async with client_of(context) as client:
            with told_to_the_model():
                drawing = Drawing.of(await client.cancel(task_id))
        words = "is cancelled, or will be after its current step. Nothing is charged."
        text = drawing.text() if drawing.status == "completed" else f"{task_id} {words}"
        return _result(drawing, [TextContent(text=text)])


def _add_account(server: MCPServer[Any], client_of: ClientOf) -> None:
    @server.tool(title="Check the credits", annotations=_READS)
    async def check_balance(context: "Context[Any, Any]") -> Balance:
        """Show the credits that are left and that have been used."""
        async with client_of(context) as client:
            with told_to_the_model():
                return Balance.of(await client.credits())

    @server.tool(title="List models", annotations=_READS)
    async def list_models(context: "Context[Any, Any]") -> Models:
        """List the models that this key may use."""
        async with client_of(context) as client:
            with told_to_the_model():
                return Models(models=await client.models())


async def _submitted(client: AsyncClient, order: Coroutine[Any, Any, Task]) -> Task:
    """The task of an order. If the call is cancelled meanwhile, nobody will know the task, so it is cancelled too."""
    submitting = asyncio.ensure_future(order)
    try:
        return await asyncio.shield(submitting)
    except asyncio.CancelledError:
        with anyio.move_on_after(CANCEL_TIMEOUT_S, shield=True), contextlib.suppress(ClientError):
            await client.cancel((await submitting).id)
        raise


async def _awaited(
    context: "Context[Any, Any]", client: AsyncClient, task: Task, wait_s: float, *, cancels: bool
) -> CallToolResult:
    """The result for a task, after waiting for its end. If the call is cancelled, and `cancels` is set, so is the
    task."""
    try:
        with told_to_the_model():
            if wait_s > 0 and not task.has_ended:
                task = await _followed(context, client, task, wait_s)
            return await _shown(client, task)
    except asyncio.CancelledError:
        if cancels and not task.has_ended:
            with anyio.move_on_after(CANCEL_TIMEOUT_S, shield=True), contextlib.suppress(ClientError):
                await client.cancel(task.id)
        raise


async def _followed(context: "Context[Any, Any]", client: AsyncClient, task: Task, wait_s: float) -> Task:
    """The task after at most `wait_s`. Reports progress, which only rises."""
    reported = -1.0
    with contextlib.suppress(Unfinished):
        async with aclosing(client.follow(task.id, timeout_s=wait_s)) as states:
            async for task in states:
                reported = min(max(reported + 0.01, float(task.progress)), 100.0)
                await context.report_progress(reported, 100.0, _words(task))
    return task


async def _shown(client: AsyncClient, task: Task) -> CallToolResult:
    drawing = Drawing.of(task)
    if task.error is not None:
        failed = TaskFailed(task.error.code, task.error.message)
        raise ToolError(f"{failed}. {advice(failed)}")
    content: list[ContentBlock] = [TextContent(text=drawing.text())]
    if task.results:
        picture = await client.picture(task)
        kind = mimetypes.guess_type(task.results[0].url)[0] or "image/webp"
        if len(picture.file) <= SHOWN_BYTES_MAX:
            content.append(ImageContent(data=base64.b64encode(picture.file).decode(), mime_type=kind))
        content.append(ResourceLink(name=task.id, title="The picture", uri=task.results[0].url, mime_type=kind))
    return _result(drawing, content)


def _result(drawing: Drawing, content: list[ContentBlock]) -> CallToolResult:
    return CallToolResult(content=content, structured_content=drawing.model_dump(mode="json"))


def _words(task: Task) -> str:
    if task.place_in_line is not None:
        return f"no. {task.place_in_line} in line"
    if task.steps_total:
        return f"step {task.steps_done} of {task.steps_total}"
    return task.status
