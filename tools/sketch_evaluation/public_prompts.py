"""Public prompt sets, which are not in the repository: GenEval's metadata, and plain lists of English prompts.

GenEval's lines are judged as its authors judge pictures: the classes of COCO with their counts, colours and positions,
where a position is that of the middles of the boxes. A class is what the engine's own reading makes of its name; the
report lists what that is, so that one can see whether it is right. GenEval: https://github.com/djghosh13/geneval (MIT).

Of a plain list, the share of nouns that are drawn is counted. A noun is a word for a thing: if the engine understood it
as a thing or a place, or else if its most frequent meaning in WordNet is that of an animal, artefact, food, object,
body part, person, plant, substance, place or weather. Words for the picture itself (`photo`) and for a part of it
(`top`) are none, and neither are words of one or two letters. Without WordNet every word that the engine reports as not
drawn counts as a noun, and the share is lower.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from easel.engines.sketch.composing.composer import compose
from easel.engines.sketch.composing.scene import Scene
from easel.engines.sketch.pictures.library import CROWDS, Library
from easel.engines.sketch.reading.guessing import guessed_languages
from easel.engines.sketch.reading.reader import read
from easel.engines.sketch.reading.tokens import tokens, without_quotes
from tools.sketch_evaluation.expectation import Expectation, Item
from tools.sketch_evaluation.judging import Judge
from tools.sketch_evaluation.sight import Seen

COLOURS: Final = {"red": "red", "orange": "orange", "yellow": "yellow", "green": "green", "blue": "blue",
                  "purple": "purple", "pink": "pink", "brown": "brown", "black": "black", "white": "white"}  # fmt: skip
POSITION_SLACK: Final = 0.1
"""GenEval's: boxes may overlap by a tenth of their sizes."""
POSITION_MIN: Final = 0.5
"""GenEval's: what must remain of the distance in the direction that is asked for, as a share of all of it."""
LEXICOGRAPHERS_FILES: Final = frozenset({"05", "06", "08", "13", "15", "17", "18", "19", "20", "27"})
"""WordNet's nouns of animals, artefacts, bodies, food, places, objects, persons, phenomena, plants and substances."""
NOUN: Final = "1"
NO_THINGS: Final = frozenset({
    "photo", "photos", "photograph", "photography", "picture", "painting", "drawing", "illustration", "image", "art",
    "artwork", "portrait", "sketch", "render", "screenshot", "shot", "close-up", "background", "foreground", "scene",
    "top", "bottom", "middle", "front", "back", "side", "left", "right", "center", "centre", "edge", "end", "corner", "can",
})  # fmt: skip
LETTERS_MIN: Final = 3
DRAWN_KINDS: Final = frozenset({"things", "places", "actions"})


@dataclass(slots=True)
class Tags:
    """GenEval's figures: by tag, how many scenes show all that is asked for."""

    asked: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    """The prompts of the wrong scenes."""
    classes: dict[str, str] = field(default_factory=dict)


def geneval(file: Path, judge: Judge, library: Library, seeds: list[int], sizes_px: list[tuple[int, int]]) -> Tags:
    """The figures of GenEval's `evaluation_metadata.jsonl`."""
    tags = Tags()
    for line in file.read_text(encoding="utf-8").splitlines():
        asked = json.loads(line)
        wish = read(asked["prompt"], library.emoji)
        for one in asked["include"]:
            tags.classes[one["class"]] = " ".join(sorted(_pictures(one["class"], library))) or "no picture"
        for width_px, height_px in sizes_px:
            for seed in seeds:
                scene = compose(wish, width_px, height_px, seed, library)
                is_right = _is_right(asked, scene, judge, library)
                tags.asked[asked["tag"]] += 1
                tags.right[asked["tag"]] += is_right
                if not is_right:
                    tags.wrong[asked["prompt"]] += 1
    return tags


