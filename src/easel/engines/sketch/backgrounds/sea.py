"""The open sea up to the horizon."""

from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.sky import sky
from easel.engines.sketch.backgrounds.elements.water import glitter, water


def _paint(view: View) -> tuple[str, ...]:
    return sky(view), water(view, view.horizon, view.height) + glitter(view, view.horizon, view.height)


BACKGROUND = Background(paint=_paint, horizon=0.5, near=0.8, surface="water", ground="#1f6fb0", size=0.95)
