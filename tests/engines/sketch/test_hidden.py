"""What a scene shows can be seen: a thing that others cover is moved, or told."""

import random
from typing import Final

import pytest
from tools.sketch_evaluation.expectation import FOLDER
from tools.sketch_evaluation.sight import Sight

from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read

SEEN_MIN: Final = 0.36
"""Covered by more than 60 % is not seen; the engine compares boxes, which differ from shapes by a few per cent."""
NOUNS: Final = (
    "cat", "dog", "horse", "elephant", "man", "woman", "child", "king", "robot", "penguin", "owl", "bird", "butterfly",
    "fish", "frog", "car", "bicycle", "boat", "rocket", "house", "castle", "tree", "rose", "mushroom", "table", "chair",
    "armchair", "sofa", "bed", "lamp", "window", "book", "bowl", "vase", "basket", "apple", "cake", "umbrella", "hat",
    "guitar", "ball", "kite", "balloon", "bench", "fence", "moon", "cloud", "lighthouse", "snowman", "dragon", "lion",
)  # fmt: skip
RELATIONS: Final = ("next to", "on", "under", "behind", "in front of", "with", "and", "looking at", "to the left of")
SIZES: Final = ((512, 512), (768, 512), (512, 768))
PAIRS: Final = 150


def untold(prompt: str, size: tuple[int, int], seed: int, library: Library, sight: Sight) -> list[str]:
    """The things of a scene that are covered and not told."""
    found = compose(read(prompt, library.emoji), *size, seed, library)
    best: dict[int, float] = {}
    for one in sight.look(found):
        best[one.placed.thing] = max(best.get(one.placed.thing, 0.0), one.visible)
    words = {at: thing.word for at, thing in enumerate(found.wish.things)}
    return [word for at, word in words.items() if best.get(at, 0.0) < SEEN_MIN and word not in found.not_drawn]


@pytest.mark.parametrize("seed", range(4))
def test_of_any_two_things_each_can_be_seen_or_is_told(seed: int, library: Library) -> None:
    dice, sight = random.Random(seed), Sight(library)
    wrong = []
    for _ in range(PAIRS):
        first, second = dice.sample(NOUNS, 2)
        prompt = f"one {first} {dice.choice(RELATIONS)} one {second}"
        size = dice.choice(SIZES)
        wrong += [(prompt, size, word) for word in untold(prompt, size, seed + 1, library, sight)]
    assert wrong == []


def test_in_the_scenes_of_the_measurement_each_thing_can_be_seen_or_is_told(library: Library) -> None:
    sight = Sight(library)
    prompts = [
        line.split(" | ")[0]
        for file in sorted(FOLDER.glob("prompts/*.txt"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert len(prompts) >= 300
    wrong = [(prompt, found) for prompt in prompts if (found := untold(prompt, (512, 512), 3, library, sight))]
    assert wrong == []
