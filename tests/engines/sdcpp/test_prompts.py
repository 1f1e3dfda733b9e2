"""Prompts reach stable-diffusion.cpp as plain text, whatever signs of AUTOMATIC1111's WebUI are in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.engines.sdcpp.prompts import escaped, first_tokens, plain, tokens_in_log
from tests.support.sd_cpp_attention import read_attention

PIECES = st.sampled_from(
    ["(", ")", "[", "]", "\\", ":", "1.5", ":1.5)", ":-.3)", "BREAK", "B", "REAK", "a", " ", "é", "(:1)", "\n"]
)
PROMPTS = st.lists(PIECES | st.text(max_size=4), max_size=14).map("".join)


def read(prompt: str) -> str:
    """The text that the library makes of a prompt, all of which must count the same."""
    parts = read_attention(escaped(plain(prompt)))
    assert {weight for _text, weight in parts} <= {1.0}
    return "".join(text for text, _weight in parts)


@given(PROMPTS)
def test_no_prompt_changes_how_much_words_count(prompt: str) -> None:
    assert read(prompt).replace("\\", "") == plain(prompt).replace("\\", "")


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("a (red:1.5) [old] car :1.5) BREAK a road", "a (red:1.5) (old) car :1.5) BREAK a road"),
        ("unBREAKABLE:2)", "unBREAKABLE:2)"),
        (r"a \(b\) \\(c)", r"a (b\) \\(c)"),
        ("e\u0301t\0e\u0301", "\u00e9t\u00e9"),
        ("", ""),
    ],
)
def test_a_prompt_is_read_as_it_is_written(prompt: str, text: str) -> None:
    assert read(prompt) == text


def test_tokens_are_read_from_the_librarys_log() -> None:
    line = '[DEBUG] split prompt "say "hi" to 3 tokens [" to 4 tokens ["say", "Ġ"", "hi", "æĺ¯", ]\n'
    assert tokens_in_log(line) == ["say", 'Ġ"', "hi", "æĺ¯"]
    assert tokens_in_log("sampling completed, taking 1.00s") is None
    assert tokens_in_log('split prompt "a" to 2 tokens ["a", ]') is None


def test_the_first_tokens_are_text_without_half_characters() -> None:
    tokens = ["say", "Ġ", "æĺ", "¯"]  # the last two are one Chinese character
    assert [first_tokens(tokens, count) for count in range(5)] == ["", "say", "say ", "say ", "say 是"]
