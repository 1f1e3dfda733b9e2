"""The operator's own judges: Python objects from entry points of installed packages, in the group `easel.moderation`.

An entry point is called without arguments and returns an object with `judge_prompt(prompt, strict)`,
`judge_picture(prompt, picture, strict)`, or both: plain functions that return None or the value of a Category. They run
in this process and can access everything in it. Each plug-in has a few threads of its own, so one that hangs does not
block Easel: a late judgement counts as failed, and its thread continues. A hanging call keeps its thread, so threads
never accumulate. When all of them hang, every judgement fails immediately.

Errors never repeat what a plug-in says, since that may contain the prompt.
"""

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from easel.domain.errors import Unusable
from easel.domain.moderation.decision import Category, Finding, Layer, LayerFailed, Level

GROUP: Final = "easel.moderation"
PLUGIN_TIMEOUT_S: Final = 2.0
"""Limits one judgement, including the wait for a thread."""
PLACES: Final = 4
"""How many judgements of one plug-in may run at once."""
VERSION_CHARACTERS_MAX: Final = 64


class PluginUnusable(Unusable):
    """A plug-in is not installed or is invalid."""


class Plugin:
    """One plug-in, which runs in threads of its own. For one event loop."""

    def __init__(self, name: str, version: str, judge: object) -> None:
        """`judge` is the object from the entry point. Raises PluginUnusable if it cannot judge."""
        self.name = name
        self.version = version
        self._judge_prompt = _method(name, judge, "judge_prompt")
        self._judge_picture = _method(name, judge, "judge_picture")
        if self._judge_prompt is None and self._judge_picture is None:
            raise PluginUnusable(f"The moderation plug-in {name} has neither judge_prompt nor judge_picture.")
        self._places = _Places(name)

    @property
    def judges_prompts(self) -> bool:
        """Whether it judges prompts."""
        return self._judge_prompt is not None

    @property
    def judges_pictures(self) -> bool:
        """Whether it judges pictures."""
        return self._judge_picture is not None

    async def judge_prompt(self, prompt: str, level: Level) -> Finding | None:
        """The finding in a prompt; None if there is none, or the plug-in does not judge prompts. Raises LayerFailed."""
        judge = self._judge_prompt
        if judge is None:
            return None
        return self._finding(await self._places.run(lambda: judge(prompt, level is Level.STRICT)))

    async def judge_picture(self, prompt: str, picture: bytes, level: Level) -> Finding | None:
        """The finding in a picture file; None if there is none, or the plug-in judges no pictures. Raises
        LayerFailed."""
        judge = self._judge_picture
        if judge is None:
            return None
        return self._finding(await self._places.run(lambda: judge(prompt, picture, level is Level.STRICT)))

    def _finding(self, answer: object) -> Finding | None:
        if answer is None:
            return None
        if not isinstance(answer, str):
            raise _failed(self.name, f"returned a {type(answer).__name__}, neither None nor a category")
        try:
            category = Category(answer)
        except ValueError:
            raise _failed(self.name, "returned an unknown category") from None
        return Finding(category, Layer.PLUGIN, rule=self.name, version=self.version)


def load_plugins(names: Sequence[str]) -> list[Plugin]:
    """Load the plug-ins of these names, in this order, each once. Raises PluginUnusable."""
    installed = entry_points(group=GROUP)
    return [_loaded(name, [point for point in installed if point.name == name]) for name in dict.fromkeys(names)]


def _loaded(name: str, points: list[EntryPoint]) -> Plugin:
    if not points:
        others = ", ".join(sorted(entry_points(group=GROUP).names)) or "none"
        raise PluginUnusable(
            f"The moderation plug-in {name} is not installed. Installed plug-ins: {others}. "
            f"A plug-in is an entry point in the group {GROUP} of a package in Easel's environment."
        )
    if len(points) > 1:
        raise PluginUnusable(f"{len(points)} packages offer a moderation plug-in {name}: uninstall all but one.")
    (point,) = points
    try:
        judge = point.load()()
    except Exception as error:  # foreign code, which has seen no prompt yet
        raise PluginUnusable(
            f"The moderation plug-in {name} ({point.value}) cannot be loaded: {type(error).__name__}: {error}"[:400]
        ) from error
    return Plugin(name, _version(name, judge, point), judge)


def _version(name: str, judge: object, point: EntryPoint) -> str:
    version = getattr(judge, "version", None)
    if version is None:
        version = point.dist.version if point.dist is not None else "unknown"
    if not isinstance(version, str) or not version.isprintable() or not 0 < len(version) <= VERSION_CHARACTERS_MAX:
        raise PluginUnusable(
            f"The version of the moderation plug-in {name} must be a string of 1 to {VERSION_CHARACTERS_MAX} characters."
        )
    return version


def _method(name: str, judge: object, method: str) -> Callable[..., object] | None:
    found: object = getattr(judge, method, None)
    if found is None or (callable(found) and not inspect.iscoroutinefunction(found)):
        return found
    raise PluginUnusable(f"{method} of the moderation plug-in {name} must be a plain function, not an async function.")


class _Raised:
    """Stands for the answer of a plug-in that raised an exception. Only the name of its type is kept."""

    def __init__(self, error: BaseException) -> None:
        self.type_name = type(error).__name__


class _Places:
    """Threads for at most PLACES calls at once. They are daemon threads, so one that hangs does not keep the process
    alive."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._free = asyncio.Semaphore(PLACES)
        self._began_s: dict[asyncio.Future[Any], float] = {}
        """The running calls, including those whose callers have given up."""

    async def run(self, call: Callable[[], object]) -> object:
        """The result of the call. If the caller is cancelled, the call goes on. Raises LayerFailed."""
        if self._all_hang():
            raise _failed(self._name, f"hangs in all of its {PLACES} threads")
        try:
            async with asyncio.timeout(PLUGIN_TIMEOUT_S):
                await self._free.acquire()
                answer = await asyncio.shield(self._started(call))
        except TimeoutError:
            raise _failed(self._name, f"did not judge within {PLUGIN_TIMEOUT_S:g} s") from None
        if isinstance(answer, _Raised):
            raise _failed(self._name, f"raised {answer.type_name}")
        return answer

    def _all_hang(self) -> bool:
        late_s = asyncio.get_running_loop().time() - PLUGIN_TIMEOUT_S
        return sum(began_s <= late_s for began_s in self._began_s.values()) >= PLACES

    def _ended(self, done: "asyncio.Future[Any]") -> None:
        del self._began_s[done]
        self._free.release()

    def _started(self, call: Callable[[], object]) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._began_s[done] = loop.time()
        done.add_done_callback(self._ended)

        def work() -> None:
            answer: object
            try:
                answer = call()
            except BaseException as error:  # noqa: BLE001 - foreign code, and the outermost frame of this thread
                answer = _Raised(error)
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(done.set_result, answer)

        try:
            threading.Thread(target=work, name=f"moderation-{self._name}", daemon=True).start()
        except RuntimeError as error:
            done.set_result(_Raised(error))
        return done


def _failed(name: str, what: str) -> LayerFailed:
    return LayerFailed(Layer.PLUGIN, f"The moderation plug-in {name} {what}.")
