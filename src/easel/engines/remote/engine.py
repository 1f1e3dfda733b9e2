"""Draws on any server with OpenAI's `POST /v1/images/generations`, such as sglang-diffusion, vllm-omni or LocalAI.

One request draws one picture. It states the canvas (the size rounded up to multiples of 16 pixels) and the seed, and
asks for the picture inside the answer. A link instead of the picture is followed only to the server's own scheme, host
and port. If the server fails, DrawingFailed is raised. It is logged if the operator can fix the cause.

The same drawing gives the same picture only as far as the server honours the seed. No progress is shown, because the
server does not report any.
"""

from dataclasses import dataclass

import structlog

from easel.engines.engine import Drawing, OnStep, Pixels
from easel.engines.remote.answers import Fault
from easel.engines.remote.dialects import Recipe
from easel.engines.remote.pictures import read_picture
from easel.engines.remote.server import ImageServer, Look

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class RemoteServer:
    """An image server and how to use it. The URL may end in `/v1`.

    Requests set the number of steps and turn guidance off. If `steps` is 0, both are left to the server. `timeout_s`
    limits one attempt.
    """

    url: str
    model: str
    api_key: str | None
    timeout_s: float
    draws_at_once: int
    steps: int


class Remote:
    """Draws on an image server. Concurrent draws share no mutable state but what is known about the server."""

    name = "remote"
    model = None

    def __init__(self, server: RemoteServer) -> None:
        """Raises EngineUnusable if the URL is invalid, or if the environment names unusable certificates."""
        self._draws_at_once = server.draws_at_once
        self._server = ImageServer(server.url, Recipe(server.model, server.steps), server.api_key, server.timeout_s)

    @property
    def draws_at_once(self) -> int:
        """As many as the operator allows."""
        return self._draws_at_once

    @property
    def jobs_at_once(self) -> int:
        """Twice `draws_at_once`: each draw may begin while the previous picture is encoded and stored."""
        return 2 * self._draws_at_once

    def load(self) -> None:
        """Check whether the server answers. It may start later, so a failure is only a warning."""
        look = self.look()
        if look.state == "ok":
            log.info("remote_server_found", words=look.words)
        else:
            log.warning("remote_check_warning", words=look.words)

    def look(self) -> Look:
        """Check the server, for a few seconds at most."""
        return self._server.look()

    def draw(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        """Request the canvas and cut the picture from its middle. Raises DrawingFailed, and what `on_step` raises."""

        def on_beat() -> None:
            on_step(0, 1)

        on_beat()
        try:
            pixels = read_picture(self._server.file(drawing, on_beat), drawing)
        except Fault as fault:
            if fault.hint is not None:
                log.error("remote_draw_failed", code=fault.code, hint=fault.hint)
            raise
        on_step(1, 1)
        return pixels
