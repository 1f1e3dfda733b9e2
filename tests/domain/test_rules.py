"""The pure rules: orders, task ids and states, links, keys, estimates. Properties first, then tables."""

import contextlib
import inspect
import re
import string
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools.api_page import document as openapi

from easel.domain import api_key, link, order, picture, task
from easel.domain.api_key import Holder, Scope
from easel.domain.errors import InvalidRequest, ModelAccessDenied
from easel.domain.secret import Secret
from easel.domain.task import ENDS, LEGAL_MOVES, ErrorCode, Status
from easel.store import endings, tasks
from easel.web import answers, requests

JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
FIELDS: Final = ("model", "prompt", "size", "seed", "nsfw_check", "callback_url", "output_format")
SECRETS: Final = st.binary(min_size=1, max_size=40)
SECONDS: Final = st.integers(0, 10**12 - 1)
IDS: Final = st.builds(task.new_id, SECONDS, st.integers(0, task.ID_SUFFIXES - 1))

PROMPTS: Final = st.builds(
    "{}{}".format,
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=1999),
    st.characters(categories=["L", "N", "P", "S"], exclude_characters="\u115f\u1160\u2800\u3164\uffa0"),
)
ORDERS: Final = st.fixed_dictionaries(
    {"model": st.just("z-image-turbo"), "prompt": PROMPTS},
    optional={
        "size": st.none()
        | st.sampled_from(sorted(order.RATIOS_PX))
        | st.builds("{}x{}".format, st.integers(376, 1536), st.integers(376, 1536)),
        "seed": st.none() | st.integers(order.SEED_MIN, order.SEED_MAX),
        "nsfw_check": st.none() | st.booleans(),
        "callback_url": st.none() | st.just("https://hooks.your-domain.com/done"),
        "output_format": st.none() | st.sampled_from(order.OUTPUT_FORMATS),
        "other": JSON,
    },
)


@given(JSON | st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_json_is_parsed_or_refused_with_a_message(fields: object) -> None:
    with contextlib.suppress(InvalidRequest, ModelAccessDenied):
        parsed = order.parse_order(fields)
        assert parsed.model in order.MODELS


@given(ORDERS)
def test_a_valid_order_is_parsed_unchanged(fields: dict[str, Any]) -> None:
    parsed = order.parse_order(fields)
    assert parsed.prompt == fields["prompt"]
    assert parsed.seed == fields.get("seed")
    assert parsed.nsfw_check == bool(fields.get("nsfw_check"))
    assert parsed.callback_url == fields.get("callback_url")
    assert parsed.output_format == (fields.get("output_format") or "webp")
    size = fields.get("size") or "1:1"
    assert size in (f"{parsed.width_px}x{parsed.height_px}", *order.RATIOS_PX)
    assert min(parsed.width_px, parsed.height_px) >= order.SIDE_PX_MIN
    assert max(parsed.width_px, parsed.height_px) <= order.SIDE_PX_MAX


@given(ORDERS, st.sampled_from(FIELDS), JSON)
def test_a_refusal_names_the_wrong_field_without_repeating_its_value(
    fields: dict[str, Any], field: str, value: object
) -> None:
    marked = {**fields, field: [value, "quokka"]}
    with pytest.raises(InvalidRequest) as refused:
        order.parse_order(marked)
    assert refused.value.param == field
    assert str(refused.value).startswith(f"{field} ")
    assert "quokka" not in str(refused.value)


@pytest.mark.parametrize("value", [None, 5, True, "z", [], [{}], 1.5])
def test_json_that_is_not_an_object_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequest, match="must be a JSON object"):
        order.parse_order(value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", ""), ("prompt", ""), ("prompt", "x" * 2001), ("prompt", "a\0b"), ("prompt", "\ud800"), ("size", "5:4"),
        ("size", "1024X768"), ("size", "375x1024"), ("size", "1024x1537"), ("seed", 0), ("seed", 2**31), ("seed", True),
        ("seed", 1.0), ("nsfw_check", 1), ("callback_url", "http://your-domain.com/"), ("output_format", "jpg"),
    ],
)  # fmt: skip
def test_an_out_of_range_value_is_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        order.parse_order({"model": "z-image-turbo", "prompt": "a cute cat", field: value})
    assert refused.value.param == field


