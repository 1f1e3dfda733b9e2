"""`make quick` runs every room of the tests that starts no server and does not load PyTorch."""

import ast
import re
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT

TESTS: Final = ROOT / "tests"
SLOW_ROOMS: Final = {"faults", "pytorch", "service", "store"}
NOT_ROOMS: Final = {"data", "support"}
STARTS_SERVERS: Final = {
    "tests.support.data_folders",
    "tests.support.life_stage",
    "tests.support.private_postgres_holder",
    "tests.support.running_fleet",
    "tests.support.running_service",
}
SERVER_FIXTURES: Final = {"account", "new_key", "service", "two_webs"}
PYTORCH: Final = {"bench", "diffusers", "torch", "transformers"}
"""PyTorch, and what imports it."""


def rooms() -> set[str]:
    return {folder.name for folder in TESTS.iterdir() if (folder / "__init__.py").exists()} - NOT_ROOMS


def imported(file: Path) -> set[str]:
    """The modules that a file imports, and those that it skips without."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom(module=str(module)):
                names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
            case ast.Call(func=ast.Attribute(attr="importorskip"), args=[ast.Constant(value=str(module)), *_]):
                names.add(module)
    return names


def requested_fixtures(file: Path) -> set[str]:
    functions = [
        node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)
    ]
    return {argument.arg for function in functions for argument in function.args.args}


def quick_files() -> list[Path]:
    return [file for room in sorted(rooms() - SLOW_ROOMS) for file in (TESTS / room).rglob("test_*.py")]


def test_make_quick_names_every_quick_room() -> None:
    named = re.search(r"^QUICK_ROOMS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert named is not None
    assert set(named[1].split()) == rooms() - SLOW_ROOMS


def test_quick_rooms_start_no_server() -> None:
    starting = [
        file.name
        for file in quick_files()
        if imported(file) & STARTS_SERVERS or requested_fixtures(file) & SERVER_FIXTURES
    ]
    assert starting == []


def test_quick_rooms_do_not_load_pytorch() -> None:
    loading = [file.name for file in quick_files() if {name.partition(".")[0] for name in imported(file)} & PYTORCH]
    assert loading == []
