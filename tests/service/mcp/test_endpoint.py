"""The endpoint `/mcp` of a web process whose libraries could not be loaded at first, as with too many open files."""

import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from easel.mcp import endpoint


def test_what_could_not_be_loaded_is_loaded_for_the_next_request(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask_twice() -> int:
        mcp = endpoint.McpEndpoint()
        mcp.serve(PlainTextResponse("no such key", 401))
        request = Request({"type": "http", "method": "POST", "path": endpoint.PATH, "headers": []})
        with monkeypatch.context() as broken:
            broken.setattr(endpoint, "_SERVER", "easel.mcp.missing")
            with pytest.raises(ModuleNotFoundError):
                await mcp.answer(request)
        return (await mcp.answer(request)).status_code

    assert asyncio.run(ask_twice()) == 401
