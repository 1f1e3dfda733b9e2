"""Trains the whole model from scratch: `python -m training.train --scale cpu --folder runs/cpu`.

The stages run one after another, and each resumes where it was stopped. SIGTERM or Ctrl-C stops the training with a
checkpoint and exit status 1, so that nothing continues with half a model.
"""

import argparse
import ctypes
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch

from training import train_decoder, train_flow, trained
from training.imagination import Imagination
from training.recipe import RECIPES, Recipe
from training.run import Run, Stopped, saved
from training.samples import SampleSheets
from training.studio import Studio, furnish
from training.things import ICONS

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
STAGES = ("flow", "distil", "decoder")


def shortened(recipe: Recipe, counts: Iterable[str]) -> Recipe:
    """The recipe with other counts of samples, each given as STAGE=COUNT."""
    for given in counts:
        stage, _, count = given.partition("=")
        if stage not in STAGES or not count.isdecimal():
            raise SystemExit(f"--samples takes STAGE=COUNT with a stage of {', '.join(STAGES)}, not {given!r}.")
        recipe = replace(recipe, **{stage: replace(getattr(recipe, stage), samples=int(count))})
    return recipe


def keep_memory() -> None:
    """Keep freed memory for the next step, where the C library is glibc.

    By default it returns large blocks to the system, which then clears them again for every operation.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)
        library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def train(studio: Studio, stages: Iterable[str]) -> None:
    """Train these stages, each from where it stopped. `distil` needs a `flow`."""
    folder, recipe = studio.run.folder, studio.recipe
    sheets = SampleSheets(studio)
    if "flow" in stages:
        train_flow.train(studio, sheets)
    if "distil" in stages:
        taught = trained.teacher(folder, recipe)
        assert taught is not None, "flow comes first"
        train_flow.distil(studio, sheets, *taught)
    if "decoder" in stages:
        model = trained.transformer(folder, recipe)
        imagine = None if model is None else Imagination(model.to(studio.device), studio.words)
        train_decoder.train(studio, imagine)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=sorted(RECIPES), default="cpu")
    parser.add_argument("--icons", type=Path, default=ICONS, help="icons.json of the package @iconify-json/noto")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument(
        "--samples", nargs="+", default=(), metavar="STAGE=COUNT", help="override the counts of the recipe"
    )
    parser.add_argument("--pause-file", type=Path, help="training waits while this file exists")
    options = parser.parse_args(arguments)
    recipe = shortened(RECIPES[options.scale], options.samples)
    if "distil" in options.stages and "flow" not in options.stages and saved(options.folder, "flow") is None:
        raise SystemExit("There is nothing to distil yet: train the stage flow first.")
    keep_memory()
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    run = Run(options.folder, recipe.checkpoint_s, recipe.sheet_s, options.pause_file)
    studio = furnish(run, recipe, options.icons, device)
    try:
        with run.stoppable():
            train(studio, options.stages)
    except Stopped:
        raise SystemExit("Stopped. The same command goes on from here.") from None
    finally:
        run.curves()


if __name__ == "__main__":
    main()
