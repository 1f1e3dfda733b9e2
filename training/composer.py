"""Composes scenes into pictures, a batch at a time, on the device that trains.

Everything here is tensor arithmetic. A picture may be composed at any scale that there is an atlas for, and in part: a
window of whole tokens. Values are sRGB from 0 to 1.
"""

from dataclasses import dataclass

import torch

from training import backgrounds
from training.atlas import Atlas
from training.backgrounds import CLOUDS_MAX, PEAKS_MAX, STARS_SIDE
from training.scenes import SLOTS_MAX, Scene
from training.words import COLOURS

TINT = 0.92
"""How far a coloured thing takes its colour; the rest is its own."""
MIDDLE = 0.55
"""The brightness that becomes the pure colour; darker parts go to black, brighter ones to white."""
BRIGHTNESS = (0.30, 0.59, 0.11)


@dataclass(frozen=True, slots=True)
class Layout:
    """A batch of scenes as tensors. `slots` is batch x slots x (start of the thing, size, left, top, mirrored, colour)."""

    slots: torch.Tensor
    grounds: torch.Tensor


def lay_out(scenes: list[Scene], device: torch.device) -> Layout:
    """The scenes' numbers on the device; empty slots have size 0."""
    slots = torch.zeros(len(scenes), SLOTS_MAX, 6, dtype=torch.int64)
    for index, scene in enumerate(scenes):
        for place, slot in enumerate(scene.slots):
            slots[index, place] = torch.tensor(
                (slot.thing, slot.size, slot.left, slot.top, int(slot.mirrored), slot.colour)
            )
    grounds = torch.tensor([scene.background.numbers for scene in scenes])
    return Layout(slots.to(device, non_blocking=True), grounds.to(device, non_blocking=True))


def compose(layout: Layout, atlas: Atlas, grid: tuple[int, int], window: torch.Tensor | None = None) -> torch.Tensor:
    """Pictures, batch x 3 x height x width, of `grid` (width, height) tokens at the atlas's scale.

    `window` (batch x 2, in tokens) moves each picture's top left corner, to compose only a part of a larger one.
    """
    device = layout.slots.device
    if window is None:
        window = torch.zeros(len(layout.slots), 2, dtype=torch.int64, device=device)
    across = torch.arange(grid[0] * atlas.token_px, device=device) + window[:, :1] * atlas.token_px
    down = torch.arange(grid[1] * atlas.token_px, device=device) + window[:, 1:] * atlas.token_px
    picture = paint(layout.grounds, across, down, atlas.token_px)
    palette = torch.tensor([colour.rgb for colour in COLOURS], device=device)
    shape = picture.shape
    # One pixel more: what lies outside the window is written there.
    canvas = torch.cat([picture.reshape(-1, 3), picture.new_zeros(1, 3)])
    for place in range(SLOTS_MAX):
        slots = layout.slots[:, place]
        for size in slots[:, 1].unique().tolist():
            if size:
                scene = (slots[:, 1] == size).nonzero()[:, 0]
                _put(canvas, shape, scene, slots[scene], size, window[scene], layout.grounds[scene], atlas, palette)
    return canvas[:-1].view(shape).permute(0, 3, 1, 2)


def _put(
    canvas: torch.Tensor, shape: torch.Size, scene: torch.Tensor, slots: torch.Tensor, size: int,
    window: torch.Tensor, grounds: torch.Tensor, atlas: Atlas, palette: torch.Tensor,
) -> None:  # fmt: skip
    """Lay things of one size over the pixels of their scenes (`shape` is batch x height x width x 3)."""
    thing, _, left, top, mirrored, colour = slots.unbind(1)
    side = size * atlas.token_px
    along = torch.arange(side, device=canvas.device)
    x = along + ((left - window[:, 0]) * atlas.token_px)[:, None]
    y = along + ((top - window[:, 1]) * atlas.token_px)[:, None]
    inside = ((y >= 0) & (y < shape[1]))[:, :, None] & ((x >= 0) & (x < shape[2]))[:, None, :]
    place = (scene[:, None, None] * shape[1] + y[:, :, None]) * shape[2] + x[:, None, :]
    place = torch.where(inside, place, len(canvas) - 1)
    column = torch.where(mirrored[:, None] > 0, side - 1 - along, along)
    index = atlas.starts[thing, size][:, None, None] + along[:, None] * side + column[:, None, :]
    rgba = atlas.pixels[index].view(torch.uint8).view(*index.shape, 4).float() / 255
    rgb = _tinted(rgba[..., :3], palette[colour.clamp(min=0)], colour >= 0)
    light = _field(grounds, "light")[:, None, None]
    # Things keep more of their own light than the ground does: a night must not hide them.
    canvas[place] = torch.lerp(canvas[place], rgb * (0.45 + 0.55 * light), rgba[..., 3:])


