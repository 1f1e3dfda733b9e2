"""What a run shows of itself, as PNG: sheets of pictures, and curves of losses."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

GAP_PX = 2
CURVE_PX = 640, 200


def sheet(pictures: torch.Tensor, columns: int, file: Path) -> None:
    """Pictures (batch x 3 x height x width, 0 to 1) side by side."""
    levels = (pictures.detach().float().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu()
    height, width = levels.shape[1:3]
    rows = -(-len(levels) // columns)
    drawn = Image.new("RGB", (columns * (width + GAP_PX), rows * (height + GAP_PX)), "white")
    for index, picture in enumerate(levels):
        spot = (index % columns * (width + GAP_PX), index // columns * (height + GAP_PX))
        drawn.paste(Image.fromarray(picture.numpy()), spot)
    drawn.save(file)


def curves(lines: list[dict[str, Any]], file: Path) -> None:
    """Every stage's loss over its samples, from the lines of a run's log."""
    stages = sorted({line["stage"] for line in lines})
    width, height = CURVE_PX
    drawn = Image.new("RGB", (width, height * len(stages)), "white")
    draw = ImageDraw.Draw(drawn)
    for index, stage in enumerate(stages):
        points = [(line["samples"], line["loss"]) for line in lines if line["stage"] == stage]
        low, high = min(loss for _, loss in points), sorted(loss for _, loss in points)[int(len(points) * 0.98)]
        most = max(samples for samples, _ in points)
        bottom, top = height * (index + 1) - 20, height * index + 30
        place = [
            (
                20 + (width - 40) * samples / most,
                bottom - (bottom - top) * (min(loss, high) - low) / (high - low + 1e-9),
            )
            for samples, loss in points
        ]
        draw.line(place, fill="blue")
        draw.text((24, height * index + 4), f"{stage}: loss {low:.4f} to {high:.4f}, {most} samples", fill="black")
    drawn.save(file)