def _is_right(asked: dict[str, Any], scene: Scene, judge: Judge, library: Library) -> bool:
    counts = any("exclude" in key for key in asked)
    items = []
    for number, one in enumerate(asked["include"]):
        count = str(one["count"]) if counts else "any"
        named = [one["class"], f"{one['color']} {one['class']}"] if "color" in one else [one["class"]]
        pictures = frozenset(picture for name in named for picture in _pictures(name, library))
        items.append(Item(str(number), pictures, count=count, colour=COLOURS.get(one.get("color", ""))))
    found = judge.seen(Expectation(tuple(items)), scene)
    if not all(verdict.is_right for verdict in judge.of_items(Expectation(tuple(items)), scene)):
        return False
    for number, one in enumerate(asked["include"]):
        position, other = one.get("position", ("", 0))
        pairs = [(own, its) for own in found[str(number)] for its in found[str(other)]]
        if position and not any(_is_at(position, own, its) for own, its in pairs):
            return False
    return True


def _is_at(position: str, subject: Seen, other: Seen) -> bool:
    """GenEval's rule: the direction between the middles, less a tenth of the boxes' sizes."""
    apart = math.hypot(subject.x - other.x, subject.y - other.y)
    if apart == 0:
        return False
    across = _beyond(subject.x - other.x, subject.width + other.width) / apart
    down = _beyond(subject.y - other.y, subject.height + other.height) / apart
    sides = {"left of": -across, "right of": across, "above": -down, "below": down}
    return sides[position] > POSITION_MIN


def _beyond(distance: float, sizes: float) -> float:
    return max(abs(distance) - POSITION_SLACK * sizes, 0.0) * (1 if distance > 0 else -1)


def _pictures(name: str, library: Library) -> set[str]:
    wish = read(f"a photo of a {name}", library.emoji)
    found = {thing.picture for thing in wish.things if library.has(thing.picture) or thing.picture in CROWDS}
    return found | set(CROWDS) if "person" in found else found


@dataclass(slots=True)
class Nouns:
    """The figures of a plain list."""

    prompts: int = 0
    drawn: int = 0
    not_drawn: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """The nouns that are drawn, in %."""
        total = self.drawn + sum(self.not_drawn.values())
        return 100 * self.drawn / total if total else 100.0


def nouns(file: Path, library: Library, wordnet: Path | None) -> Nouns:
    """The figures of a file with a prompt on each line."""
    senses = dict(_senses(wordnet / "index.sense")) if wordnet is not None else None
    found = Nouns()
    for prompt in filter(None, map(str.strip, file.read_text(encoding="utf-8").splitlines())):
        found.prompts += 1
        text, _ = without_quotes(prompt)
        scene = compose(read(prompt, library.emoji), 512, 512, 1, library)
        left = list(scene.not_drawn)
        for token in tokens(text, guessed_languages(text), library.emoji):
            if token.is_boundary:
                continue
            kinds = {meaning.kind for meaning in token.meanings}
            if token.text in left:
                _count_words(token.text, senses, found)
            elif kinds & DRAWN_KINDS:
                found.drawn += 1
            elif kinds <= {"ignored"} and senses is not None:
                _count_words(token.text, senses, found)
    return found


def _count_words(text: str, senses: dict[str, bool] | None, found: Nouns) -> None:
    for word in text.casefold().split():
        is_noun = senses is None or any(senses.get(form, False) for form in _forms(word))
        if is_noun and len(word) >= LETTERS_MIN and word not in NO_THINGS:
            found.not_drawn[word] += 1


def _forms(word: str) -> Iterator[str]:
    yield word
    for ending, instead in (("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")) if len(word) > LETTERS_MIN else ():
        if word.endswith(ending):
            yield word.removesuffix(ending) + instead


def _senses(file: Path) -> Iterator[tuple[str, bool]]:
    """For each word whether its most frequent meaning is a noun for a thing."""
    best: dict[str, tuple[int, int, bool]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        key, _, number, tags = line.split(" ")
        word, _, rest = key.partition("%")
        kind, lexicographers_file, *_ = rest.split(":")
        is_thing = kind == NOUN and lexicographers_file in LEXICOGRAPHERS_FILES
        rank = (int(tags), -int(number), is_thing)
        best[word] = max(best.get(word, rank), rank)
    yield from ((word, rank[2]) for word, rank in best.items())
