"""Tables, in which commands print their lists.

Cells wrap between words. If even that does not fit, as in a narrow terminal, each row is printed as a block with a line
for each cell, so that no value is broken in the middle.
"""

from collections.abc import Iterator
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

_GAP: Final = 2
"""Blanks between two columns."""
_WIDTH_UNKNOWN: Final = 80
"""For terminals that say they have no columns, in which nothing could be printed."""


def table(*columns: str) -> Table:
    """An empty table with these columns."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def show(filled: Table, columns_min: int = 0) -> None:
    """Print a table. `columns_min` keeps long values on one line in narrow terminals and pipes."""
    # Names and reasons are user input, not markup.
    console = Console(
        width=max(Console().width or _WIDTH_UNKNOWN, columns_min), markup=False, emoji=False, highlight=True
    )
    columns = [[str(column.header), *map(str, column.cells)] for column in filled.columns]
    widths = _widths(columns, console.width)
    if widths is not None:
        for column, width in zip(filled.columns, widths, strict=True):
            column.width = width
        console.print(filled)
        return
    for line in _blocks(columns):
        console.print(line, soft_wrap=True)


def _widths(columns: list[list[str]], width: int) -> list[int] | None:
    """A width for each column in which no word is broken. None if there are none that fit."""
    widths = [max((cell_len(word) for cell in column for word in cell.split()), default=1) for column in columns]
    spare = width - sum(widths) - _GAP * (len(columns) - 1)
    if spare < 0:
        return None
    wanted = [max(map(cell_len, column)) - least for column, least in zip(columns, widths, strict=True)]
    # The columns that need little get what they need, and the others share the rest.
    for place, number in enumerate(sorted(range(len(columns)), key=wanted.__getitem__)):
        given = min(wanted[number], spare // (len(columns) - place))
        widths[number] += given
        spare -= given
    return widths


def _blocks(columns: list[list[str]]) -> Iterator[str]:
    """The rows, one below the other, with a blank line between them."""
    widest = max(cell_len(column[0]) for column in columns)
    names, *rows = zip(*columns, strict=True)
    for number, row in enumerate(rows):
        if number:
            yield ""
        yield from (f"{name:<{widest}}  {cell}" for name, cell in zip(names, row, strict=True) if cell)
