"""Sample sheets: what the model draws now for fixed prompts and a fixed seed, and scenes such as it learns from."""

import random

import torch

from training import scenes
from training.composer import compose, lay_out
from training.sampler import sample
from training.sheets import sheet
from training.studio import Studio
from training.transformer import Transformer

PROMPTS = (
    "a cat", "a cute cat on a beach at sunset", "a blue car in the desert", "two apples on a white background",
    "a dog on the left of a house", "three red balloons in the sky", "a robot in space", "a bird at night",
    "a penguin in the snow", "a big elephant in a meadow", "a panda on a red background", "a fish in the ocean",
    "a green rabbit in a field", "a small rocket above a house", "a lion", "一只红色的小猫在海滩上",
    "a photo of a flower in a garden, beautiful, detailed", "a dog on top of a car", "two butterflies",
    "a penguin in front of a tree", "a zebra crossing the alps", "汽车在山里", "a robot and a rabbit in the snow", "a boat",
)  # fmt: skip
WIDE_PROMPTS = ("a cat in a meadow", "a boat on the sea at sunset", "three dogs in a field", "a plane above a car")

COLUMNS = 8
WIDE = 16 / 9
"""The shape of the wide sheet's pictures, or the next best that the model learns."""


class SampleSheets:
    """Draws sample sheets into a run's folder."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._draw_scenes()

    def _draw_scenes(self) -> None:
        """What the model learns from, to look at side by side with what it draws."""
        studio, rng = self._studio, random.Random("scenes")
        composed = [scenes.pick(rng, studio.cast, studio.cast.square) for _ in PROMPTS]
        pictures = compose(lay_out(composed, studio.device), studio.atlas, studio.cast.square)
        sheet(pictures, COLUMNS, studio.run.file("scenes.png"))

    @torch.no_grad()
    def draw(self, model: Transformer, name: str, guidance: float) -> None:
        """Two sheets: square pictures, and wide ones."""
        studio = self._studio
        wide = min((grid for grid, _ in studio.cast.grids), key=lambda grid: abs(grid[0] / grid[1] - WIDE))
        for suffix, prompts, grid in (("", PROMPTS, studio.cast.square), ("-wide", WIDE_PROMPTS, wide)):
            latents = sample(model, studio.words, list(prompts), grid, 7, guidance)
            pictures = studio.coder.decoder(latents)
            sheet(pictures, COLUMNS if suffix == "" else 4, studio.run.file(f"{name}{suffix}.png"))
