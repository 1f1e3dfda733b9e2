"""Finds environment variables that look like settings but are not, and suggests the intended setting. Pure."""

import difflib
from collections.abc import Collection
from typing import Final

PREFIX: Final = "EASEL_"
_SLIPS: Final = {"AESEL_", "ESAEL_", "EAESL_", "EASLE_"}
"""The prefix with two neighbouring letters swapped."""


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def option(name: str) -> str:
    """The command-line option of a setting."""
    return f"--{name.replace('_', '-')}"


def unknown(names: Collection[str], known: Collection[str]) -> list[str]:
    """A sentence for each name that looks like a setting but is not a known one."""
    sentences = []
    for name in sorted(names):
        meant = _meant(name, known)
        if meant is not None and name not in known:
            sentences.append(f"{name} is not a setting of Easel{f'. Did you mean {meant}?' if meant else '.'}")
    return sentences


def _meant(name: str, known: Collection[str]) -> str | None:
    """The known variable that was meant; empty if none is similar, None if the name is not meant for Easel."""
    upper = name.upper()
    prefix, rest = upper[: len(PREFIX)], upper[len(PREFIX) :]
    if name.startswith(PREFIX):
        return nearest(upper, known)
    if prefix in _SLIPS or prefix == PREFIX:
        return PREFIX + rest if PREFIX + rest in known else None
    return None


def nearest(name: str, known: Collection[str]) -> str:
    """The known variable that is most like this one; empty if none is similar."""
    # The common prefix would make any two names similar.
    rest, tails = name.upper().removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known]
    found = [rest] if rest in tails else difflib.get_close_matches(rest, tails, n=1)
    return PREFIX + found[0] if found else ""
