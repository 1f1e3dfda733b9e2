"""Texts on signs are outlines, in the scripts of all fifteen languages."""

import pytest

from easel.engines.sketch.painting.lettering import can_write, written
from easel.engines.sketch.painting.scripts import JOINER, shapes


@pytest.mark.parametrize(
    "text",
    ["OPEN 24/7", "Café Übermut", "Bánh mì Đà Nẵng", "ДОБРО ПОЖАЛОВАТЬ", "营业中", "本日休業", "ラーメン", "안녕하세요",
     "أهلاً وسهلاً", "مقهى السلام 24", "स्वागत है", "चाय की दुकान"],
)  # fmt: skip
def test_ordinary_signs_of_every_language_can_be_written(text: str) -> None:
    assert can_write(text)
    assert written(text, 100, 50, 120, 40, "#000000").count("<path") >= len(text.split())


@pytest.mark.parametrize("text", ["", "  ", "Ελλάδα", "สวัสดี", "👋", "a\u0000b", "\u0644\u2028"])
def test_other_texts_are_not_written(text: str) -> None:
    assert not can_write(text)


def test_arabic_letters_are_joined_and_run_from_right_to_left() -> None:
    assert shapes("بيت") == [f"{JOINER}ت", f"{JOINER}ي{JOINER}", f"ب{JOINER}"]
    assert shapes("دار") == ["ر", "ا", "د"]
    assert shapes("سلام") == ["م", f"{JOINER}لا", f"س{JOINER}"]


def test_numbers_and_latin_words_in_arabic_run_to_the_right() -> None:
    assert "".join(shapes("قهوة 24")).startswith("24 ")
    assert "".join(shapes("مقهى NIL")).startswith("NIL ")


def test_vowel_marks_of_arabic_are_left_out() -> None:
    assert shapes("بَيْت") == shapes("بيت")


def test_a_syllable_of_devanagari_is_one_shape() -> None:
    assert shapes("हिन्दी") == ["हि", "न्दी"]


def test_chinese_is_broken_between_any_characters() -> None:
    lines = written("欢迎光临我们的咖啡馆", 0, 0, 28, 12.4, "#000000").count("<g ")
    assert lines == 2


def test_no_markup_of_a_text_gets_into_the_picture() -> None:
    painted = written('<b id="x">&', 0, 0, 28, 12, "#000000")
    assert "<b" not in painted
    assert "&" not in painted
