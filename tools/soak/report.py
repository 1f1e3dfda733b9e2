"""The report of a soak, as tables and as Markdown."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tools.soak.tally import Tally


@dataclass(frozen=True, slots=True)
class Report:
    """One soak."""

    seed: int
    minutes: float
    took_s: float
    tally: Tally

    def print(self, console: Console) -> None:
        """Print the report."""
        console.print(self._summary(), soft_wrap=True)
        for title, rows in self._tables():
            table = Table("", "", title=title, show_header=False, title_justify="left")
            for name, count in rows:
                table.add_row(name, f"{count:,}")
            console.print(table)
        for finding in self.tally.findings:
            console.print(f"• {finding}", soft_wrap=True, highlight=False, markup=False)

    def write(self, file: Path) -> None:
        """Write the report as Markdown."""
        parts = [self._summary()]
        for title, rows in self._tables():
            lines = [f"| {title} | |", "|---|--:|", *(f"| {name} | {count:,} |" for name, count in rows)]
            parts.append("\n".join(lines))
        if self.tally.findings:
            parts.append("\n".join(f"- {finding}" for finding in self.tally.findings))
        file.write_text("\n\n".join(parts) + "\n", encoding="utf-8")

    def _summary(self) -> str:
        verdict = f"{len(self.tally.findings)} findings" if self.tally.findings else "no findings"
        return (
            f"Soak of {self.minutes:g} minutes with seed {self.seed}, {self.took_s:.0f} s in total: "
            f"{self.tally.mishaps.total():,} mishaps, {len(self.tally.accepted):,} orders accepted, {verdict}."
        )

    def _tables(self) -> Iterator[tuple[str, Sequence[tuple[str, int]]]]:
        tally = self.tally
        yield "Mishaps", _counted(tally.mishaps)
        orders = Counter(
            {
                "sent": len([order for order in tally.orders if order.sent]),
                "sent again": sum(max(0, order.sent - 1) for order in tally.orders),
                "accepted": len(tally.accepted),
                "refused": len([order for order in tally.orders if order.is_refused]),
            }
        )
        yield "Orders", list(orders.items())
        yield "Tasks", _counted(tally.ends)
        by_status: Counter[str] = Counter()
        for (_, status), count in tally.answers.items():
            by_status[status] += count
        yield "Callbacks", list(tally.callbacks.items())
        yield "Requests by answer", _counted(by_status)
        yield "Findings", [("total", len(tally.findings))]


def _counted(counter: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counter.items())