def test_an_unknown_model_is_not_an_invalid_request() -> None:
    with pytest.raises(ModelAccessDenied):
        order.parse_order({"model": "another", "prompt": "a cute cat"})


@given(st.text())
def test_a_text_is_storable_if_it_encodes_as_utf_8_without_nul(text: str) -> None:
    encoded = text.encode("utf-8", "replace").decode()
    assert order.is_storable(text) == (encoded == text and "\0" not in text)


def test_lone_surrogates_and_nul_are_not_storable() -> None:
    assert [order.is_storable(text) for text in ("\ud800", "\udfff", "\0", "\ud7ff\ue000")] == [False] * 3 + [True]


@given(st.binary(max_size=300))
def test_bytes_that_are_not_json_are_an_invalid_request(body: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        requests.decode(body)


@given(JSON)
def test_encoded_json_is_compact_and_sorted_and_decodes_to_the_same_value(value: object) -> None:
    with contextlib.suppress(UnicodeEncodeError):
        encoded = answers.encode(value)
        assert answers.encode(requests.decode(encoded)) == encoded


@given(SECONDS, st.integers(0, task.ID_SUFFIXES - 1))
def test_a_task_id_is_well_formed_and_contains_its_creation_second(created_s: int, number: int) -> None:
    made = task.new_id(created_s, number)
    assert task.is_id(made)
    assert task.has_id_prefix(made)
    assert made.split("-")[2] == str(created_s)


@given(SECONDS, st.integers(0, task.ID_SUFFIXES - 1), st.integers(0, task.ID_SUFFIXES - 1))
def test_different_numbers_give_different_ids(created_s: int, first: int, second: int) -> None:
    assert (task.new_id(created_s, first) == task.new_id(created_s, second)) == (first == second)


@given(st.text() | IDS.map(str.upper) | IDS.map(lambda made: made + "\n") | IDS.map(lambda made: made[:-1]))
def test_other_texts_are_not_task_ids(text: str) -> None:
    pattern = openapi.document()["components"]["schemas"]["TaskId"]["pattern"]
    assert task.is_id(text) == (re.search(pattern.replace("$", r"\Z"), text) is not None)
    assert not task.is_id(text)


@pytest.mark.parametrize("number", [-1, task.ID_SUFFIXES])
def test_a_number_too_large_for_an_id_is_a_bug(number: int) -> None:
    with pytest.raises(AssertionError):
        task.new_id(0, number)


def test_every_state_is_reachable_and_only_final_states_have_no_successor() -> None:
    assert set(LEGAL_MOVES) == set(Status)
    assert frozenset().union(*LEGAL_MOVES.values()) | {Status.PENDING} == set(Status)
    assert {Status.COMPLETED, Status.FAILED} == ENDS


def starts_of(moves: str, module: ModuleType) -> list[set[str]]:
    """The states in each statement of a module that matches a pattern, whose last group lists them."""
    found = re.findall(moves, inspect.getsource(module), flags=re.DOTALL)
    return [set(re.findall(r"'(\w+)'", states)) for states in found]


def test_statements_that_begin_a_task_require_a_state_that_may_begin() -> None:
    starts = starts_of(r"UPDATE tasks SET status = 'processing'.*?WHERE id = %s AND status IN \(([^)]*)\)", tasks)
    assert starts
    for each in starts:
        assert each == {start for start, moves in LEGAL_MOVES.items() if Status.PROCESSING in moves}


@pytest.mark.parametrize("end", sorted(ENDS))
def test_statements_that_end_a_task_require_a_state_that_may_end(end: Status) -> None:
    (starts,) = starts_of(r"FROM tasks WHERE id = %\(task_id\)s AND status IN \(([^)]*)\)", endings)
    assert starts == {start for start, moves in LEGAL_MOVES.items() if end in moves}


def test_states_and_error_codes_match_the_contract() -> None:
    assert list(Status) == ["pending", "processing", "completed", "failed"]
    assert set(ErrorCode) == {
        "content_policy_violation", "invalid_parameters", "image_processing_error", "image_dimension_mismatch",
        "request_cancelled", "generation_failed_no_content", "service_error", "generation_timeout",
        "resource_exhausted", "quota_exceeded", "service_unavailable", "resource_not_found", "unknown_error",
    }  # fmt: skip


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_progress_rises_and_stays_within_bounds(steps_total: int, step: int) -> None:
    steps_done = min(step, steps_total)
    now = task.progress_percent(steps_done, steps_total)
    assert 1 <= now <= 99
    assert task.progress_percent(steps_done - 1, steps_total) <= now


@given(st.floats(0, 10**5), st.integers(0, 10**6), st.integers(0, 10**4), st.integers(0, 100), st.integers(0, 10**6))
def test_an_estimate_is_at_least_one_second_and_grows_with_the_queue(
    draw_s: float, ahead: int, workers: int, progress: int, more: int
) -> None:
    estimate_s = task.estimated_time_s(draw_s, ahead, workers, progress)
    assert isinstance(estimate_s, int)
    assert 1 <= estimate_s <= max(1, draw_s * (ahead + 1) + 1)
    assert estimate_s <= task.estimated_time_s(draw_s, ahead + more, workers, progress)
    assert task.estimated_time_s(draw_s, ahead, workers + more, progress) <= estimate_s
    assert task.estimated_time_s(draw_s, ahead, workers, 100) <= estimate_s


@pytest.mark.parametrize(
    ("draw_s", "ahead", "workers", "progress", "seconds"),
    [(10, 0, 1, 0, 10), (10, 3, 1, 0, 40), (10, 3, 2, 0, 25), (10, 3, 0, 0, 40), (10, 0, 1, 50, 5), (0.1, 0, 8, 99, 1)],
)
def test_estimates_follow_the_formula(draw_s: float, ahead: int, workers: int, progress: int, seconds: int) -> None:
    assert task.estimated_time_s(draw_s, ahead, workers, progress) == seconds


@given(IDS, SECRETS, SECONDS, st.sampled_from(sorted(picture.CONTENT_TYPE_BY_EXTENSION)))
def test_a_signed_link_is_valid_for_its_picture_until_it_expires(
    task_id: str, secret: bytes, expires_s: int, extension: str
) -> None:
    keys = link.link_keys(secret)
    name = link.picture_name(task_id, secret, extension)
    start, grant, file = link.path(name, expires_s, keys).rsplit("/", 2)
    assert (start, file) == ("/pictures", name)
    assert link.expiry_s(grant, file, keys) == expires_s
    assert link.picture_name(task_id, secret, extension) == name


@given(IDS, SECRETS, SECONDS, st.sampled_from(sorted(picture.CONTENT_TYPE_BY_EXTENSION)))
def test_the_link_of_a_thumbnail_opens_it_and_not_its_picture(
    task_id: str, secret: bytes, expires_s: int, extension: str
) -> None:
    keys = link.link_keys(secret)
    name = link.picture_name(task_id, secret, extension)
    start, grant, file = link.thumbnail_path(name, expires_s, keys).rsplit("/", 2)
    assert (start, link.picture_of_thumbnail(file)) == ("/thumbnails", name)
    assert link.thumbnail_expiry_s(grant, file, keys) == expires_s
    assert link.expiry_s(grant, name, keys) is link.expiry_s(grant, file, keys) is None
    of_picture = link.path(name, expires_s, keys).split("/")[-2]
    assert link.thumbnail_expiry_s(of_picture, file, keys) is None
    assert picture.object_names(name) == (f"{name[:2]}/{name}", f"{name[:2]}/{file}")


@given(IDS, SECRETS, SECONDS, st.data())
def test_an_altered_link_is_invalid(task_id: str, secret: bytes, expires_s: int, data: st.DataObject) -> None:
    keys = link.link_keys(secret)
    grant, name = link.path(link.picture_name(task_id, secret, ".webp"), expires_s, keys).split("/")[-2:]
    whole = f"{grant}/{name}"
    place = data.draw(st.integers(0, len(whole) - 1))
    character = data.draw(st.characters().filter(lambda drawn: drawn != whole[place]))
    forged_grant, _, forged_name = (whole[:place] + character + whole[place + 1 :]).partition("/")
    assert link.expiry_s(forged_grant, forged_name, keys) is None


@given(SECRETS, SECRETS, SECONDS)
def test_a_link_signed_with_a_former_key_is_valid_and_one_with_an_unknown_key_is_not(
    secret: bytes, other: bytes, expires_s: int
) -> None:
    name = "0" * 32 + ".png"
    grant = link.path(name, expires_s, link.link_keys(other)).split("/")[-2]
    assert link.expiry_s(grant, name, link.link_keys(secret, other)) == expires_s
    believed = link.expiry_s(grant, name, link.link_keys(secret))
    assert believed == (expires_s if secret == other else None)


@given(st.text(), st.text())
def test_checking_a_link_never_raises(grant: str, name: str) -> None:
    assert link.expiry_s(grant, name, link.link_keys(b"a secret")) is None


def test_an_expiry_written_in_another_form_is_invalid() -> None:
    keys = link.link_keys(b"a secret")
    name = "0" * 32 + ".png"
    grant = link.path(name, 5, keys).split("/")[-2]
    assert link.expiry_s(grant, name, keys) == 5
    assert link.expiry_s(f"0{grant}", name, keys) is None


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1970 < moment.year < 9999))
def test_a_link_expires_24_hours_after_it_was_made(made_at: datetime) -> None:
    expires_at = link.expires_at(made_at)
    assert expires_at.timestamp() == int(expires_at.timestamp())
    assert timedelta(0) <= made_at + timedelta(days=1) - expires_at < timedelta(seconds=1)


