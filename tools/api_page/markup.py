"""Builds HTML from small pieces, escaped by default.

`element` escapes every text that is not `Html`, so that text cannot become markup by accident. It does not check that
elements nest as HTML requires.
"""

import html
import json
import re
from collections.abc import Iterable
from typing import Any, Final

from markdown_it import MarkdownIt

_VOID_ELEMENTS: Final = frozenset({"img", "link", "meta"})
# "zero" enables only paragraphs. Raw HTML and pictures stay off, and links to scripts stay text.
_MARKDOWN: Final = MarkdownIt("zero").enable(["list", "fence", "backticks", "emphasis", "link", "escape"])
_JSON_TOKEN: Final = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")(?P<colon>:)?|(?P<other>\b(?:true|false|null)\b|-?\d[\d.eE+-]*)'
)


class Html(str):
    """Text that is already HTML. All other text is escaped when it becomes part of an element."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str) -> Html:
    """An HTML element. Children that are not `Html` and all attribute values are escaped; `class_` means `class`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"' for key, value in attributes.items()
    )
    if name in _VOID_ELEMENTS:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{joined(children)}</{name}>")


def joined(parts: Iterable[str], separator: str = "") -> Html:
    """The parts concatenated. Those that are not `Html` are escaped."""
    return Html(separator.join(part if isinstance(part, Html) else html.escape(part) for part in parts))


def code(text: str) -> Html:
    """Inline code."""
    return element("code", text)


def blocks(markdown: str) -> Html:
    """Markdown's paragraphs, lists, fenced and inline code, bold, italics and links. Everything else stays text."""
    return Html(_MARKDOWN.render(markdown))


def inline(markdown: str) -> Html:
    """The same for one line, without a surrounding paragraph."""
    return Html(_MARKDOWN.renderInline(markdown))


def json_block(value: Any) -> Html:
    """Indented JSON with a class for keys, one for strings and one for other values."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    parts: list[str] = []
    end = 0
    for token in _JSON_TOKEN.finditer(text):
        kind = "key" if token["colon"] else "text" if token["text"] else "other"
        parts += [text[end : token.start()], element("span", token["text"] or token["other"], class_=f"json-{kind}")]
        end = token.end("text") if token["text"] else token.end()
    return joined([*parts, text[end:]])
