"""Operators' plug-ins: found in installed packages, and run within limits."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

from easel.domain.moderation.decision import Category, Finding, Layer, LayerFailed, Level
from easel.outside.judges.plugins import PLACES, Plugin, PluginUnusable, load_plugins
from tests.support.command_line import environment
from tests.support.patience import eventually

PROMPT: Final = "a heron in the reeds at dawn"
SOURCE: Final = """
import threading, time

hold = threading.Event()

class Words:
    version = "words-3"
    def judge_prompt(self, prompt, strict):
        if prompt == "raise":
            raise ValueError("the prompt was " + prompt)
        if prompt == "exit":
            raise SystemExit(3)
        if prompt == "hang":
            hold.wait()
        if prompt == "brief":
            time.sleep(0.3)
        return {"odd": "no such thing", "wrong": 7, "bad": "violence/graphic", "spicy": "sexual" if strict else None}.get(prompt)

class Redness:
    def judge_picture(self, prompt, picture, strict):
        return "hate" if picture == b"red" and prompt else None

class Both(Words, Redness):
    version = None

class Neither:
    pass

class Async:
    async def judge_prompt(self, prompt, strict):
        return None

class Numbered(Words):
    version = 3

class Broken:
    def __init__(self):
        raise LookupError("no model")
"""
POINTS: Final = ("Words", "Redness", "Both", "Neither", "Async", "Numbered", "Broken", "Missing")

_Answer = TypeVar("_Answer")


def install(folder: Path, module: str, points: dict[str, str]) -> Path:
    """A package as pip would install it."""
    (folder / f"{module}.py").write_text(SOURCE)
    about = folder / f"{module}-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.2\n")
    lines = [f"{name} = {module}:{target}" for name, target in points.items()]
    (about / "entry_points.txt").write_text("\n".join(["[easel.moderation]", *lines, ""]))
    return folder


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package with plug-ins, importable during a test."""
    install(tmp_path, "operators_judges", {target.lower(): target for target in POINTS})
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    loaded = sys.modules.pop("operators_judges", None)
    if loaded is not None:
        loaded.hold.set()


def one(name: str) -> Plugin:
    (plugin,) = load_plugins([name])
    return plugin


def prompt_failure(plugin: Plugin, prompt: str) -> str:
    with pytest.raises(LayerFailed) as failed:
        asyncio.run(plugin.judge_prompt(prompt, Level.BASIC))
    assert failed.value.layer is Layer.PLUGIN
    return str(failed.value)


def in_loop(use: Callable[[], Coroutine[Any, Any, _Answer]]) -> _Answer:
    return asyncio.run(use())


@pytest.mark.usefixtures("installed")
def test_a_finding_names_the_plugin_and_its_version() -> None:
    plugin = one("words")
    assert (plugin.name, plugin.version, plugin.judges_prompts, plugin.judges_pictures) == (
        "words", "words-3", True, False,
    )  # fmt: skip
    assert asyncio.run(plugin.judge_prompt(PROMPT, Level.STRICT)) is None
    found = asyncio.run(plugin.judge_prompt("bad", Level.BASIC))
    assert found == Finding(Category.VIOLENCE_GRAPHIC, Layer.PLUGIN, rule="words", version="words-3")
    assert asyncio.run(plugin.judge_picture(PROMPT, b"red", Level.STRICT)) is None


@pytest.mark.usefixtures("installed")
def test_a_plugin_receives_the_level() -> None:
    plugin = one("words")
    assert asyncio.run(plugin.judge_prompt("spicy", Level.BASIC)) is None
    found = asyncio.run(plugin.judge_prompt("spicy", Level.STRICT))
    assert found is not None
    assert found.category is Category.SEXUAL


@pytest.mark.usefixtures("installed")
def test_a_picture_is_judged_with_its_prompt_and_the_packages_version_is_the_default() -> None:
    plugin = one("redness")
    assert (plugin.version, plugin.judges_prompts, plugin.judges_pictures) == ("1.2", False, True)
    assert asyncio.run(plugin.judge_prompt("bad", Level.STRICT)) is None
    assert asyncio.run(plugin.judge_picture(PROMPT, b"teal", Level.BASIC)) is None
    found = asyncio.run(plugin.judge_picture(PROMPT, b"red", Level.BASIC))
    assert found == Finding(Category.HATE, Layer.PLUGIN, rule="redness", version="1.2")