def test_pictures_are_spread_over_256_folders() -> None:
    assert picture.object_name("ab" + "0" * 30 + ".webp") == "ab/ab" + "0" * 30 + ".webp"


@given(st.binary(min_size=24, max_size=24))
def test_a_generated_key_is_well_formed(random_bytes: bytes) -> None:
    key = api_key.from_random(random_bytes)
    assert api_key.is_well_formed(key)
    assert len(key) == api_key.KEY_CHARACTERS
    assert re.fullmatch(r"sk-easel-[0-9A-Za-z]{39}", key)
    assert api_key.hint(key) == key[-4:]
    assert len(api_key.digest(key, b"pepper")) == 32
    assert api_key.digest(key, b"pepper") != api_key.digest(key, b"other pepper")


def test_every_single_character_typo_is_detected() -> None:
    key = api_key.from_random(bytes(range(24)))
    for place, right in enumerate(key):
        for wrong in string.printable + "é\0":
            if wrong != right:
                assert not api_key.is_well_formed(key[:place] + wrong + key[place + 1 :])


def test_every_swap_of_adjacent_characters_is_detected() -> None:
    key = api_key.from_random(bytes(range(24)))
    for place in range(len(key) - 1):
        swapped = key[:place] + key[place + 1] + key[place] + key[place + 2 :]
        assert swapped == key or not api_key.is_well_formed(swapped)


