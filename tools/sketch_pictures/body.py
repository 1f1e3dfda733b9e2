"""Simplifies the markup of an icon to what the painter paints, on a square of 32 units.

Inner shadows are left out: their filters take most of the time of a picture, and it looks the same without them. Other
filters become a plain blur. Ids become short, with a mark that makes them unique in a document.
"""

import itertools
import re
from typing import Final

from easel.engines.sketch.pictures.picture_pack import ID_MARK, SIDE

_FILTER: Final = re.compile(r'<filter id="([^"]+)"([^>]*)>(.*?)</filter>', re.DOTALL)
_NUMBER: Final = re.compile(r"-?\d*\.\d{4,}")


def simplified(body: str, width: float, height: float) -> str:
    """The body, scaled to the square, with short marked ids and no filter but blurs."""
    for name, attributes, content in _FILTER.findall(body):
        whole = f'<filter id="{name}"{attributes}>{content}</filter>'
        body = body.replace(whole, _blur(name, attributes, content))
        if "feComposite" in content:
            body = body.replace(f' filter="url(#{name})"', "")
    body = _shortened(body)
    body = _NUMBER.sub(lambda number: f"{float(number[0]):.3f}".rstrip("0").rstrip("."), body)
    body = body.replace("<defs></defs>", "").replace("<defs/>", "")
    scale = SIDE / max(width, height)
    return body if scale == 1 else f'<g transform="scale({scale:g})">{body}</g>'


def _blur(name: str, attributes: str, content: str) -> str:
    if "feComposite" in content:
        return ""
    deviations = re.findall(r'<feGaussianBlur[^>]* stdDeviation="([^"]+)"', content)
    if not deviations:
        return f'<filter id="{name}"{attributes}/>'
    attributes = re.sub(r' color-interpolation-filters="[^"]*"', "", attributes)
    return f'<filter id="{name}"{attributes}><feGaussianBlur stdDeviation="{deviations[-1]}"/></filter>'


def _shortened(body: str) -> str:
    names = list(dict.fromkeys(re.findall(r' id="([^"]+)"', body)))
    short = dict(zip(names, (f"{ID_MARK}{_letters(number)}" for number in itertools.count()), strict=False))
    body = re.sub(r' id="([^"]+)"', lambda found: f' id="{short[found[1]]}"', body)
    body = re.sub(r"url\(#([^)]+)\)", lambda found: f"url(#{short.get(found[1], found[1])})", body)
    return re.sub(r'href="#([^"]+)"', lambda found: f'href="#{short.get(found[1], found[1])}"', body)


def _letters(number: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return letters[number] if number < 26 else _letters(number // 26 - 1) + letters[number % 26]
