"""What has been said before the thing is named that it belongs to."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Pending:
    """What has been said of a thing that is not named yet."""

    count: int | None = None
    colours: list[str] = field(default_factory=list)
    size: str | None = None
    is_aloft: bool = False
    is_one: bool = False
    """Whether `a` stands right before the thing: `einem Bären` is one bear, `a plate of cookies` are several."""

    @property
    def colour(self) -> str | None:
        """The last colour that was said."""
        return self.colours[-1] if self.colours else None
