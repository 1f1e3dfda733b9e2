"""The house style, as far as a program can check it."""

import ast
import functools
import re
from pathlib import Path

from tests.support.paths import ROOT

FILES = sorted(path for folder in ("src", "tests", "tools", "bench") for path in (ROOT / folder).rglob("*.py"))
SOURCES = [path for path in FILES if path.is_relative_to(ROOT / "src")]

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
FUNCTION_LINES_MEDIAN_MAX = 12
NAMES_THAT_SAY_NOTHING = {"service", "services", "manager", "managers", "util", "utils", "helper", "helpers", "common"}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _functions(path: Path) -> list[tuple[str, int]]:
    tree = _parsed(path)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [(node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in found]


def test_no_file_is_too_long() -> None:
    long = [_name(path) for path in FILES if len(path.read_text(encoding="utf-8").splitlines()) > FILE_LINES_MAX]
    assert long == []


def test_every_function_fits_on_a_screen() -> None:
    long = [
        f"{_name(path)}: {name}" for path in FILES for name, lines in _functions(path) if lines > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_functions_are_small_in_the_middle() -> None:
    lines = sorted(lines for path in SOURCES for _, lines in _functions(path))
    assert lines[len(lines) // 2] <= FUNCTION_LINES_MEDIAN_MAX


def test_every_module_has_a_docstring() -> None:
    assert [_name(path) for path in FILES if _parsed(path).body and not ast.get_docstring(_parsed(path))] == []


def test_file_names_are_specific_nouns() -> None:
    assert [_name(path) for path in SOURCES if path.stem in NAMES_THAT_SAY_NOTHING] == []


def test_every_public_function_class_and_method_has_a_docstring() -> None:
    trees = {_name(path): _parsed(path) for path in SOURCES}
    assert [f"{name}: {missing}" for name, tree in trees.items() for missing in _undocumented(tree)] == []


def _undocumented(node: ast.Module | ast.ClassDef) -> list[str]:
    names: list[str] = []
    for child in node.body:
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or child.name.startswith("_"):
            continue
        if ast.get_docstring(child) is None:
            names.append(child.name)
        if isinstance(child, ast.ClassDef):
            names += _undocumented(child)
    return names


READS_THIS_MACHINES_CLOCK = {
    "src/easel/actions/back_up.py",  # a backup shows when it was made; nothing depends on it
    "src/easel/client/callbacks.py",  # whether a callback is too old, at its receiver
    "src/easel/commands/secret.py",  # the date in the name of the file with the old secret
    "src/easel/commands/terminal/option_types.py",  # whether a day that an operator typed is in the future
    "src/easel/engines/remote/exchange.py",  # if another server's answer has no date
    "src/easel/runtime/logs.py",  # the time of a log line
}
"""Everything else that is stored or compared has the database's time, and durations use monotonic clocks."""


def test_only_actions_and_the_workers_heartbeat_write_to_the_database() -> None:
    writing = re.compile(r"\.(transaction|single_statement)\(")
    writers = {
        path.relative_to(ROOT / "src/easel") for path in SOURCES if writing.search(path.read_text(encoding="utf-8"))
    }
    assert {path for path in writers if path.parts[0] not in ("actions", "store")} == {Path("worker.py")}


def test_nothing_else_reads_this_machines_clock() -> None:
    looking = {
        _name(path)
        for path in SOURCES
        for node in ast.walk(_parsed(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr)
        in {("datetime", "now"), ("datetime", "today"), ("date", "today"), ("time", "time")}
    }
    assert looking == READS_THIS_MACHINES_CLOCK
