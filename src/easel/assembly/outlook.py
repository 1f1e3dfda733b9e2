"""What this machine can draw with, and about how fast: the report of `easel doctor --engines`.

Each engine is looked at with its settings as they are, whichever EASEL_ENGINE names. Nothing large is loaded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from easel.assembly.engines import ENGINES
from easel.engines.engine import EngineUnusable
from easel.settings import settings
from easel.settings.settings import Settings

_NOT_FOR_PICTURES: Final = frozenset({"blank"})


@dataclass(frozen=True, slots=True)
class Outlook:
    """One engine. `words` say what it draws with and how fast, or what is missing."""

    engine: str
    can_draw: bool
    words: str


def outlooks(config: Settings) -> Iterator[Outlook]:
    """Every engine that draws what a prompt says."""
    for name in ENGINES:
        if name not in _NOT_FOR_PICTURES:
            yield _outlook(name, config)


def _outlook(name: str, config: Settings) -> Outlook:
    entry = ENGINES[name]
    for required, description in entry.required.items():
        if getattr(config, required) is None:
            return Outlook(name, False, f"needs {settings.variable(required)}: {description}")
    try:
        seen = list(entry.look(config))
    except EngineUnusable as error:
        return Outlook(name, False, str(error))
    problem = next((observation.words for observation in seen if not observation.is_usable), None)
    if problem is not None:
        return Outlook(name, False, problem)
    words = "; ".join(observation.words for observation in seen)
    if entry.draw_guess_s is None:
        return Outlook(name, True, words)
    return Outlook(name, True, f"{words}; 1024x1024 in about {_duration(entry.draw_guess_s(config))}")


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds:.1f} seconds"
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
