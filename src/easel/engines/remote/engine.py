"""Any server with OpenAI's `POST /v1/images/generations` as an engine: sglang-diffusion, vllm-omni, LocalAI.

One request is one picture. The server is asked for the canvas (the next multiples of 16 pixels), for the seed, and for
the picture in the answer itself; a link in its place is followed only to the server's own scheme, host and port. What
the server cannot do is told as DrawingFailed, with a log line for the operator where mending is theirs.

It promises the same picture for the same drawing only as far as the server keeps to the seed. There is no progress:
the server tells of none.
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
"""Z-Image-Turbo is distilled to draw without guidance; vllm-omni's own default for its pipeline is 5."""
MODELS_SHOWN_MAX: Final = 3


@dataclass(frozen=True, slots=True, repr=False)
class RemoteServer:
    """Where the server is, with or without `/v1` at the URL's end, and how to ask it.

    `steps` and no guidance are asked of it, or neither where `steps` is 0. `timeout_s` is for one attempt.
    """

    url: str
    model: str
    api_key: str | None
    timeout_s: float
    draws_at_once: int
    steps: int


@dataclass(frozen=True, slots=True)
class Look:
    """How the server looked when it was last asked, in words for the operator."""

    state: Literal["well", "doubtful", "bad"]
    words: str


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class Remote:
    """Draws by asking an image server. Draws share nothing that changes."""

    name = "remote"
    model = None

    def __init__(self, server: RemoteServer) -> None:
        """Raises EngineUnusable where the URL cannot be one, or the environment names certificates that cannot be used."""
        self._server = server
        self._base = server.url.rstrip("/").removesuffix("/v1")
        self._generations = _url(f"{self._base}/v1/images/generations")
        try:
            self._exchange = Exchange(self._generations, server.api_key)
        except NetworkUnusable as error:
            raise EngineUnusable(str(error)) from None

    @property
    def draws_at_once(self) -> int:
        """As many as the operator lets the server be asked for."""
        return self._server.draws_at_once

    @property
    def jobs_at_once(self) -> int:
        """Each draw may begin while the picture before it is encoded and stored."""
        return 2 * self._server.draws_at_once

    def load(self) -> None:
        """Look whether the server is there. It may start later, so that it is not is only a warning."""
        look = self.look()
        if look.state == "well":
            log.info("remote_found", words=look.words)
        else:
            log.warning("remote_doubtful", words=look.words)

    def look(self) -> Look:
        """How the server looks now; takes at most LOOK_TIMEOUT_S."""
        question = Question("GET", _url(f"{self._base}/v1/models"), LOOK_TIMEOUT_S, attempts_max=1)
        outcome = self._exchange.ask(question, lambda: None)
        if isinstance(outcome, Silence):
            return Look("bad", f"{self._base} cannot be reached ({outcome.reason}): check EASEL_REMOTE_URL")
        if outcome.status in {401, 403}:
            return Look("bad", f"{self._base} refuses Easel ({outcome.status}): check EASEL_REMOTE_API_KEY")
        models = _listed_models(outcome)
        if models and self._server.model not in models:
            shown = ", ".join(ascii(model[:80]) for model in models[:MODELS_SHOWN_MAX])
            words = f"{self._base} does not list {self._server.model}, but {shown}: check EASEL_REMOTE_MODEL"
            return Look("doubtful", words)
        return Look("well", f"{self._base} answers, asked for {self._server.model}")

    def draw(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        """Ask for the canvas and cut the picture from its middle. Raises DrawingFailed, and what `on_step` raises."""

        def on_beat() -> None:
            on_step(0, 1)

        on_beat()
        try:
            pixels = read_picture(self._file(drawing, on_beat), drawing)
        except Fault as fault:
            if fault.hint is not None:
                log.error("remote_failed", code=fault.code, hint=fault.hint)
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
        """The link, if it leads to the server itself. Raises Fault."""
        try:
            url = self._generations.join(link)
            is_own = url.origin == self._generations.origin and not url.userinfo
        except (httpx2.InvalidURL, ValueError):
            is_own = False
        if not is_own:
            # Whoever answers could otherwise have this machine fetch what only it can reach.
            raise NoPicture("its answer is a link to another place: have it answer b64_json, or link to itself")
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
    """What the server lists; nothing where it does not list models in OpenAI's form."""
    try:
        return [model.id for model in msgspec.json.decode(answer.body, type=_Models).data]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
