"""Evaluates the exported model on 300 fixed prompts, drawn by the engine that ships: `make eval-nano`.

The result is a table and a contact sheet. The table also has the judge's own figures, on composed scenes that show exactly
what the same questions ask for. The model's figures cannot be more reliable than those.
"""

import argparse
import random
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from easel.engines.engine import Drawing
from easel.engines.nano.engine import MODEL, Nano
from training import atlas, composer, judge, questions
from training.atlas import Atlas
from training.cast import Cast, cast_of
from training.questions import KINDS, SIDES, Question
from training.recipe import RECIPES
from training.sheets import sheet
from training.things import BY_HAND, ICONS

JUDGE_SAMPLES = 12_000
DRAWN_PX = 512
APART_MIN = 0.1
"""How far two things' centres must be apart for one to be beside the other, as a share of the picture."""
SHEET_EVERY, SHEET_COLUMNS = 3, 10
"""How many pictures there are to each one of the contact sheet, and how many stand in its row."""


def score(asked: list[Question], seen: judge.Seen) -> dict[str, float]:
    """The share of right answers per kind of question. If the thing is missing, every answer about it is wrong."""
    right: dict[str, list[bool]] = {"thing": [], **{kind: [] for kind in KINDS}}
    for index, question in enumerate(asked):
        is_there = bool(seen.present[index, question.thing])
        right["thing"].append(is_there)
        if question.colour >= 0:
            right["colour"].append(is_there and int(seen.colours[index, question.thing]) == question.colour)
        if question.count > 1:
            right["count"].append(is_there and int(seen.counts[index]) == question.count)
        if question.relation:
            is_other_there = bool(seen.present[index, question.other])
            right["thing"].append(is_other_there)
            axis = SIDES[question.relation][1]
            apart = float(seen.centres[index, question.other, axis] - seen.centres[index, question.thing, axis])
            is_so = apart > APART_MIN if question.relation in ("left", "above") else apart < -APART_MIN
            right["position"].append(is_so and is_there and is_other_there)
    return {name: sum(answers) / len(answers) for name, answers in right.items()}


def composed(asked: list[Question], cast: Cast, plain: Atlas, device: torch.device) -> Tensor:
    """A composed picture for each question, as the judge takes them."""
    rng = random.Random("composed")
    answers = [questions.compose(question, rng, cast) for question in asked]
    return composer.compose(composer.lay_out(answers, device), plain, cast.square)


def draw(nano: Nano, asked: list[Question], side_px: int) -> Tensor:
    """All drawn pictures, as the judge takes them: batch x 3 x side x side, from 0 to 1."""
    pictures = []
    for seed, question in enumerate(asked, start=1):
        pixels = nano.draw(Drawing(question.prompt, DRAWN_PX, DRAWN_PX, seed), lambda done, total: None)
        picture = Image.frombytes("RGB", (DRAWN_PX, DRAWN_PX), pixels.rgb)
        reduced = picture.resize((side_px, side_px), Image.Resampling.BOX)
        pictures.append(torch.frombuffer(bytearray(reduced.tobytes()), dtype=torch.uint8))
    return torch.stack(pictures).view(-1, side_px, side_px, 3).permute(0, 3, 1, 2).float() / 255


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--icons", type=Path, default=ICONS)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--folder", type=Path, default=Path("runs/eval"))
    parser.add_argument("--scale", choices=sorted(RECIPES), default="cpu", help="how the model was trained")
    parser.add_argument("--judge-samples", type=int, default=JUDGE_SAMPLES)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    learned = cast_of(RECIPES[options.scale], options.icons)
    cast = replace(learned, things=learned.things[: len(BY_HAND)])
    plain = atlas.make(options.icons, cast.things, judge.TOKEN_PX, options.folder).to(device)
    looker = judge.train(cast, plain, options.folder, options.judge_samples, device)
    asked = questions.ask(cast)
    trust = score(asked, judge.look(looker, composed(asked, cast, plain, device)))
    nano = Nano(options.model)
    nano.load()
    side_px = cast.square[0] * judge.TOKEN_PX
    pictures = draw(nano, asked, side_px).to(device)
    sheet(pictures[::SHEET_EVERY], SHEET_COLUMNS, options.folder / "contact.png")
    found = score(asked, judge.look(looker, pictures))
    lines = ["| asked for | right, as the judge says | what it says of composed scenes |", "|---|---|---|"]
    lines += [f"| {name} | {found[name]:.1%} | {trust[name]:.1%} |" for name in found]
    (options.folder / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
