"""The training data of the built-in model: its things, scenes, captions and questions."""

import json
import random
import re
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from training import captions, evaluate, judge, questions, scenes
from training.cast import COARSE, FINE, Cast, cast_of
from training.recipe import RECIPES
from training.things import BY_HAND, ICONS
from training.words import SIZES

CAST = Cast(BY_HAND[:5])


def test_every_question_is_answered_by_its_own_scene() -> None:
    learned = cast_of(RECIPES["cpu"], ICONS)
    asked = questions.ask(learned)
    rng = random.Random(7)
    composed = [questions.compose(question, rng, learned) for question in asked]
    stands = judge.truth(composed, len(learned.things), torch.device("cpu"))
    things = functional.one_hot(stands.things, len(learned.things) + 1).movedim(-1, 1).float()
    colours = functional.one_hot(stands.colours, judge.OWN + 1).movedim(-1, 1).float()
    seen = judge.sum_up(things, colours, stands.begins[:, None])
    assert evaluate.score(asked, seen) == {"thing": 1, "colour": 1, "count": 1, "position": 1}
    assert len({question.prompt for question in asked}) == 300


def test_scenes_stay_inside_the_picture_and_leave_out_reserved_combinations() -> None:
    rng = random.Random(2)
    for grid in (*COARSE, *FINE):
        for _ in range(200):
            scene = scenes.pick(rng, Cast(BY_HAND), grid)
            assert captions.write(rng, scene)
            assert not scenes.reserved_pair(tuple({slot.thing for slot in scene.slots}))
            for slot in scene.slots:
                assert slot.size in scenes.SIZES_TOKENS
                assert 0 <= slot.left <= grid[0] - slot.size
                assert 0 <= slot.top <= grid[1] - slot.size
                assert not scenes.reserved_colour(slot.thing, slot.colour)


def test_things_of_ordinary_size_are_not_called_small_or_big() -> None:
    rng = random.Random(3)
    for _ in range(3000):
        scene = scenes.pick(rng, CAST, (6, 6))
        words = set(re.findall(r"[a-z]+|[很小微巨大]{2}的", captions.write(rng, scene).lower()))
        said = {word for word, names in SIZES.items() if words & {*names[0], *names[1]}}
        assert said <= {scene.story.size}


def test_training_on_the_whole_font_refuses_an_incomplete_one(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="iconify"):
        cast_of(RECIPES["gpu"], ICONS)
    font = json.loads(ICONS.read_text(encoding="utf-8"))
    names = ("polar-bear", "chair", "flag-france", "kissing-face", "anchor")
    whole = tmp_path / "icons.json"
    whole.write_text(json.dumps({"icons": {**font["icons"], **dict.fromkeys(names)}}), encoding="utf-8")
    more = cast_of(RECIPES["gpu"], whole).things[len(BY_HAND) :]
    assert [(thing.name, thing.chinese) for thing in more] == [
        ("anchor", ("锚",)), ("chair", ("椅子",)), ("polar bear", ("北极熊",)),
    ]  # fmt: skip


@pytest.mark.parametrize("grid", [*COARSE, *FINE], ids=str)
def test_small_things_are_smaller_and_big_ones_bigger_than_ordinary_ones(grid: tuple[int, int]) -> None:
    sizes = [scenes.size_alone(word, grid) for word in ("small", "", "big")]
    assert sizes == sorted(set(sizes))
