"""Draws on servers with OpenAI's `POST /v1/images/generations`, such as sglang-diffusion, vllm-omni or LocalAI.

One request draws one picture. It states the canvas (the size rounded up to multiples of 16 pixels) and the seed, and
asks for the picture inside the answer. A link instead of the picture is followed only to the server's own scheme, host
and port. If no server draws, DrawingFailed is raised. It is logged if the operator can fix the cause.

The same drawing gives the same picture only as far as the servers honour the seed, and are alike. Each is checked when
it first answers, in the background. No progress is shown, because the servers do not report any.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from easel.engines.engine import Drawing, OnStep, Pixels
from easel.engines.remote.answers import Fault
from easel.engines.remote.checks import what_does_not_hold
from easel.engines.remote.dialects import Recipe
from easel.engines.remote.server import ImageServer, Look
from easel.engines.remote.servers import Servers

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class RemoteServers:
    """Image servers and how to use them. Their URLs may end in `/v1`.

    Requests set the number of steps and turn guidance off. If `steps` is 0, both are left to the servers. `timeout_s`
    limits one attempt. `draws_at_once` is for each server. `check_timeout_s` limits the check of a server with three
    small pictures; with 0, there is none.
    """

    urls: tuple[str, ...]
    model: str
    api_key: str | None
    timeout_s: float
    draws_at_once: int
    steps: int
    check_timeout_s: float = 0.0


class Remote:
    """Draws on image servers. Concurrent draws share what is known about the servers, and who draws where."""

    name = "remote"
    model = None

    def __init__(self, given: RemoteServers) -> None:
        """Raises EngineUnusable if a URL is invalid, or if the environment names unusable certificates."""
        recipe = Recipe(given.model, given.steps)
        self._all = [ImageServer(url, recipe, given.api_key, given.timeout_s) for url in given.urls]
        self._draws_at_once = given.draws_at_once * len(self._all)
        self._check_timeout_s = given.check_timeout_s
        self._servers = Servers(self._all, given.draws_at_once, self._check_later)

    @property
    def draws_at_once(self) -> int:
        """As many as the operator allows for all servers together."""
        return self._draws_at_once

    @property
    def tasks_at_once(self) -> int:
        """Twice `draws_at_once`: each draw may begin while the previous picture is encoded and stored."""
        return 2 * self._draws_at_once

    def load(self) -> None:
        """Look for the servers. They may start later, so a failure is only a warning."""
        for index, look in enumerate(self._looks()):
            if look.state == "ok":
                log.info("remote_server_found", words=look.words)
            else:
                log.warning("remote_check_warning", words=look.words)
            self._servers.was_looked_for(index, answers=look.state != "failed")

    def look(self) -> Iterator[Look]:
        """Look for each server, and check those that answer. Takes a few seconds, and `check_timeout_s`, at most."""
        with ThreadPoolExecutor(len(self._all)) as threads:
            yield from threads.map(self._look_closely, self._all)

    def draw(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        """Request the canvas and cut the picture from its middle. Raises DrawingFailed, and what `on_step` raises."""

        def on_beat() -> None:
            on_step(0, 1)

        on_beat()
        try:
            pixels = self._servers.draw(drawing, on_beat)
        except Fault as fault:
            if fault.hint is not None:
                at = {} if fault.server is None else {"server": fault.server}
                log.error("remote_draw_failed", code=fault.code, hint=fault.hint, **at)
            raise
        on_step(1, 1)
        return pixels

    def servers_in_use(self) -> dict[str, bool]:
        """Each server's address, and whether it gets draws now."""
        return self._servers.in_use()

    def probe(self) -> None:
        """There is no device on this machine."""

    def _looks(self) -> list[Look]:
        with ThreadPoolExecutor(len(self._all)) as threads:
            return list(threads.map(ImageServer.look, self._all))

    def _look_closely(self, server: ImageServer) -> Look:
        look = server.look()
        if look.state != "ok" or not self._check_timeout_s:
            return look
        wrong = what_does_not_hold(server, self._check_timeout_s)
        return look if wrong is None else Look("warning", f"{server.url} {wrong}")

    def _check_later(self, server: ImageServer) -> None:
        """Check a server that answered for the first time, without keeping anybody waiting."""
        if self._check_timeout_s:
            threading.Thread(target=self._check, args=(server,), name="remote-check", daemon=True).start()

    def _check(self, server: ImageServer) -> None:
        wrong = what_does_not_hold(server, self._check_timeout_s)
        if wrong is not None:
            log.warning("remote_check_warning", words=f"{server.url} {wrong}")
