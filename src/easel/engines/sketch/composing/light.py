"""The light of a time of day and of a weather: what it does to colours, near and far."""

from dataclasses import dataclass
from typing import Final

from easel.engines.sketch.painting.colour import mix, multiplied

Factors = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Light:
    """How colours look: multiplied by `factors`, mixed with `glow`, and the farther the more with `haze`."""

    factors: Factors = (1.0, 1.0, 1.0)
    glow: str = "#ffffff"
    glow_share: float = 0.0
    haze: str = "#cfe6f7"
    haze_share: float = 0.45

    def on(self, colour: str, depth: float = 0.0) -> str:
        """A colour in this light. `depth` goes from 0, near, to 1, at the horizon."""
        lit = multiplied(colour, self.factors) if self.factors != (1.0, 1.0, 1.0) else colour
        return mix(mix(lit, self.glow, self.glow_share), self.haze, self.haze_share * depth)

    def softened(self) -> "Light":
        """The light on what the picture is about: it stands out a little from what is around it."""
        red, green, blue = (1 - (1 - factor) * 0.7 for factor in self.factors)
        return Light((red, green, blue), self.glow, 0.6 * self.glow_share, self.haze, self.haze_share)


INDOORS: Final = Light(haze_share=0.0)
_BY_TIME: Final = {
    "day": Light(),
    "dawn": Light((1.0, 0.93, 0.92), "#ffc9b8", 0.08, "#f4cfc6", 0.5),
    "sunset": Light((1.0, 0.80, 0.70), "#ff9a62", 0.10, "#f0a184", 0.5),
    "night": Light((0.56, 0.61, 0.84), "#18265e", 0.12, "#2b3970", 0.6),
}
_WEATHER_FACTORS: Final[dict[str, Factors]] = {
    "rain": (0.84, 0.88, 0.93), "storm": (0.68, 0.72, 0.80), "cloudy": (0.92, 0.94, 0.97), "fog": (0.95, 0.96, 0.97),
}  # fmt: skip
_WEATHER_HAZE: Final = {"rain": 0.65, "storm": 0.6, "fog": 0.84, "snowfall": 0.6, "cloudy": 0.5}
GREY_HAZE: Final = {"day": "#cdd6dd", "dawn": "#dccfd0", "sunset": "#c9a79c", "night": "#333f63"}


def light_of(time: str, weather: str | None) -> Light:
    """The light outdoors."""
    light = _BY_TIME[time]
    if weather is None or weather == "clear":
        return light
    dim = _WEATHER_FACTORS.get(weather, (1.0, 1.0, 1.0))
    factors = tuple(own * other for own, other in zip(light.factors, dim, strict=True))
    return Light(
        (factors[0], factors[1], factors[2]),
        light.glow,
        light.glow_share,
        GREY_HAZE[time],
        _WEATHER_HAZE.get(weather, light.haze_share),
    )
