"""Tables, as all lists are shown."""

from rich.console import Console
from rich.table import Table


def table(*columns: str) -> Table:
    """An empty table, as all lists are shown."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def show(filled: Table, columns_min: int = 0) -> None:
    """Print a table, at least `columns_min` wide, so that a narrow terminal or a pipe does not fold what is copied."""
    # Names and reasons are text that somebody typed, and no markup.
    Console(width=max(Console().width, columns_min), markup=False, emoji=False, highlight=True).print(filled)
