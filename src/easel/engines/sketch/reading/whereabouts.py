"""Where the scene of a prompt is: the first place that it names, and what others add to it.

A part of another place is the place, and that one is seen behind it: a road through the mountains. Snow lies and falls
in any place outdoors. A place may have a colour: Mars is red. All else is told as not understood.
"""

from dataclasses import dataclass
from typing import Final

PARTS: Final = {
    "city": frozenset({
        "street", "cafe", "market", "garden", "library", "stadium", "stage", "road", "river", "lake", "greenhouse",
    }),
    "cafe": frozenset({"kitchen"}),
    "room": frozenset({"kitchen", "library"}),
    "mountains": frozenset({"lake", "river", "road", "meadow", "farm"}),
    "forest": frozenset({"lake", "river", "road", "meadow"}),
    "jungle": frozenset({"lake", "river", "road"}),
    "desert": frozenset({"lake", "river", "road"}),
    "meadow": frozenset({"lake", "river", "road"}),
    "farm": frozenset({"river", "road", "greenhouse"}),
    "garden": frozenset({"greenhouse"}),
}  # fmt: skip
"""Places that are parts of another one, so that `a street in the city` is the street."""
VAGUE: Final = frozenset({"sky", "abstract"})
"""Places that give way to any other one."""
SEEN_TOGETHER: Final = ({"sea", "beach"}, {"forest", "jungle"}, {"meadow", "farm"}, {"river", "meadow"})
"""Places of which one shows the other as well."""
SNOW: Final = "snow"
SNOWED_ON: Final = frozenset({
    "cafe", "city", "desert", "farm", "forest", "garden", "jungle", "kitchen", "lake", "market", "meadow", "mountains", "river",
    "road", "room", "street",
})  # fmt: skip
"""Places where snow lies, or is seen through the windows, if the prompt has both."""


@dataclass(slots=True)
class Whereabouts:
    """What has been said of where the scene is."""

    place: str | None = None
    colour: str | None = None
    backdrop: str | None = None
    is_snowy: bool = False

    @property
    def weather(self) -> str | None:
        """The weather that the places say."""
        return "snowfall" if self.is_snowy else None

    @property
    def season(self) -> str | None:
        """The season that the places say."""
        return "winter" if self.is_snowy else None

    def take(self, name: str, colour: str | None, relation: str | None = None) -> bool:
        """Take a place of the prompt, with its colour and what leads to it. False if the picture does not show it."""
        self.is_snowy = self.is_snowy or (name == SNOW and (relation == "with" or self.place in SNOWED_ON))
        if name == SNOW and self.place in SNOWED_ON:
            pass
        elif self.place is None or self.place in VAGUE or self._is_within(name):
            self.backdrop = self.place if name in PARTS.get(self.place or "", ()) else self.backdrop
            self.place = name
            self.colour = colour or self.colour
        elif self.place in PARTS.get(name, ()):
            self.backdrop = self.backdrop or name
        else:
            return name in (self.place, "abstract") or {name, self.place} in SEEN_TOGETHER
        return True

    def _is_within(self, name: str) -> bool:
        """Whether a place is a part of the one so far, or lies in its snow."""
        if self.place == SNOW and name in SNOWED_ON:
            self.is_snowy = True
            return True
        return name in PARTS.get(self.place or "", ())