@given(st.text() | st.text().map(lambda text: f"sk-easel-{text}"))
def test_other_texts_are_not_keys(text: str) -> None:
    assert not api_key.is_well_formed(text)


def test_a_key_allows_all_models_or_the_listed_ones() -> None:
    def holder(models: frozenset[str] | None) -> Holder:
        return Holder(1, 1, "default", frozenset(Scope), models, {}, None, None, None)

    assert holder(None).may_use("any")
    assert holder(frozenset({"z-image-turbo"})).may_use("z-image-turbo")
    assert not holder(frozenset()).may_use("z-image-turbo")


@given(st.text(min_size=1).filter(lambda name: "{" not in name and name.isprintable()))
def test_a_refusal_repeats_the_model_only_if_it_looks_like_a_name(name: str) -> None:
    message = str(ModelAccessDenied(name))
    looks_like_one = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}", name) is not None
    assert message == "Token does not have access to model" + (f": {name}" if looks_like_one else "")


def test_keys_derived_for_different_purposes_are_independent() -> None:
    secret = Secret("s" * 32)
    derived = {secret.derive(purpose) for purpose in ("links", "api keys", "picture names", "fingerprint")}
    assert len(derived) == 4
    assert all(len(each) == 32 for each in derived)
    assert len(secret.fingerprint) == 16
    assert "ssss" not in repr(secret) + str(secret)
    with pytest.raises(AssertionError):
        Secret("s" * 31)
