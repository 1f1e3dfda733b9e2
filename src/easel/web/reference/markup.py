"""HTML in small pieces, escaped by default.

`element` builds an element and escapes whatever is not `Html` yet, so that a text cannot become markup by accident.
It does not check that elements nest as HTML wants them to.
"""

import html
import json
import re
from collections.abc import Iterable
from typing import Any, Final

from markdown_it import MarkdownIt

_VOID_ELEMENTS: Final = frozenset({"link", "meta"})
# "zero" knows paragraphs only; raw HTML and pictures stay off, and links to scripts are left as text.
_MARKDOWN: Final = MarkdownIt("zero").enable(["list", "fence", "backticks", "emphasis", "link", "escape"])
_JSON_TOKEN: Final = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")(?P<colon>:)?|(?P<other>\b(?:true|false|null)\b|-?\d[\d.eE+-]*)'
)


class Html(str):
    """Text that is HTML already; every other text is escaped when it becomes part of an element."""

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
    """Parts in a row; those that are not `Html` are escaped."""
    return Html(separator.join(part if isinstance(part, Html) else html.escape(part) for part in parts))


def code(text: str) -> Html:
    """A word of code."""
    return element("code", text)


def blocks(markdown: str) -> Html:
    """Paragraphs, lists, fenced and inline code, bold, italics and links; everything else stays text."""
    return Html(_MARKDOWN.render(markdown))


def inline(markdown: str) -> Html:
    """The same for one line, without a paragraph around it."""
    return Html(_MARKDOWN.renderInline(markdown))


def json_block(value: Any) -> Html:
    """Indented JSON, whose keys, texts and other values are told apart by class."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    parts: list[str] = []
    end = 0
    for token in _JSON_TOKEN.finditer(text):
        kind = "key" if token["colon"] else "text" if token["text"] else "other"
        parts += [text[end : token.start()], element("span", token["text"] or token["other"], class_=f"json-{kind}")]
        end = token.end("text") if token["text"] else token.end()
    return joined([*parts, text[end:]])
