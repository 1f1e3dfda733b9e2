"""How a painted scene gets its style. Each style is a module of this folder with a function `finish`.

To add one: write the module and give it words in the section `styles` of the tables. A style works on pixels, keeps the
size, and draws its chance from the dice that it gets.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from easel.engines.sketch.composing.dice import Dice
from easel.engines.sketch.composing.scene import Scene


def finish(image: Image.Image, scene: Scene) -> Image.Image:
    """The picture in the style of its scene: as it is, if the scene has none."""
    if scene.style is None:
        return image
    module = importlib.import_module(f"easel.engines.sketch.styles.{scene.style.replace('-', '_')}")
    finished = module.finish(image, Dice(scene.seed).named("style"))
    assert isinstance(finished, Image.Image)
    assert finished.size == image.size
    return finished


def names() -> Iterator[str]:
    """The names of all styles, in alphabetical order."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name != "style":
            yield module.name.replace("_", "-")
