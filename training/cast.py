"""The cast of a model: which things it learns, and on which grids of tokens it draws them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from training.recipe import Recipe
from training.things import BY_HAND, Thing, everything

Grid = tuple[int, int]
"""A width and a height in tokens."""

COARSE: Final[dict[Grid, int]] = {
    (6, 6): 36, (7, 6): 1, (6, 7): 1, (8, 6): 3, (6, 8): 3, (9, 6): 3, (6, 9): 3, (11, 6): 5, (6, 11): 4, (12, 6): 3,
    (6, 12): 3, (13, 4): 1, (4, 13): 1, (16, 4): 1, (4, 16): 1,
}  # fmt: skip
FINE: Final[dict[Grid, int]] = {
    (8, 8): 14, (7, 6): 1, (6, 7): 1, (10, 8): 2, (8, 10): 2, (12, 8): 2, (8, 12): 2, (14, 8): 2, (8, 14): 2, (16, 8): 2,
    (8, 16): 2, (13, 5): 1, (5, 13): 1, (16, 4): 1, (4, 16): 1,
}  # fmt: skip
"""The grids that a model draws, and how often it learns each; the square comes first.

Every ordered size is cut from the grid of the next best shape. The coarse grids cost half as much."""


@dataclass(frozen=True, slots=True)
class Cast:
    """What scenes are made of: the things, and how often one is mirrored. A small model is better off without."""

    things: tuple[Thing, ...]
    mirrored_share: float = 0.3
    grids: tuple[tuple[Grid, int], ...] = tuple(COARSE.items())

    @property
    def square(self) -> Grid:
        """The grid of a square picture."""
        return self.grids[0][0]


def grids(recipe: Recipe) -> dict[Grid, int]:
    """The recipe's grids, and how often it learns each."""
    return FINE if recipe.fine_grids else COARSE


def cast_of(recipe: Recipe, icons: Path) -> Cast:
    """The recipe's cast: the first things by hand, or, where it wants more, every picture in `icons`.

    Exits where it wants more and there are none.
    """
    things = BY_HAND[: recipe.things] if recipe.things <= len(BY_HAND) else everything(icons)
    if recipe.things > len(BY_HAND) == len(things):
        raise SystemExit(
            f"{icons} has no more than the things by hand: name the whole icons.json of @iconify-json/noto with --icons (ICONS= of make)."
        )
    return Cast(things, recipe.mirrored_share, tuple(grids(recipe).items()))
