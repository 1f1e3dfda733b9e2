"""One image server: what it is, and a picture from it.

Its dialect is learned from its list of models, before the first picture and again after it could not be reached, since
another program may answer then.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import httpx2

from easel.engines.engine import Drawing, EngineUnusable
from easel.engines.remote.answers import NoPicture, Withheld, picture_or_link, success
from easel.engines.remote.dialects import Card, Dialect, Recipe, dialect_of, listed_models, order
from easel.engines.remote.exchange import Answer, Exchange, Question, Silence
from easel.runtime.network_environment import NetworkUnusable

LOOK_TIMEOUT_S: Final = 3.0
MODELS_SHOWN_MAX: Final = 3
HOST_CHARACTERS_MAX: Final = 80


@dataclass(frozen=True, slots=True)
class Look:
    """The result of a check of the server, in words for the operator."""

    state: Literal["ok", "warning", "failed"]
    words: str


class ImageServer:
    """An image server. Concurrent requests to it share only what is known about it."""

    def __init__(self, url: str, recipe: Recipe, api_key: str | None, timeout_s: float) -> None:
        """Raises EngineUnusable if the URL is invalid, or if the environment names unusable certificates."""
        self.url = url.rstrip("/").removesuffix("/v1")
        self._recipe = recipe
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._dialect: Dialect | None = None
        self._generations = _url(f"{self.url}/v1/images/generations")
        self._models = _url(f"{self.url}/v1/models")
        try:
            self._exchange = Exchange(self._generations, api_key)
        except NetworkUnusable as error:
            raise EngineUnusable(str(error)) from None

    def look(self) -> Look:
        """Check the server, for at most LOOK_TIMEOUT_S."""
        outcome = self._learn(lambda: None, attempts_max=1)
        if isinstance(outcome, Silence):
            return Look("failed", f"{self.url} cannot be reached ({outcome.reason}): check EASEL_REMOTE_URL")
        if outcome.status in {401, 403}:
            return Look("failed", f"{self.url} refused the request ({outcome.status}): check EASEL_REMOTE_API_KEY")
        models = listed_models(outcome.body)
        dialect = dialect_of(models)
        answers = f"{self.url} answers" if dialect is Dialect.OPENAI else f"{self.url} answers as {dialect.value}"
        if not dialect.chooses_by_name:
            return Look("ok", f"{answers}; pictures will be drawn by its own model, {_shown(models)}")
        if models and not any(model.id == self._recipe.model for model in models):
            words = f"{answers} and does not list {self._recipe.model}, but {_shown(models)}: check EASEL_REMOTE_MODEL"
            return Look("warning", words)
        return Look("ok", f"{answers}; pictures will be drawn by {self._recipe.model}")

    def file(self, drawing: Drawing, on_beat: Callable[[], None], attempts_max: int) -> bytes:
        """The file of one picture. Raises Fault, and what `on_beat` raises."""
        withheld = Withheld(self._api_key, drawing.prompt)
        dialect = self._dialect
        if dialect is None:
            learned = self._learn(on_beat, attempts_max)
            if isinstance(learned, Silence) and not learned.is_late:
                # To order without knowing the dialect could mean another seed.
                success(learned, withheld)
            dialect = self._dialect or Dialect.OPENAI
        body = order(dialect, self._recipe, drawing)
        asked = Question("POST", self._generations, self._timeout_s, body, attempts_max)
        outcome = self._exchange.ask(asked, on_beat)
        if isinstance(outcome, Silence) and not outcome.is_late:
            self._dialect = None
        found = picture_or_link(outcome, withheld)
        if isinstance(found, bytes):
            return found
        followed = Question("GET", self._own(found), self._timeout_s)
        return success(self._exchange.ask(followed, on_beat), withheld).body

    def _learn(self, on_beat: Callable[[], None], attempts_max: int) -> Answer | Silence:
        """Ask for the list of models, and remember what kind of server answers."""
        question = Question("GET", self._models, LOOK_TIMEOUT_S, attempts_max=attempts_max)
        outcome = self._exchange.ask(question, on_beat)
        if isinstance(outcome, Answer) and outcome.status < 500:
            self._dialect = dialect_of(listed_models(outcome.body))
        return outcome

    def _own(self, link: str) -> httpx2.URL:
        """The link, if it points to the server itself. Raises Fault."""
        try:
            url = self._generations.join(link)
            is_own = url.origin == self._generations.origin and not url.userinfo
            host = ascii(url.host)[1:-1][:HOST_CHARACTERS_MAX]
        except (httpx2.InvalidURL, ValueError):
            is_own, host = False, "no host"
        if not is_own:
            # Otherwise the server could make this machine fetch from addresses that only this machine can reach.
            raise NoPicture(
                f"its answer links to another address ({host}): configure it to send b64_json, or links that begin with "
                f"{self.url}"
            )
        return url


def _shown(models: list[Card]) -> str:
    return ", ".join(ascii(model.id[:80]) for model in models[:MODELS_SHOWN_MAX])


def _url(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
        is_usable = url.scheme in {"http", "https"} and bool(url.host) and not url.userinfo
    except (httpx2.InvalidURL, ValueError):
        is_usable = False
    if not is_usable:
        raise EngineUnusable("EASEL_REMOTE_URL must look like http://127.0.0.1:30000, the address of an image server.")
    return url
