"""The pure rules of the OpenAI route: parsing orders, and how long a client may wait for its answer."""

import contextlib
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from easel.domain import openai_order, order
from easel.domain.errors import InvalidRequest, ModelNotFound, OrderFailed
from easel.domain.task import ErrorCode
from easel.web.openai import attendance as openai_attendance

JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
FIELDS: Final = (
    "model",
    "prompt",
    "size",
    "n",
    "seed",
    "output_format",
    "response_format",
    "stream",
    "quality",
    "user",
)
PROMPTS: Final = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=1999).map(
    "a{}".format
)
ORDERS: Final = st.fixed_dictionaries(
    {"prompt": PROMPTS},
    optional={
        "model": st.none() | st.sampled_from(["z-image-turbo", "dall-e-3"]),
        "n": st.none() | st.integers(1, openai_order.PICTURES_MAX),
        "size": st.none() | st.just("auto") | st.builds("{}x{}".format, st.integers(376, 1536), st.integers(376, 1536)),
        "seed": st.none() | st.integers(order.SEED_MIN, order.SEED_MAX),
        "output_format": st.none() | st.sampled_from(order.OUTPUT_FORMATS),
        "response_format": st.none() | st.sampled_from(openai_order.RESPONSE_FORMATS),
        "stream": st.none() | st.booleans(),
        "quality": JSON,
        "user": JSON,
        "callback_url": JSON,
    },
)


@given(JSON | st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_json_is_parsed_or_refused_with_a_message(fields: object) -> None:
    with contextlib.suppress(InvalidRequest, ModelNotFound):
        assert openai_order.parse(fields).model in order.MODELS


@given(ORDERS)
def test_a_valid_order_becomes_n_orders_that_differ_only_in_their_seeds(fields: dict[str, Any]) -> None:
    parsed = openai_order.parse(fields, {"dall-e-3"})
    orders = parsed.orders
    assert len(orders) == (fields.get("n") or 1)
    response_format, is_streamed = fields.get("response_format"), fields.get("stream") is True
    assert parsed.response_format == response_format
    assert parsed.is_streamed == is_streamed
    assert parsed.has_files == (is_streamed or response_format != "url")
    assert parsed.has_links == (not is_streamed and response_format != "b64_json")
    assert {(each.model, each.prompt, each.callback_url) for each in orders} == {
        ("z-image-turbo", fields["prompt"], None)
    }
    size = fields.get("size")
    wanted = "1024x1024" if size in {None, "auto"} else size
    assert {f"{each.width_px}x{each.height_px}" for each in orders} == {wanted}
    assert {each.output_format for each in orders} == {fields.get("output_format") or "png"}
    seeds = {each.seed for each in orders}
    if fields.get("seed") is None:
        assert seeds == {None}
    else:
        assert orders[0].seed == fields["seed"]
        assert len(seeds) == len(orders)
        assert all(order.SEED_MIN <= (seed or 0) <= order.SEED_MAX for seed in seeds)


@pytest.mark.parametrize("code", ErrorCode)
def test_every_error_code_is_a_client_or_a_server_error(code: ErrorCode) -> None:
    refusal = OrderFailed(code, "It failed")
    assert refusal.status in {400, 404, 500, 503, 504}
    assert (refusal.generation.code, refusal.generation.message) == (code, "It failed")
    assert refusal.generation.type == ("api_error" if refusal.status >= 500 else "invalid_request_error")
    assert (refusal.retry_after_s is not None) == (refusal.status == 503)


@pytest.mark.parametrize(
    ("sent", "wait_s"),
    [
        ({}, 590),
        ({"x-stainless-read-timeout": "600"}, 590),
        ({"x-stainless-read-timeout": "600.0"}, 590),
        ({"x-stainless-timeout": "60"}, 50),
        ({"x-stainless-read-timeout": "30"}, 24),
        ({"x-stainless-read-timeout": "0.5"}, 0.4),
        ({"x-stainless-read-timeout": "1800"}, 1790),
        ({"x-stainless-read-timeout": "1e9"}, 3600),
        ({"x-stainless-runtime": "node"}, 290),
        ({"x-stainless-runtime": "node", "x-stainless-timeout": "900"}, 890),
        ({"x-stainless-runtime": "deno"}, 590),
        ({"x-stainless-read-timeout": "None", "x-stainless-timeout": "20"}, 16),
        *(({"x-stainless-read-timeout": odd}, 590) for odd in ("", "0", "-5", "nan", "inf", "soon", "1 0")),
    ],
)
def test_the_answer_comes_shortly_before_the_client_gives_up(sent: dict[str, str], wait_s: float) -> None:
    headers = [(name.encode(), value.encode()) for name, value in sent.items()]
    assert openai_attendance.wait_s(Request({"type": "http", "headers": headers})) == pytest.approx(wait_s)
