"""The console's files: libraries as they were published, no build step, nothing that the page's policy would refuse."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pytest
from tools import console_libraries
from tools.console_libraries import MANIFESTS, VENDOR, as_committed, digest, libraries

from easel.web.console.files import FOLDER
from tests.support.paths import ROOT

FILE_LINES_MAX: Final = 400
OWN: Final = sorted((FOLDER / "app").rglob("*.js"))
SHEETS: Final = sorted((FOLDER / "style").glob("*.css"))
IMPORTED: Final = re.compile(r"""(?:\bfrom\s*|\bimport\s*\(?\s*)["']([^"']+)["']""")
NEEDED: Final = re.compile(r"""^(?:import|export)\b[^;]*?["'](\.[^"']+)["'];""", re.MULTILINE)


class Tags(HTMLParser):
    """The tags of a page, with their attributes, and the texts of its scripts and styles."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self._is_inline = False
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._is_inline = tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self._is_inline = False

    def handle_data(self, data: str) -> None:
        if self._is_inline and data.strip():
            self.inline.append(data)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest.parent.name)
def test_each_library_is_as_it_was_fetched_and_named_in_the_notice(manifest: Path) -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for entry in libraries(manifest):
        assert digest((manifest.parent / entry["file"]).read_bytes()) == entry["digest"], entry["file"]
        assert entry["integrity"].startswith("sha512-")
        assert entry["licence"] in {"MIT", "Apache-2.0", "MPL-2.0"}
        assert re.search(rf"{re.escape(entry['package'])}[^@/\w-]", notice), entry["package"]
        assert entry["licence"] in notice
    named = {entry["file"] for entry in libraries(manifest)}
    assert {file.name for file in manifest.parent.iterdir()} == named | {manifest.name}


def test_a_published_module_is_changed_only_where_it_names_packages_and_source_maps() -> None:
    published = 'import{a}from"preact";export{b}from"./own.js";const c="from\'preact\'"\n//# sourceMappingURL=x.map\n'
    changed = as_committed(published, {"preact": "preact.js"})
    assert changed.startswith('import{a}from"./preact.js";export{b}from"./own.js"')
    assert "sourceMappingURL" not in changed
    with pytest.raises(KeyError):
        as_committed('import "unknown"', {})


def test_every_import_leads_to_a_file() -> None:
    for file in (*OWN, *VENDOR.glob("*.js")):
        for address in IMPORTED.findall(file.read_text(encoding="utf-8")):
            if address.startswith("node:"):  # in a program that the page shows
                continue
            assert address.startswith("."), f"{file.name} imports {address}"
            assert (file.parent / address).is_file(), f"{file.name} imports {address}"


def test_the_page_preloads_every_module_that_its_first_view_needs() -> None:
    tags = Tags(FOLDER / "index.html").tags
    preloaded = {attributes["href"] for _, attributes in tags if attributes.get("rel") == "modulepreload"}
    needed: set[Path] = set()
    waiting = [FOLDER / "app" / "main.js"]
    while waiting:
        file = waiting.pop()
        imported = IMPORTED if file.is_relative_to(VENDOR) else NEEDED
        found = {(file.parent / address).resolve() for address in imported.findall(file.read_text(encoding="utf-8"))}
        waiting += found - needed
        needed |= found
    assert preloaded == {f"console/{file.relative_to(FOLDER.resolve()).as_posix()}" for file in needed}


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.html")), ids=lambda page: page.name)
def test_pages_have_nothing_inline_and_load_only_files_of_the_console(page: Path) -> None:
    found = Tags(page)
    assert found.inline == []
    for tag, attributes in found.tags:
        assert not any(name == "style" or name.startswith("on") for name in attributes), tag
        address = attributes.get("src") or (attributes.get("href") if tag == "link" else None)
        if address:
            path = address.removeprefix("{base}").removeprefix("console/")
            assert (FOLDER / path).is_file(), address


def test_style_sheets_load_only_files_of_the_console() -> None:
    for sheet in SHEETS:
        text = sheet.read_text(encoding="utf-8")
        loaded = re.findall(r'url\("([^"]+)"\)', text)
        assert len(loaded) == text.count("url(")
        assert all((sheet.parent / address).resolve().is_relative_to(FOLDER.resolve()) for address in loaded)
        assert all((sheet.parent / address).is_file() for address in loaded)
        assert "@import" not in text


def test_the_modules_make_no_markup_and_no_code_of_texts() -> None:
    for file in OWN:
        text = file.read_text(encoding="utf-8")
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert forbidden not in text, f"{file.name} has {forbidden}"


def test_files_are_short_and_begin_with_what_they_are() -> None:
    for file in (*OWN, *SHEETS):
        lines = file.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= FILE_LINES_MAX, file.name
        assert lines[0].startswith(("// ", "/* ")), file.name


def test_the_manifests_are_what_the_command_writes() -> None:
    for manifest in MANIFESTS:
        text = manifest.read_text(encoding="utf-8")
        told: dict[str, Any] = json.loads(text)
        assert text == console_libraries.manifest_text(told["libraries"])


def test_every_text_is_used_and_every_used_text_exists() -> None:
    words = "".join(file.read_text(encoding="utf-8") for file in (FOLDER / "app" / "words").rglob("en.js"))
    names = re.findall(r'^  "([^"]+)":', words, re.MULTILINE)
    assert len(names) == len(set(names))
    sources = "".join(file.read_text(encoding="utf-8") for file in OWN if "words" not in file.relative_to(FOLDER).parts)
    made = re.compile("|".join(rf"{re.escape(start)}[\w-]+" for start in re.findall(r"`([a-z.]+\.)\$\{", sources)))
    assert [name for name in names if f'"{name}"' not in sources and not made.fullmatch(name)] == []
    assert [name for name in re.findall(r'\bt\("([^"]+)"', sources) if name not in names] == []


@pytest.mark.parametrize(
    "english", sorted((FOLDER / "app" / "words").rglob("en.js")), ids=lambda file: file.parent.name
)
def test_every_language_has_every_text_of_views_that_are_loaded_later(english: Path) -> None:
    names = re.compile(r'^  "([^"]+)":', re.MULTILINE)
    expected = names.findall(english.read_text(encoding="utf-8"))
    for file in english.parent.glob("*.js"):
        assert names.findall(file.read_text(encoding="utf-8")) == expected, file
