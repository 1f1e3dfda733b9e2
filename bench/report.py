"""The figures as a table for people, as Markdown, and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from bench.figures import Figure
from bench.findings import Findings
from bench.loads import Shares

COLUMNS: Final = ("", "Aim", "Easel", "Baseline", "Ratio")
SHARES_TITLE: Final = "Cores used while measuring"
_NONE: Final = "–"


@dataclass(frozen=True, slots=True)
class Report:
    """All of one run. `notes` are sentences."""

    machine: Mapping[str, str]
    figures: Sequence[Figure]
    findings: Sequence[Findings]
    notes: Sequence[str]

    def print(self, console: Console) -> None:
        """Show it."""
        console.print(", ".join(f"{name} {value}" for name, value in self.machine.items()), soft_wrap=True)
        console.print(_table(COLUMNS, self._figure_rows(mark=True)))
        columns, rows = _share_rows(self.findings)
        if rows:
            console.print(f"{SHARES_TITLE}:")
            console.print(_table(columns, rows))
        for note in self.notes:
            console.print(f"• {note}", soft_wrap=True, highlight=False)

    def markdown(self) -> str:
        """The same in Markdown."""
        columns, rows = _share_rows(self.findings)
        parts = [
            ", ".join(f"{name} {value}" for name, value in self.machine.items()),
            _markdown_table(COLUMNS, self._figure_rows(mark=False)),
            f"{SHARES_TITLE}:",
            _markdown_table(columns, rows),
            "\n".join(f"- {note}" for note in self.notes),
        ]
        return "\n\n".join(parts) + "\n"

    def write(self, markdown_file: Path) -> None:
        """Write the Markdown to that file, and everything that was found beside it, as JSON."""
        markdown_file.write_text(self.markdown(), encoding="utf-8")
        everything = {
            "machine": self.machine,
            "figures": [msgspec.to_builtins(figure) | {"ratio": figure.ratio} for figure in self.figures],
            "findings": list(self.findings),
            "notes": list(self.notes),
        }
        json = msgspec.json.format(msgspec.json.encode(everything), indent=2)
        markdown_file.with_suffix(".json").write_bytes(json + b"\n")

    def _figure_rows(self, *, mark: bool) -> list[tuple[str, ...]]:
        return [
            (
                figure.title,
                _aim(figure),
                _marked(figure) if mark else _shown(figure.easel, figure.unit),
                _shown(figure.baseline, figure.unit),
                _NONE if figure.ratio is None else f"{figure.ratio:.2f}",
            )
            for figure in self.figures
        ]


def _share_rows(findings: Sequence[Findings]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows: who used how much of a core while what was measured."""
    shares: list[tuple[str, Shares]] = [(found.name, share) for found in findings for share in found.shares]
    processes = list(dict.fromkeys(process for _, share in shares for process in share.cores))
    rows = [
        (
            f"{name}: {share.during}",
            *(f"{share.cores[process]:.2f}" if process in share.cores else _NONE for process in processes),
        )
        for name, share in shares
    ]
    return ("", *processes), rows


def _aim(figure: Figure) -> str:
    if figure.aim is None:
        return _NONE
    return f"{'≥' if figure.is_more_better else '≤'} {_shown(figure.aim, figure.unit)}"


def _marked(figure: Figure) -> str:
    shown = _shown(figure.easel, figure.unit)
    if figure.is_met is None:
        return shown
    return f"[green]{shown}[/]" if figure.is_met else f"[red]{shown}[/]"


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return _NONE
    digits = 0 if value >= 100 or value == round(value) else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}{'' if unit.startswith('/') else ' '}{unit}".rstrip()


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table()
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def lines() -> Iterator[str]:
        yield f"| {' | '.join(columns)} |"
        yield f"| --- |{' ---: |' * (len(columns) - 1)}"
        for row in rows:
            yield f"| {' | '.join(row)} |"

    return "\n".join(lines())
