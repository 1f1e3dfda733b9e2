"""Judges the exported model by 300 fixed prompts, drawn by the engine that ships: `make eval-nano`.

The prompts name combinations of thing and colour, and pairs of things, that training left out, in phrasings of their
own. The answer is a table and a contact sheet. Nothing may be tuned on these prompts.
"""

import argparse
import random
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image

from easel.engines.engine import Drawing
from easel.engines.nano import MODEL, Nano
from training import atlas, judge
from training.cast import cast
from training.recipe import RECIPES
from training.scenes import reserved_colour, reserved_pair
from training.things import BY_HAND, ICONS, Thing
from training.words import COLOURS, NUMBERS

PROMPTS = 300
JUDGE_SAMPLES = 12_000
PHRASINGS = ("{}", "could you paint {} for me", "{}, please", "here we see {}", "a lovely postcard showing {}", "{}!")
SETTINGS = ("", " on a beach", " in a meadow", " in the snow", " at night", " on a white background", " in space")
SIDES = {"left": ("to the left of", 0), "right": ("to the right of", 0), "above": ("above", 1), "below": ("below", 1)}


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and what its picture must show. -1 and "" ask nothing."""

    prompt: str
    thing: int
    colour: int = -1
    count: int = 1
    relation: str = ""
    other: int = -1


def questions(things: tuple[Thing, ...]) -> list[Question]:
    """The fixed prompts about these things: a hundred of colour, a hundred of count, a hundred of position."""
    rng = random.Random("questions")
    found: list[Question] = []
    while len(found) < PROMPTS:
        thing, other = rng.sample(range(len(things)), 2)
        ask = ("colour", "count", "position")[len(found) * 3 // PROMPTS]
        setting = rng.choice(SETTINGS)
        name = things[thing].name
        if ask == "colour":
            colour = rng.randrange(len(COLOURS))
            if reserved_colour(thing, colour) and not ("white" in setting and COLOURS[colour].english[0] == "white"):
                noun = f"a {COLOURS[colour].english[0]} {name}{setting}"
                found.append(Question(rng.choice(PHRASINGS).format(noun), thing, colour))
        elif ask == "count":
            count = rng.randint(2, 4)
            noun = f"{NUMBERS[count][0][0]} {things[thing].many(name)}{setting}"
            found.append(Question(rng.choice(PHRASINGS).format(noun), thing, count=count))
        elif reserved_pair((thing, other)):
            relation = rng.choice(sorted(SIDES))
            noun = f"a {name} {SIDES[relation][0]} a {things[other].name}{setting}"
            found.append(Question(rng.choice(PHRASINGS).format(noun), thing, relation=relation, other=other))
    return found


def score(asked: list[Question], seen: judge.Seen) -> dict[str, float]:
    """The share of right answers to each kind of question."""
    right: dict[str, list[bool]] = {"thing": [], "colour": [], "count": [], "position": []}
    for index, question in enumerate(asked):
        present = seen.present[index]
        right["thing"].append(bool(present[question.thing]))
        if question.colour >= 0:
            right["colour"].append(int(seen.colours[index, question.thing]) == question.colour)
        if question.count > 1:
            right["count"].append(int(seen.counts[index]) == question.count)
        if question.relation:
            right["thing"].append(bool(present[question.other]))
            axis = SIDES[question.relation][1]
            apart = float(seen.centres[index, question.other, axis] - seen.centres[index, question.thing, axis])
            before = apart > 0.1 if question.relation in ("left", "above") else apart < -0.1
            right["position"].append(before and bool(present[question.thing]) and bool(present[question.other]))
    return {name: sum(answers) / len(answers) for name, answers in right.items()}


def draw(nano: Nano, asked: list[Question], side_px: int, sheet: Path) -> torch.Tensor:
    """All pictures at the judge's size; every third is put on the contact sheet."""
    pictures, shown = [], []
    for index, question in enumerate(asked):
        pixels = nano.draw(Drawing(question.prompt, 512, 512, index + 1), lambda done, total: None)
        picture = Image.frombytes("RGB", (512, 512), pixels.rgb)
        pictures.append(
            torch.frombuffer(
                bytearray(picture.resize((side_px, side_px), Image.Resampling.BOX).tobytes()), dtype=torch.uint8
            )
        )
        if index % 3 == 0:
            shown.append(picture.resize((128, 128), Image.Resampling.LANCZOS))
    whole = Image.new("RGB", (10 * 128, -(-len(shown) // 10) * 128))
    for index, picture in enumerate(shown):
        whole.paste(picture, (index % 10 * 128, index // 10 * 128))
    whole.save(sheet)
    return torch.stack(pictures).view(-1, side_px, side_px, 3).permute(0, 3, 1, 2).float() / 255


def main() -> None:
    """Evaluate as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--icons", type=Path, default=ICONS)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--folder", type=Path, default=Path("runs/eval"))
    parser.add_argument("--scale", choices=sorted(RECIPES), default="cpu", help="how the model was trained")
    parser.add_argument("--judge-samples", type=int, default=JUDGE_SAMPLES)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    whole = cast(RECIPES[options.scale], options.icons)
    things = whole.things[: len(BY_HAND)]
    asked_of = replace(whole, things=things)
    plain = atlas.make(options.icons, things, judge.TOKEN_PX, options.folder.parent / "atlases").to(device)
    looker = judge.train(asked_of, plain, options.folder / "judge.pt", options.judge_samples, device)
    trust = judge.check(looker, asked_of, plain, device)
    nano = Nano(options.model)
    nano.load()
    asked = questions(things)
    pictures = draw(nano, asked, asked_of.square[0] * judge.TOKEN_PX, options.folder / "contact.png").to(device)
    found = score(asked, judge.look(looker, pictures))
    lines = ["| asked for | right | the judge on composed scenes |", "|---|---|---|"]
    lines += [f"| {name} | {found[name]:.1%} | {trust[name]:.1%} |" for name in found]
    (options.folder / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
