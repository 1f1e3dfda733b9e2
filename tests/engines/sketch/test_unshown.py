"""What is understood but never shown is told."""

import pytest

from easel.engines.sketch.pictures.library import Library
from easel.engines.sketch.reading.reader import read
from easel.engines.sketch.words.lexicon import LANGUAGES, language


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("a boy hugging a dog", "hugging"),
        ("a striped cat", "striped"),
        ("a crying child", "crying"),
        ("ein Hund jagt eine Katze", "jagt"),
        ("un chien poursuit un chat", "poursuit"),
        ("犬が猫を追いかける", "を追いかける"),
    ],
)
def test_a_deed_or_look_that_no_picture_shows_is_told(prompt: str, told: str, library: Library) -> None:
    assert read(prompt, library.emoji).not_understood == (told,)


@pytest.mark.parametrize(
    "prompt", ["a dancing bear", "a man sleeping on a bench", "a cat looking at a fish", "a cat and a dog"]
)
def test_what_is_shown_is_not_told(prompt: str, library: Library) -> None:
    assert read(prompt, library.emoji).not_understood == ()


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_such_word_has_a_meaning_for_reading(code: str) -> None:
    unshown = {word for word, meanings in language(code).own.items() if meanings[-1].kind == "unshown"}
    assert len(unshown) >= 30
    assert {word for word in unshown if len(language(code).own[word]) == 1} == set()
