"""The things' pictures, drawn from their vector form at every size that a scene may show them at.

An atlas holds one long row of pixels (an int32 each, the bytes R, G, B, A) for one scale in pixels per token, and where
each thing at each size begins. It is made once and kept in a file.
"""

import functools
import hashlib
import io
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import resvg_py
import torch
from PIL import Image, ImageDraw, ImageFilter

from training.files import whole
from training.scenes import SIZES_TOKENS
from training.things import Thing

MASTER_PX = 1024
PROCESSES_FROM_THINGS = 100
"""From so many things on, several processes draw them."""
MARGIN = 0.05
"""What stays free around a thing in its box, as a share of the box's side."""


@dataclass(frozen=True, slots=True)
class Atlas:
    """All things at all sizes for one scale. `starts[thing, size]` is the index of the first pixel of a box."""

    token_px: int
    pixels: torch.Tensor
    starts: torch.Tensor

    def to(self, device: torch.device) -> "Atlas":
        """The same atlas on another device."""
        return Atlas(self.token_px, self.pixels.to(device), self.starts.to(device))


def make(icons: Path, things: tuple[Thing, ...], token_px: int, folder: Path) -> Atlas:
    """The atlas of these things, read from `folder` if it was made before. `icons` is the font's icons.json."""
    looks = [(thing.picture, thing.home) for thing in things]
    held = repr((icons.read_text(encoding="utf-8"), looks, SIZES_TOKENS, MASTER_PX, MARGIN))
    file = folder / f"atlas-{token_px}-{hashlib.sha256(held.encode()).hexdigest()[:16]}.pt"
    if not file.exists():
        packed = _pack(_masters(icons, things), token_px)
        with whole(file) as new:
            torch.save(packed, new)
    pixels, starts = torch.load(file, weights_only=True)
    return Atlas(token_px, pixels, starts)


def _masters(icons: Path, things: tuple[Thing, ...]) -> list[Image.Image]:
    font = json.loads(icons.read_text(encoding="utf-8"))
    if len(things) < PROCESSES_FROM_THINGS:
        return [_master(font, thing) for thing in things]
    with ProcessPoolExecutor() as processes:
        return list(processes.map(functools.partial(_master, font), things, chunksize=8))


def _master(font: dict[str, Any], thing: Thing) -> Image.Image:
    """One thing, cut to what it covers, on its shadow if it stands on the ground."""
    icon = font["icons"][thing.picture]
    width, height = icon.get("width", font["width"]), icon.get("height", font["height"])
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" width="{MASTER_PX}" height="{MASTER_PX}">{icon["body"]}</svg>'
    )
    whole = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))).convert("RGBA")
    part = whole.crop(whole.getchannel("A").point(lambda alpha: 255 * (alpha > 40)).getbbox())
    room = round(MASTER_PX * (1 - 2 * MARGIN))
    scale = room / max(part.size)
    part = part.resize((round(part.width * scale), round(part.height * scale)), Image.Resampling.LANCZOS)
    stands = thing.home == "ground"
    left = (MASTER_PX - part.width) // 2
    top = MASTER_PX - round(MASTER_PX * MARGIN) - part.height if stands else (MASTER_PX - part.height) // 2
    box = _shadow(part, left) if stands else Image.new("RGBA", (MASTER_PX, MASTER_PX))
    box.alpha_composite(part, (left, top))
    return box


def _shadow(part: Image.Image, left: int) -> Image.Image:
    """A soft ellipse where a thing touches the ground."""
    box = Image.new("L", (MASTER_PX, MASTER_PX))
    foot = MASTER_PX * (1 - MARGIN)
    area = (left + part.width * 0.06, foot - MASTER_PX * 0.045, left + part.width * 0.94, foot + MASTER_PX * 0.035)
    ImageDraw.Draw(box).ellipse(area, fill=70)
    alpha = box.filter(ImageFilter.GaussianBlur(MASTER_PX * 0.008))
    return Image.merge(
        "RGBA", (Image.new("L", alpha.size), Image.new("L", alpha.size), Image.new("L", alpha.size), alpha)
    )


def _pack(masters: list[Image.Image], token_px: int) -> tuple[torch.Tensor, torch.Tensor]:
    starts = np.zeros((len(masters), max(SIZES_TOKENS) + 1), np.int64)
    boxes, start = [], 0
    for index, master in enumerate(masters):
        for size in SIZES_TOKENS:
            side = size * token_px
            # Reduced with premultiplied alpha, so that no edge takes a colour from outside the thing.
            box = master.convert("RGBa").resize((side, side), Image.Resampling.BOX).convert("RGBA")
            starts[index, size] = start
            start += side * side
            boxes.append(np.asarray(box).reshape(-1, 4).view(np.int32).reshape(-1))
    return torch.from_numpy(np.concatenate(boxes)), torch.from_numpy(starts)
