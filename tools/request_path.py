"""Shows which of Easel's files and functions a request passes: `python -m tools.request_path`.

The web application runs in this process, on a temporary data folder. A POST of a task and a GET of it are each made
several times, and only calls that all of them made are counted. Tasks that were running before a request are background
work, which is left out. Each file counts once. A move is a call from one file into another.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

import httpx2
import uvicorn

import easel
from easel.actions import api_keys
from easel.actions.api_keys import KeyOrder
from easel.assembly.configuration import read_settings
from easel.assembly.installation import Installation, database_of, installation, pepper
from easel.assembly.web import web_parts
from easel.commands.startup.listening import listen
from easel.domain.credits import MICROCREDITS_PER_CREDIT
from easel.settings.settings import Settings
from easel.store import schema
from easel.web.edge.browsers import open_to_browsers
from easel.web.edge.crowd import Crowd
from easel.web.edge.protocol import EdgeProtocol
from easel.web.edge.proxies import behind_proxies

SOURCE: Final = str(Path(easel.__file__).parent)
TIMES: Final = 4
APART_S: Final = 1.2
"""Longer than a web process caches measurements and keys."""
ORDER: Final = {"model": "z-image-turbo", "prompt": "a cute cat", "size": "376x376"}
Call = tuple[str, str]


class Recording:
    """The functions that this thread calls, and the moves between files."""

    def __init__(self) -> None:
        self.calls: set[Call] = set()
        self.moves: Counter[tuple[str, str]] = Counter()
        self._background = asyncio.all_tasks()

    def __enter__(self) -> "Recording":
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(SOURCE):
            return
        if asyncio.current_task() in self._background:
            return
        file = frame.f_code.co_filename
        self.calls.add((file, frame.f_code.co_qualname))
        caller = frame.f_back
        while caller is not None and not caller.f_code.co_filename.startswith(SOURCE):
            caller = caller.f_back
        if caller is not None and caller.f_code.co_filename != file:
            self.moves[caller.f_code.co_filename, file] += 1


async def recorded(send: Callable[[], httpx2.Response], apart_s: float) -> list[Recording]:
    """The calls of each of several requests."""
    recordings = []
    for _ in range(TIMES):
        await asyncio.sleep(apart_s)
        with Recording() as recording:
            response = await asyncio.to_thread(send)
        response.raise_for_status()
        recordings.append(recording)
    return recordings


def shown(title: str, recordings: list[Recording], *, lists_functions: bool) -> None:
    """Print the calls that all requests made."""
    calls = set.intersection(*(recording.calls for recording in recordings))
    files = sorted({file for file, _ in calls})
    moves = min(sum(recording.moves.values()) for recording in recordings)
    print(f"{title}: {len(files)} files, {len(calls)} functions, {moves} moves between files")
    for file in files:
        functions = sorted(name for found, name in calls if found == file)
        print(f"  {Path(file).relative_to(SOURCE)}: {', '.join(functions) if lists_functions else len(functions)}")


async def trace(read: Settings, installed: Installation, apart_s: float, *, lists_functions: bool) -> None:
    """Serve, send the requests and print their paths."""
    await schema.prepare(installed.database_url, installed.secret)
    database = database_of(read, installed)
    await database.open()
    issued = await api_keys.issue(
        database, pepper(installed.secret), KeyOrder("trace", credits_microcredits=100 * MICROCREDITS_PER_CREDIT)
    )
    await database.close()
    app = web_parts(read, installed, None).app
    listening = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        behind_proxies(open_to_browsers(app, read.cors_origin_list), read.trusted_proxy_list),
        http=EdgeProtocol.among(Crowd(read.connections_per_address, read.trusted_networks, on_relief=lambda: None)),
        log_config=None, access_log=False, server_header=False, proxy_headers=False, ws="none",
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    headers = {"authorization": f"Bearer {issued.key}"}
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with httpx2.Client(base_url=url, headers=headers, trust_env=False) as client:
        task = (await asyncio.to_thread(lambda: client.post("/v1/images/generations", json=ORDER))).json()
        for title, send in (
            ("POST /v1/images/generations", lambda: client.post("/v1/images/generations", json=ORDER)),
            ("GET /v1/tasks/{task_id}", lambda: client.get(f"/v1/tasks/{task['id']}")),
        ):
            shown(title, await recorded(send, apart_s), lists_functions=lists_functions)
    server.should_exit = True
    await serving


def main() -> None:
    """Trace a POST and a GET."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--functions", action="store_true", help="list the functions of each file")
    parser.add_argument("--cold", action="store_true", help="let all caches expire between requests")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="easel-path-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        read = read_settings({"EASEL_DATA_DIR": str(folder / "data"), "EASEL_ENGINE": "blank"})
        started_s = time.monotonic()
        with installation(read) as installed:
            asyncio.run(trace(read, installed, APART_S if options.cold else 0, lists_functions=options.functions))
        print(f"traced in {time.monotonic() - started_s:.0f} s")


if __name__ == "__main__":
    main()
