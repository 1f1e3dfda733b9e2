"""What can be seen in a composed scene: where each picture is, and how much of it nothing hides.

A picture's shape is what it paints, without its shadow. Shapes are laid over one another on a coarse raster, in the
order in which they are painted. A picture counts as seen if enough of its shape is in the scene and not hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image

from easel.engines.sketch.composing.scene import Placed, Scene
from easel.engines.sketch.painting.markup import document, n
from easel.engines.sketch.painting.vector_canvas import VectorCanvas
from easel.engines.sketch.pictures.library import Library, Picture, untoned

RASTER_PX: Final = 192
"""The longer side of the raster."""
SHAPE_PX: Final = 96
OPAQUE: Final = 80
VISIBLE_MIN: Final = 0.3
"""So much of a shape must be seen."""
HEIGHT_MIN: Final = 0.025
"""So tall a picture must be, as a share of the scene's shorter side."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One picture of a scene: its edges in pixels, and the share of its shape that is seen."""

    placed: Placed
    order: int
    """Its place in the order of painting."""
    left: float
    top: float
    right: float
    bottom: float
    visible: float
    is_seen: bool
    stance: str
    main_colour: str
    shape: Image.Image
    hanging: float = 0.0
    """How much of its height hangs down from what it sits on."""

    @property
    def rest(self) -> float:
        """Where it touches what it stands or sits on, in pixels from the top."""
        return self.bottom - self.hanging * self.height

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def x(self) -> float:
        """Its middle from the left."""
        return (self.left + self.right) / 2

    @property
    def y(self) -> float:
        """Its middle from the top."""
        return (self.top + self.bottom) / 2

    def has_shape_in(self, left: float, top: float, right: float, bottom: float) -> bool:
        """Whether its shape has a part in this box of the scene."""
        wide, tall = self.shape.size
        columns = [(edge - self.left) / self.width * wide for edge in (left, right)]
        rows = [(edge - self.top) / self.height * tall for edge in (top, bottom)]
        box = (
            max(0, int(columns[0])),
            max(0, int(rows[0])),
            min(wide, int(columns[1]) + 1),
            min(tall, int(rows[1]) + 1),
        )
        return box[0] < box[2] and box[1] < box[3] and self.shape.crop(box).getbbox() is not None


class Sight:
    """Looks at scenes. It keeps the shapes of the pictures."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._shapes: dict[tuple[str, str], Image.Image] = {}

    def look(self, scene: Scene) -> list[Seen]:
        """All pictures of the scene, from back to front."""
        pictures = [self._library.picture(one.picture, one.clothes, one.trousers, one.pose) for one in scene.placed]
        shapes = [self._shape(picture, one.pose) for one, picture in zip(scene.placed, pictures, strict=True)]
        shapes = [
            shape.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if one.is_mirrored else shape
            for shape, one in zip(shapes, scene.placed, strict=True)
        ]
        boxes = [_box(one, picture) for one, picture in zip(scene.placed, pictures, strict=True)]
        shares = _visible_shares(scene, boxes, shapes)
        tall_min = HEIGHT_MIN * min(scene.width_px, scene.height_px)
        return [
            Seen(
                one,
                order,
                *boxes[order],
                visible=shares[order],
                is_seen=shares[order] >= VISIBLE_MIN and one.height >= tall_min,
                stance=picture.traits.stance,
                main_colour=picture.main_colour,
                shape=shapes[order],
                hanging=picture.sits,
            )
            for order, (one, picture) in enumerate(zip(scene.placed, pictures, strict=True))
        ]

    def _shape(self, picture: Picture, pose: str) -> Image.Image:
        key = untoned(picture.name), pose
        if key not in self._shapes:
            self._shapes[key] = _shape(picture)
        return self._shapes[key]


def _box(one: Placed, picture: Picture) -> tuple[float, float, float, float]:
    half = one.height * picture.width / picture.height / 2
    return one.x - half, one.y - one.height, one.x + half, one.y


def _shape(picture: Picture) -> Image.Image:
    """Where a picture is opaque, as a mask of its box."""
    scale = SHAPE_PX / max(picture.width, picture.height)
    wide, tall = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    left, top, _, _ = picture.box
    place = f"scale({wide / picture.width:.5f} {tall / picture.height:.5f}) translate({n(-left)} {n(-top)})"
    with VectorCanvas(wide, tall) as canvas:
        canvas.paint(document(wide, tall, f'<g transform="{place}">{picture.body}</g>'))
        alpha = canvas.image().getchannel("A")
    return alpha.point(lambda level: 255 if level >= OPAQUE else 0).convert("1")


def _visible_shares(
    scene: Scene, boxes: Sequence[tuple[float, float, float, float]], shapes: Sequence[Image.Image]
) -> list[float]:
    scale = RASTER_PX / max(scene.width_px, scene.height_px)
    raster = Image.new("RGB", (round(scene.width_px * scale), round(scene.height_px * scale)))
    areas = []
    for number, ((left, top, right, bottom), shape) in enumerate(zip(boxes, shapes, strict=True), start=1):
        size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
        mask = shape.resize(size, Image.Resampling.NEAREST)
        areas.append(mask.histogram()[255])
        raster.paste(_colour_of(number), (round(left * scale), round(top * scale)), mask)
    pixels = {colour: count for count, colour in raster.getcolors(raster.width * raster.height) or ()}
    return [pixels.get(_colour_of(number), 0) / area if area else 0.0 for number, area in enumerate(areas, start=1)]


def _colour_of(number: int) -> tuple[int, int, int]:
    return number % 256, number // 256, 0
