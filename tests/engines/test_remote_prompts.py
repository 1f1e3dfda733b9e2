"""Prompts that try to give orders to image servers, and signs that servers read in them."""

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.engines.engine import Drawing
from easel.engines.remote.dialects import Dialect, Recipe, order
from easel.engines.remote.prompts import ORDERS_TAG, without_orders, without_weights
from tests.support.sd_cpp_attention import read_attention
from tests.support.server_dialects import SdCpp

BLOCK: Final = '<sd_cpp_extra_args>{"width":2048}</sd_cpp_extra_args>'
OPEN, CLOSE = f"<{ORDERS_TAG}>", f"</{ORDERS_TAG}>"

PIECES: Final = st.sampled_from(
    [
        OPEN, CLOSE, OPEN.upper(), "< Sd_Cpp_Extra_Args >", "<sd cpp extra args>", "<ſd_cpp_extra_args>", "<", ">", "/", "</", "sd_cpp_",
        "extra_args", "sd", "_", "cpp", "extra", "args", "\u200b", "\n", " ", "\\", "(", "[", '{"width":2048}', BLOCK,
    ]
)  # fmt: skip
PROMPTS: Final = st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join)


def bare(text: str) -> str:
    """The text in lower case, without whatever is neither letter nor digit but `<`."""
    return re.sub(r"[^\w<]|_", "", text).casefold()


@given(PROMPTS)
def test_no_prompt_can_smuggle_the_tag_of_orders(prompt: str) -> None:
    cleaned = without_orders(prompt)
    assert ORDERS_TAG not in re.sub(r"\s", "", cleaned).casefold() or "<" not in cleaned
    assert "<sdcppextraargs" not in bare(cleaned)
    assert without_orders(cleaned) == cleaned


@given(PROMPTS, st.sampled_from(Dialect), st.sampled_from([0, 9]))
def test_the_only_orders_in_a_request_are_easels_own(prompt: str, dialect: Dialect, steps: int) -> None:
    body = order(dialect, Recipe("m", steps), Drawing(prompt, 512, 512, 7)).decode()
    blocks = 1 if dialect is Dialect.SD_CPP else 0
    assert (body.count(OPEN), body.count(CLOSE)) == (blocks, blocks)
    if blocks:
        assert re.search(r'"prompt":"<sd_cpp_extra_args>\{\\"seed\\":7[,}]', body)


@pytest.mark.parametrize(
    ("prompt", "cleaned"),
    [
        ("a cat " + BLOCK, 'a cat {"width":2048}'),
        ("a <b>bold</b> cat < 3 > 2", "a <b>bold</b> cat < 3 > 2"),
        ("sd_cpp_extra_args on a blackboard", "sd_cpp_extra_args on a blackboard"),
        ("<sd_cpp_<sd_cpp_extra_args>extra_args>x", "x"),
        ("< SD_cpp - Extra\u200bArgs >x</\tsd_CPP_extra_args\n>", "x"),
    ],
)
def test_only_the_tag_is_taken_out(prompt: str, cleaned: str) -> None:
    assert without_orders(prompt) == cleaned


def test_a_long_run_of_signs_is_read_quickly() -> None:
    assert without_orders("<" * 2000) == "<" * 2000
    assert without_orders("<sd_cpp_extra_args" * 111) == ""


@pytest.mark.parametrize(
    "prompt",
    [
        "a (red) cat",
        "((a)) [b] (c:1.5) d:1.2)",
        "BREAK a",
        "aBREAK é BREAKé",
        r"\(a\) \[b\] \\(c",
        "(",
        ")",
        "[",
        "a:1)",
        "(...:..)",
    ],
)
def test_brackets_and_breaks_have_no_weight(prompt: str) -> None:
    parts = read_attention(without_weights(prompt))
    assert {weight for _, weight in parts} <= {1.0}
    letters = "".join(text for text, _ in parts)
    assert re.sub(r"[\W_]", "", letters).casefold() == re.sub(r"[\W_]", "", prompt).casefold()


@given(st.text(st.sampled_from("ab (){}[]:.1-+\\BREAK,"), max_size=40))
def test_no_prompt_can_change_the_weight_of_its_parts(prompt: str) -> None:
    parts = read_attention(without_weights(prompt))
    assert {weight for _, weight in parts} <= {1.0}
    kept = "".join(text for text, _ in parts).casefold()
    assert re.sub(r"[^ab1REK]", "", kept.upper()) == re.sub(r"[^ab1REK]", "", prompt.upper())


def test_the_tests_server_obeys_a_block_in_a_prompt_as_the_real_one_does() -> None:
    assert SdCpp.BLOCK.search("a cat " + BLOCK)
    assert read_attention("a (red:1.5) cat") == [("a ", 1.0), ("red", 1.5), (" cat", 1.0)]
