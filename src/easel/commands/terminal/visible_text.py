"""Makes texts of others visible, before they are printed: what a service answers could otherwise command the
terminal."""

import re
from typing import Final

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_INVISIBLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, ends of lines, what reverses the direction of a line, and half characters, which cannot be
printed. Joiners stay: scripts and emoji need them."""


def visible(text: object) -> str:
    """The text with a sign for each character that is not to be printed."""
    return _INVISIBLE.sub(REPLACEMENT, str(text))
