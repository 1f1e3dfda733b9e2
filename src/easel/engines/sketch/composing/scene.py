"""A composed scene: where everything is, before anything is painted. Tests and measurements read it."""

from dataclasses import dataclass

from easel.engines.sketch.reading.wish import Wish


@dataclass(frozen=True, slots=True)
class Placed:
    """One picture in the scene, in pixels."""

    picture: str
    thing: int
    """The index of the wish's thing that it shows, or -1 if it belongs to none."""
    x: float
    """The middle of its drawn part."""
    y: float
    """The lower edge of its drawn part."""
    height: float
    depth: float = 0.0
    """0 near, 1 at the horizon."""
    colour: str | None = None
    is_mirrored: bool = False
    turn: float = 0.0
    """Degrees, clockwise, around the middle of its lower edge."""
    has_shadow: bool = True
    has_ripple: bool = False
    clothes: str = "#3f7fd0"
    trousers: str = "#3f4a6b"
    pose: str = "standing"
    """What its body does, if it has one that can."""
    lift: float = 0.0
    """How far it is above the ground on which its shadow falls, in pixels."""
    sunk: float = 0.0
    """How much of its height is under water and cannot be seen."""
    dyes: tuple[tuple[str, str], ...] = ()
    """Parts of it that get another colour: what colour they have, and the name of the new one."""
    text: str = ""
    """What is written on it. Only for signs."""


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is painted, from back to front."""

    wish: Wish
    width_px: int
    height_px: int
    seed: int
    place: str
    place_colour: str | None
    time: str
    weather: str | None
    season: str | None
    style: str | None
    horizon: float
    placed: tuple[Placed, ...]
    not_drawn: tuple[str, ...]
    """Words of the prompt that the picture does not show."""
    backdrop: str | None = None
    """The larger place that is seen behind the place."""
    is_close_up: bool = False
    """Whether the place is seen from near."""

    @property
    def shows_nothing_asked(self) -> bool:
        """Whether the prompt asked for something, of which the picture shows nothing, apart from its style."""
        return bool(self.not_drawn) and self.wish.is_empty and self.wish.season is None and not self.placed
