"""Spans of time as operators write them: minutes, hours or days, such as `30m`, `24h` or `7d`."""

import re
from datetime import timedelta
from typing import Final

SPAN_MAX: Final = timedelta(days=365)
SPAN_SENTENCE: Final = f"0, or a duration such as 30m, 24h or 7d, at most {SPAN_MAX.days}d"
_SPAN = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_MINUTES: Final = {"m": 1, "h": 60, "d": 24 * 60}


def parse_span(text: str) -> timedelta:
    """The span that a text names. Raises ValueError if it names none, or one longer than SPAN_MAX."""
    if text == "0":
        return timedelta(0)
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(text)
    span = timedelta(minutes=int(match[1]) * _MINUTES[match[2]])
    if span > SPAN_MAX:
        raise ValueError(text)
    return span
