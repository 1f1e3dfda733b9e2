"""Variables of the environment that look like settings and are none, and what they may have been meant as. Pure."""

import difflib
from collections.abc import Collection
from typing import Final

PREFIX: Final = "EASEL_"
_SLIPS: Final = {"AESEL_", "ESAEL_", "EAESL_", "EASLE_"}
"""The prefix with two neighbouring letters changed round."""


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def option(name: str) -> str:
    """The command line's option of a setting."""
    return f"--{name.replace('_', '-')}"


def misspelt(names: Collection[str], known: Collection[str]) -> list[str]:
    """A sentence for each of the names that is no known variable and looks as though it was meant as one."""
    sentences = []
    for name in sorted(names):
        meant = _meant(name, known)
        if meant is not None and name not in known:
            sentences.append(f"{name} is no setting of Easel{f'; did you mean {meant}?' if meant else '.'}")
    return sentences


def _meant(name: str, known: Collection[str]) -> str | None:
    """The known variable that was meant; empty where none is near, None where the name is none of ours."""
    upper = name.upper()
    prefix, rest = upper[: len(PREFIX)], upper[len(PREFIX) :]
    if name.startswith(PREFIX):
        # What all names begin with would make any two of them alike.
        tails = [each.removeprefix(PREFIX) for each in known]
        nearest = [rest] if rest in tails else difflib.get_close_matches(rest, tails, n=1)
        return PREFIX + nearest[0] if nearest else ""
    if prefix in _SLIPS or prefix == PREFIX:
        return PREFIX + rest if PREFIX + rest in known else None
    return None