@pytest.mark.usefixtures("installed")
def test_plugins_are_loaded_once_each_in_the_given_order() -> None:
    plugins = load_plugins(["redness", "both", "redness"])
    assert [(plugin.name, plugin.judges_prompts, plugin.judges_pictures) for plugin in plugins] == [
        ("redness", False, True),
        ("both", True, True),
    ]
    assert load_plugins([]) == []


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent", "Installed plug-ins: async, both, broken, missing, neither, numbered, redness, words"),
        ("neither", "has neither judge_prompt nor judge_picture"),
        ("async", "judge_prompt of the moderation plug-in async must be a plain function"),
        ("numbered", "version of the moderation plug-in numbered must be a string"),
        ("broken", "cannot be loaded: LookupError: no model"),
        ("missing", "cannot be loaded: AttributeError: "),
    ],
)
def test_an_invalid_plugin_is_refused_with_a_sentence(name: str, words: str) -> None:
    with pytest.raises(PluginUnusable) as refused:
        load_plugins(["words", name])
    assert words in str(refused.value)


@pytest.mark.usefixtures("installed")
def test_a_plugin_name_offered_by_two_packages_is_refused(tmp_path: Path) -> None:
    install(tmp_path, "others_judges", {"words": "Words"})
    with pytest.raises(PluginUnusable, match="2 packages offer a moderation plug-in words"):
        load_plugins(["words"])


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("raise", "The moderation plug-in words raised ValueError."),
        ("exit", "The moderation plug-in words raised SystemExit."),
        ("odd", "The moderation plug-in words returned an unknown category."),
        ("wrong", "The moderation plug-in words returned a int, neither None nor a category."),
    ],
)
def test_an_error_in_a_plugin_is_a_failure_that_repeats_nothing(prompt: str, words: str) -> None:
    plugin = one("words")
    assert prompt_failure(plugin, prompt) == words
    assert asyncio.run(plugin.judge_prompt(PROMPT, Level.BASIC)) is None


@pytest.mark.usefixtures("installed")
def test_judgements_wait_for_a_free_thread() -> None:
    async def use() -> float:
        plugin = one("words")
        began_s = time.monotonic()
        await asyncio.gather(*(plugin.judge_prompt("brief", Level.BASIC) for _ in range(2 * PLACES)))
        return time.monotonic() - began_s

    assert 0.6 <= in_loop(use) < 2.3


@pytest.mark.usefixtures("installed")
def test_a_late_plugin_fails_and_one_that_hangs_in_all_threads_fails_at_once_until_it_recovers() -> None:
    async def use() -> None:
        plugin, other = load_plugins(["words", "both"])
        before = threading.active_count()
        began_s = time.monotonic()
        calls = [plugin.judge_prompt("hang", Level.BASIC) for _ in range(PLACES + 3)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {str(outcome) for outcome in outcomes} == {"The moderation plug-in words did not judge within 2 s."}
        assert 2.0 <= time.monotonic() - began_s < 3.9
        await asyncio.sleep(0.1)
        for _ in range(20):
            began_s = time.monotonic()
            with pytest.raises(LayerFailed, match="hangs in all of its 4 threads"):
                await plugin.judge_prompt(PROMPT, Level.BASIC)
            assert time.monotonic() - began_s < 1.9
        assert threading.active_count() <= before + PLACES
        assert await other.judge_prompt(PROMPT, Level.BASIC) is None
        sys.modules["operators_judges"].hold.set()
        await asyncio.to_thread(eventually, lambda: threading.active_count() <= before + 1)
        assert await plugin.judge_prompt(PROMPT, Level.BASIC) is None

    in_loop(use)


@pytest.mark.usefixtures("installed")
def test_an_abandoned_judgement_returns_its_thread() -> None:
    async def use() -> None:
        plugin = one("words")
        calls = [asyncio.create_task(plugin.judge_prompt("brief", Level.BASIC)) for _ in range(PLACES)]
        await asyncio.sleep(0.05)
        for call in calls:
            call.cancel()
        assert all(
            isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*calls, return_exceptions=True)
        )
        for _ in range(PLACES + 1):
            assert await plugin.judge_prompt(PROMPT, Level.BASIC) is None

    in_loop(use)


def test_a_hanging_plugin_does_not_keep_its_process_alive(tmp_path: Path) -> None:
    install(tmp_path, "operators_judges", {"words": "Words"})
    code = """
import asyncio
from easel.domain.moderation.decision import LayerFailed, Level
from easel.outside.judges.plugins import load_plugins
(plugin,) = load_plugins(["words"])
try:
    asyncio.run(plugin.judge_prompt("hang", Level.BASIC))
except LayerFailed as failed:
    print(failed)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment(PYTHONPATH=str(tmp_path)), capture_output=True, timeout=30
    )
    assert ended.stdout == b"The moderation plug-in words did not judge within 2 s.\n"
    assert (ended.returncode, ended.stderr) == (0, b"")
