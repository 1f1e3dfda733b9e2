"""`easel mcp`: serves the Model Context Protocol on standard input and output, for agents on this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import click

from easel.client.async_client import AsyncClient
from easel.commands.terminal.client_session import SETTING, service, service_options
from easel.mcp.endpoint import is_possible
from easel.runtime import distribution, logs


@click.command("mcp")
@service_options
def mcp_command(url: str | None, api_key: str | None) -> None:
    """Let an AI agent draw, as a server of the Model Context Protocol.

    Agents start this command and speak to it on standard input and output. It needs the extra mcp.
    """
    if not is_possible():
        raise click.ClickException(
            f"A library is missing: install Easel's mcp extra with `{distribution.install_extra('mcp')}`."
        )
    address, key = service(url, api_key)
    logs.configure("mcp", "text", "warning")
    asyncio.run(_serve(address, key))


async def _serve(address: str, key: str) -> None:
    from easel.mcp.tools import mcp_server

    async with AsyncClient(address, key, setting=SETTING) as client:

        @asynccontextmanager
        async def ours(_context: Any) -> AsyncIterator[AsyncClient]:
            yield client

        await mcp_server(ours).run_stdio_async()