def _tinted(rgb: torch.Tensor, colour: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    brightness = (rgb * rgb.new_tensor(BRIGHTNESS)).sum(-1, keepdim=True)
    colour = colour[:, None, None]
    dark = colour * (brightness / MIDDLE)
    bright = colour + (1 - colour) * ((brightness - MIDDLE) / (1 - MIDDLE))
    tinted = torch.where(brightness < MIDDLE, dark, bright)
    return torch.lerp(rgb, tinted, TINT * wanted[:, None, None, None].to(rgb.dtype))


def _field(grounds: torch.Tensor, name: str) -> torch.Tensor:
    start = 0
    for field, width in backgrounds.FIELDS:
        if field == name:
            return grounds[:, start : start + width]
        start += width
    raise KeyError(name)


def paint(grounds: torch.Tensor, across: torch.Tensor, down: torch.Tensor, token_px: int) -> torch.Tensor:
    """The backgrounds at those pixel columns and rows: batch x height x width x 3."""
    x = ((across + 0.5) / token_px)[:, None, :]
    y = ((down + 0.5) / token_px)[:, :, None]
    soft = 1.0 / token_px

    def field(name: str) -> torch.Tensor:
        return _field(grounds, name)[:, None, None]

    def cover(picture: torch.Tensor, rgb: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
        """Lay a shape over the picture: inside where `distance` (in tokens) is positive, one pixel soft."""
        return torch.lerp(picture, rgb, (distance / soft + 0.5).clamp(0, 1)[..., None])

    horizon, shore = field("horizon")[..., 0], field("shore")[..., 0]
    picture = torch.lerp(field("sky_top"), field("sky_bottom"), (y / horizon).clamp(0, 1)[..., None])
    picture = picture + torch.zeros_like(x)[..., None]
    picture = cover(picture, torch.ones_like(picture), _stars(field("stars")[..., 0], x, y))
    disc = field("disc")
    distance = ((x - disc[..., 0]) ** 2 + (y - disc[..., 1]) ** 2).sqrt()
    picture = cover(picture, field("disc_rgb"), torch.where(disc[..., 2] > 0, disc[..., 2] - distance, -1.0))
    picture = _clouds(picture, field("clouds"), field("cloud_rgb"), x, y)
    light = field("light")
    for peak in range(PEAKS_MAX):
        left, height = field("peaks")[..., 2 * peak], field("peaks")[..., 2 * peak + 1]
        inside = torch.where(height > 0, (y - (horizon - height)) - (x - left).abs() * 0.8, -1.0)
        picture = cover(picture, field("peak_rgb") * light, inside)
        picture = cover(picture, light, torch.minimum(inside, (horizon - height) + 0.6 - y))
    sea = torch.lerp(field("water_far"), field("water_near"), ((y - horizon) / 2).clamp(0, 1)[..., None])
    picture = cover(picture, sea * light, torch.where(shore > horizon, y - horizon, -1.0))
    edge = shore + field("waviness")[..., 0] * torch.sin(x * (torch.pi / 4))
    ground = torch.lerp(field("far"), field("near"), ((y - shore) / 4).clamp(0, 1)[..., None])
    return cover(picture, ground * light, y - edge)


def _stars(density: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """How deep each pixel lies in a star, in tokens: one small star in some lattice cells, the same in every picture."""
    pattern = torch.Generator().manual_seed(1)
    chances, shift_x, shift_y, radii = torch.rand(4, STARS_SIDE, STARS_SIDE, generator=pattern).to(x.device)
    column, row = x.long().clamp(0, STARS_SIDE - 1), y.long().clamp(0, STARS_SIDE - 1)
    cell = row * STARS_SIDE + column
    centre_x = column + 0.2 + 0.6 * shift_x.flatten()[cell]
    centre_y = row + 0.2 + 0.6 * shift_y.flatten()[cell]
    distance = ((x - centre_x) ** 2 + (y - centre_y) ** 2).sqrt()
    shown = chances.flatten()[cell] < density
    return torch.where(shown, 0.03 + 0.05 * radii.flatten()[cell] - distance, -1.0)


def _clouds(
    picture: torch.Tensor, clouds: torch.Tensor, rgb: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    for cloud in range(CLOUDS_MAX):
        left, top, opacity = clouds[..., 3 * cloud], clouds[..., 3 * cloud + 1], clouds[..., 3 * cloud + 2]
        depth = torch.full_like(x - y, -1.0)
        for shift, up, radius in ((-0.7, 0.0, 0.32), (0.0, -0.15, 0.5), (0.7, 0.0, 0.36)):
            reach = radius - ((x - left - shift) ** 2 + (y - top - up) ** 2).sqrt()
            depth = torch.maximum(depth, reach)
        flat = torch.minimum(depth, top + 0.25 - y)
        picture = torch.lerp(picture, rgb, ((flat * 12 + 0.5).clamp(0, 1) * opacity)[..., None])
    return picture
