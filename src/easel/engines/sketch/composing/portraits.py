"""Arranges one person or animal as a portrait: the head and what is below it, down to the edge of the picture."""

from typing import Final

from easel.engines.sketch.composing.scene import Placed
from easel.engines.sketch.composing.stage import Stage, Stand
from easel.engines.sketch.composing.units import Unit

PERSON_SEEN: Final = 0.56
ANIMAL_SEEN: Final = 0.68
"""How much of the height is seen, from the top."""
UPRIGHT: Final = 1.1
"""So much higher than wide is a figure of which the upper part can be shown."""
HEADROOM: Final = 0.1
WIDE: Final = 0.9


def is_portrait(stage: Stage, unit: Unit) -> bool:
    """Whether a unit is shown as a portrait: it looks at us, and nothing carries it."""
    is_alone = len(stage.wish.things) == len({part.thing for part in unit.parts}) and unit.parts[0] is unit.base
    picture = unit.base.picture
    is_upright = "creature" in picture.traits.marks and picture.height > UPRIGHT * picture.width
    return stage.wish.view == "portrait" and is_alone and (picture.has_front or is_upright) and not picture.sits


def portrait(stage: Stage, unit: Unit) -> list[Placed]:
    """The unit, cut off by the lower edge, in the middle or near a third of a wide picture."""
    wide = unit.right - unit.left
    seen = ANIMAL_SEEN if unit.base.picture.traits.stance == "head" else PERSON_SEEN
    scale = min((1 - HEADROOM) * stage.height / (seen * unit.top), WIDE * stage.width / wide)
    dice = stage.dice.named("portrait")
    middle = dice.pick((0.4, 0.6)) if stage.width > 1.25 * stage.height else 0.5 + dice.between(-0.03, 0.03)
    x = stage.width * middle - (unit.left + unit.right) / 2 * scale
    return stage.put(unit, Stand(x, stage.height + (1 - seen) * unit.top * scale, scale))
