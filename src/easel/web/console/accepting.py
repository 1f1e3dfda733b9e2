"""What a client accepts: a page or JSON, and whether compressed (RFC 9110, sections 12.4 and 12.5)."""

import re
from collections.abc import Mapping

from starlette.requests import Request

_QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
_HTML_RANGES = ("text/html", "text/*")
_JSON_RANGES = ("application/json", "application/*", "*/*")


def prefers_page(request: Request) -> bool:
    """Whether the client asks for HTML by name, as browsers do, and for JSON less or not at all."""
    qualities = _qualities(",".join(request.headers.getlist("accept")))
    of_html, of_json = (_quality_of(ranges, qualities) for ranges in (_HTML_RANGES, _JSON_RANGES))
    return of_html > of_json


def takes_gzip(request: Request) -> bool:
    """Whether the answer may be compressed with gzip."""
    return _quality_of(("gzip", "*"), _qualities(",".join(request.headers.getlist("accept-encoding")))) > 0


def _qualities(header: str) -> Mapping[str, float]:
    """The quality of each element of a header, which counts as 1 if it is missing and as 0 if it is malformed."""
    qualities: dict[str, float] = {}
    for element in header.lower().split(","):
        name, *parameters = (part.strip() for part in element.split(";"))
        stated = [parameter for parameter in parameters if parameter.startswith("q=")]
        match = _QUALITY.fullmatch(stated[0]) if stated else None
        qualities[name] = 1.0 if not stated else 0.0 if match is None else float(match[1])
    return qualities


def _quality_of(ranges: tuple[str, ...], qualities: Mapping[str, float]) -> float:
    """The quality of the first of these ranges that is named. The most specific comes first."""
    return next((qualities[each] for each in ranges if each in qualities), 0.0)
