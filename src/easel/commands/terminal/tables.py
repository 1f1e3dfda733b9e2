"""Tables, in which commands print their lists."""

from rich.console import Console
from rich.table import Table


def table(*columns: str) -> Table:
    """An empty table with these columns."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def show(filled: Table, columns_min: int = 0) -> None:
    """Print a table. `columns_min` keeps long values on one line in narrow terminals and pipes."""
    # Names and reasons are user input, not markup.
    Console(width=max(Console().width, columns_min), markup=False, emoji=False, highlight=True).print(filled)
