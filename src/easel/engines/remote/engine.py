"""Draws on any server with OpenAI's `POST /v1/images/generations`, such as sglang-diffusion, vllm-omni or LocalAI.

One request draws one picture. It states the canvas (the size rounded up to multiples of 16 pixels) and the seed, and
asks for the picture inside the answer. A link instead of the picture is followed only to the server's own scheme, host
and port. If the server fails, DrawingFailed is raised. It is logged if the operator can fix the cause.

The same drawing gives the same picture only as far as the server honours the seed. No progress is shown, because the
server does not report any.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import httpx2
import msgspec
import structlog

from easel.engines.engine import Drawing, EngineUnusable, OnStep, Pixels
from easel.engines.remote.answers import Fault, NoPicture, Withheld, picture_or_link, success
from easel.engines.remote.exchange import Answer, Exchange, Question, Silence
from easel.engines.remote.pictures import canvas, read_picture
from easel.runtime.network_environment import NetworkUnusable

log = structlog.get_logger(__name__)

LOOK_TIMEOUT_S: Final = 3.0
GUIDANCE: Final = 0.0
"""Z-Image-Turbo is distilled to draw without guidance. vllm-omni's default for its pipeline is 5."""
MODELS_SHOWN_MAX: Final = 3


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


@dataclass(frozen=True, slots=True)
class Look:
    """The result of a check of the server, in words for the operator."""

    state: Literal["ok", "warning", "failed"]
    words: str


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class Remote:
    """Draws on an image server. Concurrent draws share no mutable state."""

    name = "remote"
    model = None

    def __init__(self, server: RemoteServer) -> None:
        """Raises EngineUnusable if the URL is invalid, or if the environment names unusable certificates."""
        self._server = server
        self._base = server.url.rstrip("/").removesuffix("/v1")
        self._generations = _url(f"{self._base}/v1/images/generations")
        try:
            self._exchange = Exchange(self._generations, server.api_key)
        except NetworkUnusable as error:
            raise EngineUnusable(str(error)) from None

    @property
    def draws_at_once(self) -> int:
        """As many as the operator allows."""
        return self._server.draws_at_once

    @property
    def jobs_at_once(self) -> int:
        """Twice `draws_at_once`: each draw may begin while the previous picture is encoded and stored."""
        return 2 * self._server.draws_at_once

    def load(self) -> None:
        """Check whether the server answers. It may start later, so a failure is only a warning."""
        look = self.look()
        if look.state == "ok":
            log.info("remote_server_found", words=look.words)
        else:
            log.warning("remote_check_warning", words=look.words)

    def look(self) -> Look:
        """Check the server, for at most LOOK_TIMEOUT_S."""
        question = Question("GET", _url(f"{self._base}/v1/models"), LOOK_TIMEOUT_S, attempts_max=1)
        outcome = self._exchange.ask(question, lambda: None)
        if isinstance(outcome, Silence):
            return Look("failed", f"{self._base} cannot be reached ({outcome.reason}): check EASEL_REMOTE_URL")
        if outcome.status in {401, 403}:
            return Look("failed", f"{self._base} refused the request ({outcome.status}): check EASEL_REMOTE_API_KEY")
        models = _listed_models(outcome)
        if models and self._server.model not in models:
            shown = ", ".join(ascii(model[:80]) for model in models[:MODELS_SHOWN_MAX])
            words = f"{self._base} does not list {self._server.model}, but {shown}: check EASEL_REMOTE_MODEL"
            return Look("warning", words)
        return Look("ok", f"{self._base} answers; pictures will be drawn by {self._server.model}")

    def draw(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        """Request the canvas and cut the picture from its middle. Raises DrawingFailed, and what `on_step` raises."""

        def on_beat() -> None:
            on_step(0, 1)

        on_beat()
        try:
            pixels = read_picture(self._file(drawing, on_beat), drawing)
        except Fault as fault:
            if fault.hint is not None:
                log.error("remote_draw_failed", code=fault.code, hint=fault.hint)
            raise
        on_step(1, 1)
        return pixels

    def _file(self, drawing: Drawing, on_beat: Callable[[], None]) -> bytes:
        withheld = Withheld(self._server.api_key, drawing.prompt)
        asked = Question("POST", self._generations, self._server.timeout_s, self._order(drawing))
        found = picture_or_link(self._exchange.ask(asked, on_beat), withheld)
        if isinstance(found, bytes):
            return found
        followed = Question("GET", self._own(found), self._server.timeout_s)
        return success(self._exchange.ask(followed, on_beat), withheld).body

    def _order(self, drawing: Drawing) -> bytes:
        width_px, height_px = canvas(drawing)
        order: dict[str, object] = {
            "model": self._server.model,
            "prompt": drawing.prompt,
            "n": 1,
            "size": f"{width_px}x{height_px}",
            "seed": drawing.seed,
            "response_format": "b64_json",
        }
        if self._server.steps:
            order |= {"num_inference_steps": self._server.steps, "guidance_scale": GUIDANCE}
        return msgspec.json.encode(order)

    def _own(self, link: str) -> httpx2.URL:
        """The link, if it points to the server itself. Raises Fault."""
        try:
            url = self._generations.join(link)
            is_own = url.origin == self._generations.origin and not url.userinfo
        except (httpx2.InvalidURL, ValueError):
            is_own = False
        if not is_own:
            # Otherwise the server could make this machine fetch from addresses that only this machine can reach.
            raise NoPicture("its answer links to another host: configure it to send b64_json or links to itself")
        return url


def _url(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
        is_usable = url.scheme in {"http", "https"} and bool(url.host) and not url.userinfo
    except (httpx2.InvalidURL, ValueError):
        is_usable = False
    if not is_usable:
        raise EngineUnusable("EASEL_REMOTE_URL must look like http://127.0.0.1:30000, the address of an image server.")
    return url


def _listed_models(answer: Answer) -> list[str]:
    """The models that the server lists; empty if its list is not in OpenAI's format."""
    try:
        return [model.id for model in msgspec.json.decode(answer.body, type=_Models).data]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
