"""The tables of words are sound in every language."""

import pytest

from easel.engines.sketch.backgrounds import background
from easel.engines.sketch.composing.posing import POSES
from easel.engines.sketch.painting.colour import NAMED
from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.wish import AMOUNTS
from easel.engines.sketch.reading.young import LIKE
from easel.engines.sketch.styles import style
from easel.engines.sketch.words.lexicon import LANGUAGES, language
from easel.engines.sketch.words.spelling import normal

RELATIONS = {
    "on", "under", "above", "behind", "in-front", "left", "right", "at-left", "at-right", "next", "with", "and", "between",
    "holding", "riding", "wearing", "inside", "looking", "aloft", "flying-over",
    "looking-out", "topped",
}  # fmt: skip
OF_KIND = {
    "poses": POSES, "views": {"portrait"},
    "colours": set(NAMED), "materials": set(NAMED), "sizes": {"big", "small"}, "relations": RELATIONS, "verbs": RELATIONS,
    "times": {"dawn", "day", "sunset", "night"}, "weathers": {"rain", "snowfall", "fog", "storm", "cloudy", "clear"},
    "seasons": {"autumn", "winter", "spring", "summer"}, "grounds": {"background"}, "ignored": {""}, "unshown": {""},
    "looks": {"hair", "curly-hair", "red-hair", "blonde-hair", "white-hair", "bald", "beard", "part", "limb"},
    "styles": set(style.names()),
}  # fmt: skip


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_name_in_a_table_can_be_drawn(code: str, library: Library) -> None:
    wrong = set()
    for word, meanings in language(code).own.items():
        for meaning in meanings:
            match meaning.kind:
                case "things":
                    is_right = library.has(meaning.name.partition("*")[0])
                case "actions" | "trades":
                    *people, relation, thing = meaning.name.split()
                    assert all(map(library.has, people)), (word, people)
                    is_right = relation in RELATIONS | {"beside"} and library.has(thing)
                case "young":
                    whose, picture = meaning.name.split()
                    is_right = whose in LIKE and library.has(picture)
                case "counts":
                    is_right = meaning.name in AMOUNTS or 1 <= int(meaning.name) <= 24
                case "places":
                    place, _, colour = meaning.name.partition("*")
                    is_right = background.has(place) and colour in {"", *NAMED}
                case kind:
                    is_right = meaning.name in OF_KIND[kind]
            if not is_right:
                wrong.add((word, meaning.kind, meaning.name))
    assert wrong == set()


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_word_of_unicode_leads_to_a_picture(code: str, library: Library) -> None:
    assert len(language(code).unicode) > 1000
    assert {name for name in language(code).unicode.values() if not library.has(name)} == set()


def test_plurals_and_cases_are_understood() -> None:
    assert language("en").meanings("foxes")[0].name == "fox"
    assert language("en").meanings("foxes")[0].is_plural
    assert language("ru").meanings("собаку")[0].name == "dog"
    assert language("tr").meanings("kedinin")[0].name == "cat"
    assert language("ko").meanings("고양이가")[0].name == "cat"


def test_words_are_compared_without_regard_to_case_and_width() -> None:
    assert normal("  ＣＡＴ  Ёж ") == "cat еж"


def test_there_are_at_least_twenty_five_places() -> None:
    assert len(set(background.names())) >= 25
