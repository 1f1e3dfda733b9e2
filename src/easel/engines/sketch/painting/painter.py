"""Paints a scene: its layers as SVG documents, from back to front.

Nothing of a prompt gets into the markup but through fixed tables: names of pictures, of colours and of backgrounds.
"""

import re
from collections.abc import Iterator
from typing import Final

from easel.engines.sketch.backgrounds import background
from easel.engines.sketch.backgrounds.background import Background, View
from easel.engines.sketch.backgrounds.elements.season import in_the_air
from easel.engines.sketch.backgrounds.elements.sky import falling
from easel.engines.sketch.composing.composer import wish_key
from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.composing.light import INDOORS, Light, light_of
from easel.engines.sketch.composing.scene import Placed, Scene
from easel.engines.sketch.painting import colour
from easel.engines.sketch.painting.dressing import dressed
from easel.engines.sketch.painting.lettering import written
from easel.engines.sketch.painting.markup import Ids, document, ellipse, n, rect, round_gradient
from easel.engines.sketch.pictures.library import Library, Picture
from easel.engines.sketch.pictures.picture_pack import ID_MARK

LOGO: Final = "logo"
LIGHTS: Final = re.compile(r"\b(?:sun|moon)\b(?!-behind|-cake|-viewing|-rover)")
"""Pictures of the sun and of the moon."""
SIGN_BOARD: Final = (17.0, 9.0, 28.0, 12.4)
"""The middle and the size of what can be written on in `own/sign.svg`."""


def layers(scene: Scene, library: Library) -> Iterator[str]:
    """The documents to paint over one another."""
    ground = background.find(scene.place, is_close_up=scene.is_close_up, is_logo=scene.style == LOGO)
    view = _view(scene, ground, library)
    for layer in ground.paint(view):
        yield document(scene.width_px, scene.height_px, layer)
    light = view.light.softened() if ground.is_outdoors else INDOORS
    yield document(scene.width_px, scene.height_px, _things(scene, library, ground, light))
    front = ground.paint_front(view) if ground.paint_front is not None else ""
    if ground.is_outdoors:
        front += falling(view) + in_the_air(view)
    if front:
        yield document(scene.width_px, scene.height_px, front)


def _view(scene: Scene, ground: Background, library: Library) -> View:
    return View(
        width=float(scene.width_px),
        height=float(scene.height_px),
        horizon=scene.horizon,
        light=light_of(scene.time, scene.weather),
        time=scene.time,
        weather=scene.weather,
        season=scene.season,
        colour=scene.place_colour,
        backdrop=scene.backdrop,
        dice=Dice(scene.seed, wish_key(scene.wish)).named("background"),
        ids=Ids("b"),
        is_outdoors=ground.is_outdoors,
        has_hanging=ground.has_wall and any("hangs" in library.traits(one.picture).marks for one in scene.placed),
        has_sun_or_moon=any(LIGHTS.search(one.picture) for one in scene.placed),
    )


def _things(scene: Scene, library: Library, ground: Background, light: Light) -> str:
    shade = colour.mix(light.on(ground.ground), "#101020", 0.55)
    painted = round_gradient("shadow", [(0, shade, 0.5), (0.55, shade, 0.3), (1, shade, 0)])
    painted += round_gradient(
        "ripple", [(0, "#ffffff", 0.0), (0.72, "#ffffff", 0.0), (0.86, "#ffffff", 0.6), (1, "#ffffff", 0)]
    )
    pictures = [library.picture(one.picture, one.clothes, one.trousers, one.pose) for one in scene.placed]
    last_depth = None
    for number, (one, picture) in enumerate(zip(scene.placed, pictures, strict=True)):
        if one.depth != last_depth:
            for other, shown in zip(scene.placed, pictures, strict=True):
                if other.depth == one.depth:
                    painted += _contact(other, shown)
            last_depth = one.depth
        painted += _one(one, picture, number, light, scene.time if ground.is_outdoors else "day")
    return painted


def _contact(one: Placed, picture: Picture) -> str:
    """The shadow on the ground, or the ripple on the water."""
    if not (one.has_shadow or one.has_ripple):
        return ""
    unit = one.height / picture.height
    middle = (picture.base[0] + picture.base[1]) / 2 - (picture.box[0] + picture.box[2]) / 2
    x = one.x + (-middle if one.is_mirrored else middle) * unit
    half = max((picture.base[1] - picture.base[0]) * 0.72, picture.width * 0.36) * unit
    flat = min(half * 0.24, one.height * 0.16)
    if one.has_ripple:
        y = one.y - one.sunk * one.height
        return ellipse(x, y - flat * 0.3, half * 1.12, flat * 0.6, "url(#ripple)", 0.55)
    high = max(0.55, 1 - one.lift / (2 * one.height))
    return ellipse(x, one.y + one.lift - flat * 0.15, half * 1.12 * high, flat * high, "url(#shadow)", high)


def _one(one: Placed, picture: Picture, number: int, light: Light, time: str) -> str:
    body = picture.body.replace(ID_MARK, f"t{number}-")
    body = dressed(body, one, picture, light, time)
    unit = one.height / picture.height
    middle = (picture.box[0] + picture.box[2]) / 2
    flip = "scale(-1 1)" if one.is_mirrored else ""
    turn = f" rotate({n(one.turn)} 0 {n(-one.height / 2)})" if one.turn else ""
    if one.text:
        x, y, width, height = SIGN_BOARD
        body += written(one.text, x, y, width, height, light.on("#3a2c22", 0.75 * one.depth))
    if one.sunk:
        body = _above_water(body, picture, one.sunk, f"w{number}")
    return (
        f'<g transform="translate({n(one.x)} {n(one.y)}){turn}{flip}scale({unit:.5f})'
        f'translate({n(-middle)} {n(-picture.box[3])})">{body}</g>'
    )


def _above_water(body: str, picture: Picture, sunk: float, name: str) -> str:
    """What of a picture can be seen above the water."""
    left, top, right, bottom = picture.box
    seen = rect(left - 2, top - 2, right - left + 4, (bottom - top) * (1 - sunk) + 2, "#ffffff")
    return f'<defs><clipPath id="{name}">{seen}</clipPath></defs><g clip-path="url(#{name})">{body}</g>'
