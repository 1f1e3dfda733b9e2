"""The fixed questions that a model is judged by: prompts, what their pictures must show, and scenes that do show it.

A hundred ask for a colour that the thing never had in training, a hundred for a count, a hundred for two things that never
met in training. No phrasing occurs in training. Nothing may be tuned on them.
"""

import random
from dataclasses import dataclass, replace

from training import scenes
from training.captions import with_article
from training.cast import Cast
from training.scenes import Scene, reserved_colour, reserved_pair
from training.words import COLOURS, NUMBERS

KINDS = ("colour", "count", "position")
OF_EACH = 100
PHRASINGS = ("could you paint {} for me", "{}, please", "here we see {}", "a lovely postcard showing {}", "{}!")
SETTINGS = ("", " on a beach", " in a meadow", " in the snow", " at night", " on a white background", " in space")
SIDES = {"left": ("to the left of", 0), "right": ("to the right of", 0), "above": ("above", 1), "below": ("below", 1)}
"""How each relation is asked for, and on which axis it is seen: x or y."""


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and what its picture must show. -1 and "" ask nothing."""

    prompt: str
    thing: int
    colour: int = -1
    count: int = 1
    relation: str = ""
    other: int = -1


def ask(cast: Cast) -> list[Question]:
    """The questions about these things, of which there must be at least eight; each prompt is asked once."""
    rng = random.Random("questions")
    found: dict[str, Question] = {}
    while len(found) < OF_EACH * len(KINDS):
        question = _maybe(rng, cast, KINDS[len(found) // OF_EACH])
        if question is not None:
            found.setdefault(question.prompt, question)
    return list(found.values())


def _maybe(rng: random.Random, cast: Cast, kind: str) -> Question | None:
    """A question of that kind, unless chance finds one that training may have answered."""
    thing, other = rng.sample(range(len(cast.things)), 2)
    name, setting, phrasing = cast.things[thing].name, rng.choice(SETTINGS), rng.choice(PHRASINGS)
    if kind == "colour":
        colour = rng.randrange(len(COLOURS))
        word = COLOURS[colour].english[0]
        if not reserved_colour(thing, colour) or f"a {word} background" in setting:
            return None
        return Question(phrasing.format(with_article(f"{word} {name}") + setting), thing, colour)
    if kind == "count":
        count = rng.choice(sorted(NUMBERS))
        many = f"{NUMBERS[count][0][0]} {cast.things[thing].many(name)}"
        return Question(phrasing.format(many + setting), thing, count=count)
    if not reserved_pair((thing, other)):
        return None
    relation = rng.choice(sorted(SIDES))
    pair = f"{with_article(name)} {SIDES[relation][0]} {with_article(cast.things[other].name)}"
    return Question(phrasing.format(pair + setting), thing, relation=relation, other=other)


def compose(question: Question, rng: random.Random, cast: Cast) -> Scene:
    """A scene that shows what the question asks for, on any background."""
    # Another thing beside the one that is asked for, since some layouts need two.
    other = question.other if question.other >= 0 else (question.thing + 1) % len(cast.things)
    indices = [question.thing, other]
    few = replace(cast, things=tuple(cast.things[index] for index in indices))
    while True:
        scene = scenes.pick_any(rng, few, cast.square)
        told = scene.story
        if (
            told.thing == few.things[0] and told.relation == question.relation and told.count == question.count
            and (question.colour < 0 or told.colour == question.colour) and not told.size
        ):  # fmt: skip
            return replace(scene, slots=tuple(replace(slot, thing=indices[slot.thing]) for slot in scene.slots))
