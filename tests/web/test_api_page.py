"""The API page is current, complete, harmless and well formed."""

import copy
import json
import re
import shlex
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tools.api_page import document as openapi
from tools.api_page import markup
from tools.api_page.__main__ import made
from tools.api_page.page import page_template

from easel.web.reference.endpoints import BASE_URL as BASE_URL_PLACEHOLDER
from easel.web.reference.endpoints import DOCUMENT_FILE, URL_QUOTE, document_json, filled_page, without_console

BASE_URL = "https://easel.example"
DOCUMENT = openapi.document()
HOSTILE = '</code></p><script>alert(1)</script><img src="https://evil.example/x.png" onerror="x()"> "\'&'
URL_ATTRIBUTES = {"src", "href", "action", "data", "poster", "srcset", "formaction", "background", "cite", "ping"}


class Page(HTMLParser):
    """A parsed page. Fails if its elements do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.codes: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img"):
            self._open.append(tag)
        if tag == "code":
            self.codes.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "code" in self._open:
            self.codes[-1] += data


def page_of(document: Any, base_url: str = BASE_URL) -> str:
    return filled_page(page_template(document), base_url)


@pytest.mark.parametrize("path", made(), ids=lambda path: path.name)
def test_the_committed_files_are_current(path: Path) -> None:
    assert path.read_bytes() == made()[path], "run `make api-page`"


def test_the_document_is_served_compactly_and_in_its_written_order() -> None:
    served = openapi.served()
    assert document_json(None) == msgspec.json.encode(served)
    elsewhere = json.loads(document_json("https://easel.example/api"))
    assert [server["url"] for server in elsewhere["servers"]] == ["https://easel.example/api"] * len(served["servers"])
    assert {**elsewhere, "servers": served["servers"]} == served


@pytest.mark.parametrize("base_url", ["https://easel.example", "http://[::1]:8080"])
def test_a_filled_page_has_no_placeholder_left(base_url: str) -> None:
    filled = page_of(DOCUMENT, base_url)
    assert filled.count(base_url) > 20
    assert BASE_URL_PLACEHOLDER not in filled
    assert URL_QUOTE not in filled


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(page_of(DOCUMENT))


def test_the_page_begins_with_its_title_and_a_link_to_its_contents(page: Page) -> None:
    places = [attributes.get("id") or attributes.get("href") or tag for tag, attributes in page.elements]
    assert places.index("h1") < places.index("#contents") < places.index("contents")


def property_names(node: Any) -> set[str]:
    if isinstance(node, list):
        return {name for each in node for name in property_names(each)}
    if not isinstance(node, dict):
        return set()
    own = set(node["properties"]) if isinstance(node.get("properties"), dict) else set()
    return own | {name for value in node.values() for name in property_names(value)}


def error_codes(node: Any) -> set[str]:
    if isinstance(node, list):
        return {code for each in node for code in error_codes(each)}
    if not isinstance(node, dict):
        return set()
    error = node.get("error")
    own = {str(error["code"])} if isinstance(error, dict) and "code" in error else set()
    return own | {code for value in node.values() for code in error_codes(value)}


OWN_FILES = {
    ("link", "href", "docs/easel.svg"),
    ("link", "href", "docs/reference.css"),
    ("link", "href", "docs/try.css"),
    ("img", "src", "docs/easel.svg"),
    ("script", "src", "docs/early.js"),
    ("script", "src", "docs/try.js"),
}


def assert_harmless(page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag not in {"style", "iframe", "object", "embed", "form", "base", "svg"}
        assert not any(name == "style" or name.startswith("on") for name in attributes)
        loads = {name: value for name, value in attributes.items() if name in URL_ATTRIBUTES}
        if tag == "a":
            assert re.match(r"#|https?://|openapi\.json$|\./(#/\w+)?$", loads.pop("href") or "")
        name, address = next(iter(loads.items()), (None, ""))
        assert len(loads) <= 1
        assert name is None or (tag, name, address) in OWN_FILES


def test_the_page_names_every_path_property_and_error_code(page: Page) -> None:
    assert set(DOCUMENT["paths"]) <= set(page.codes)
    words = set(re.split(r"\[\]\.|\.|\s", " ".join(page.codes)))
    assert property_names(DOCUMENT["components"]["schemas"]) <= words
    assert error_codes(DOCUMENT) <= set(page.codes)
    assert set(DOCUMENT["components"]["schemas"]["TaskError"]["properties"]["code"]["enum"]) <= set(page.codes)


def test_the_page_has_nothing_inline_and_loads_only_its_own_files(page: Page) -> None:
    assert_harmless(page)


def test_every_inner_link_has_a_target_and_every_anchor_is_unique(page: Page) -> None:
    anchors = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(anchors) == len(set(anchors))
    links = {attributes["href"] or "" for tag, attributes in page.elements if tag == "a"}
    assert {link[1:] for link in links if link.startswith("#")} <= set(anchors)


def poisoned(node: Any, key: str = "") -> Any:
    """The document with a hostile text appended to every text that is shown."""
    if isinstance(node, dict):
        return {name: poisoned(value, name) for name, value in node.items()}
    if isinstance(node, list):
        return [poisoned(each) for each in node]
    shown = {"description", "summary", "title", "version", "message", "pattern", "prompt", "default"}
    return node + HOSTILE if isinstance(node, str) and key in shown else node


def test_a_hostile_document_is_shown_as_text() -> None:
    page = Page(page_of(poisoned(copy.deepcopy(DOCUMENT)), f"https://easel.example/{HOSTILE}"))
    assert_harmless(page)
    assert "<script>alert(1)</script>" in page.text


@pytest.mark.parametrize("address", ["javascript:alert(1)", "JaVaScRiPt:x", "data:text/html,x", "vbscript:x"])
def test_a_link_that_would_run_a_script_stays_text(address: str) -> None:
    assert "<a" not in markup.blocks(f"[press]({address})")


def test_a_small_part_of_markdown_is_rendered() -> None:
    shown = markup.blocks("**bold** `a<b` [here](#there)\n\n- one\n- two\n\n```\n<x>\n```\n")
    for part in ("<strong>bold</strong>", "<code>a&lt;b</code>", '<a href="#there">here</a>', "<li>one</li>"):
        assert part in shown
    assert "<pre><code>&lt;x&gt;" in shown


def test_each_operation_has_a_curl_command_that_a_shell_reads_correctly(page: Page) -> None:
    commands = [shlex.split(code.replace("\\\n", "")) for code in page.codes if code.startswith("curl ")]
    methods = [method for item in DOCUMENT["paths"].values() for method in item if method != "parameters"]
    assert len(commands) == len(methods) + 2, "the creation and signing in have two examples"
    assert all(any(word.startswith(BASE_URL) for word in command) for command in commands)
    bodies = [json.loads(command[command.index("--data") + 1]) for command in commands if "--data" in command]
    assert bodies == list(request_examples())


def request_examples() -> Iterator[Any]:
    for item in DOCUMENT["paths"].values():
        for content in item.get("post", {}).get("requestBody", {}).get("content", {}).values():
            yield from (
                [content["example"]]
                if "example" in content
                else [each["value"] for each in content["examples"].values()]
            )


def test_a_stream_is_shown_as_it_is_sent_and_requested_without_buffering(page: Page) -> None:
    answers = DOCUMENT["paths"]["/v1/tasks/{task_id}/events"]["get"]["responses"]
    assert answers["200"]["content"]["text/event-stream"]["example"] in page.codes
    assert [code for code in page.codes if code.startswith("curl ") and "--no-buffer" in code and "/events" in code]


def test_a_value_of_two_types_is_shown_with_both(page: Page) -> None:
    assert "string or null" in page.text


def test_quotes_in_an_example_cannot_end_their_shell_word() -> None:
    document = copy.deepcopy(DOCUMENT)
    request = document["paths"]["/v1/images/generations"]["post"]["requestBody"]["content"]["application/json"]
    request["examples"]["text_to_image"]["value"]["prompt"] = "it's; rm -rf $(x)"
    codes = Page(page_of(document)).codes
    command = shlex.split(next(code for code in codes if "rm -rf" in code).replace("\\\n", ""))
    assert json.loads(command[-1])["prompt"] == "it's; rm -rf $(x)"


def test_shown_json_has_the_same_value() -> None:
    value = {'a"b': [1, -2.5e3, True, None, 'x: "y" <z> 5'], "ü": {}}
    assert json.loads(Page(element_of(markup.json_block(value))).text) == value


def element_of(content: str) -> str:
    return markup.element("pre", content)


def test_the_stylesheet_loads_nothing() -> None:
    for file in DOCUMENT_FILE.with_name("static").glob("*.css"):
        sheet = file.read_text("utf-8")
        assert "url(" not in sheet
        assert "@import" not in sheet


def test_the_scripts_make_no_markup_of_texts_and_store_nothing() -> None:
    for file in DOCUMENT_FILE.with_name("static").glob("*.js"):
        script = file.read_text("utf-8")
        assert script.startswith("// "), file.name
        assert len(script.splitlines()) <= 400
        for forbidden in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "eval(",
            "setItem",
            "sessionStorage",
            "document.cookie",
        ):
            assert forbidden not in script, file.name


def test_without_a_console_the_page_does_not_lead_to_it() -> None:
    page = without_console(page_of(DOCUMENT))
    assert "./#/gallery" not in page
    assert "<h1>" in page


def test_a_document_that_refers_to_itself_is_refused() -> None:
    document = {"a": {"$ref": "#/a"}}
    with pytest.raises(AssertionError, match="refers to itself"):
        openapi.expanded(document)
