"""Formats help for narrow terminals, where a column of options beside one of explanations would break every word."""

from collections.abc import Iterable
from typing import Final

import click
from click.formatting import wrap_text

COLUMNS_WIDTH_MIN: Final = 60


class HelpFormatter(click.HelpFormatter):
    """Writes explanations below their options if there is little room."""

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Called by click for each list of options or commands."""
        if self.width >= COLUMNS_WIDTH_MIN:
            super().write_dl(rows, col_max, col_spacing)
            return
        indent, below = " " * self.current_indent, " " * (self.current_indent + 4)
        for name, text in rows:
            self.write(f"{indent}{name}\n")
            self.write(f"{wrap_text(text, self.width, below, below)}\n")
