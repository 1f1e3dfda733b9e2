"""The towers of a city behind a square."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.land import flat_ground
from easel.engines.sketch.backgrounds.elements.season import lying, snow_on_ground
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.backgrounds.elements.town import skyline
from easel.engines.sketch.painting.colour import lighter
from easel.engines.sketch.painting.markup import line, n, rect


def _paint(view: View) -> tuple[str, ...]:
    dice = view.dice.named("city")
    unit = view.unit
    far = skyline(view, dice.named("far"), view.horizon + unit, view.horizon * 0.66, 0.75, 9 * unit)
    near = skyline(view, dice.named("near"), view.horizon + 1.5 * unit, view.horizon * 0.48, 0.3, 13 * unit)
    stone = dice.pick(("#a9adb8", "#b8aca0", "#9fa9ad"))
    square = flat_ground(
        view, view.tint(lighter(stone, 0.04), 0.2), view.tint(lighter(stone, -0.08)), view.horizon + unit
    )
    square += rect(0, view.horizon + unit, view.width, 1.1 * unit, view.tint(lighter(stone, 0.12), 0.2))
    joints = ""
    for level in (0.16, 0.34, 0.6, 0.95):
        joints += f"M0 {n(view.down(level))}L{n(view.width)} {n(view.down(level))}"
    for step in range(-8, 9):
        top = view.width / 2 + step * view.width * 0.07
        joints += (
            f"M{n(top)} {n(view.horizon + 2 * unit)}L{n(view.width / 2 + step * view.width * 0.2)} {n(view.height)}"
        )
    square += line(joints, view.tint(lighter(stone, -0.12)), 0.22 * unit, 0.55)
    top = view.horizon + 2 * unit
    return sky(view), far, near, square + snow_on_ground(view, top) + lying(view, top)


BACKGROUND = Background(paint=_paint, horizon=0.66, ground="#6f737f", size=0.95)
