"""The remote engine's handling of answers without a picture: retries, and messages for callers and operators."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from easel.domain.task import ErrorCode
from easel.engines.engine import Drawing, DrawingFailed
from easel.engines.remote.answers import Fault, Withheld, picture_or_link
from easel.engines.remote.engine import Remote, RemoteServers
from easel.engines.remote.exchange import Answer, retry_after_s
from tests.support import image_server
from tests.support.image_server import ImageServer, breaks_off, draws, drips, floods, hangs, hangs_up, says
from tests.support.ports import free_port

KEY: Final = "sk-remote-0123456789"
PROMPT: Final = "a heron in the reeds"
PAGE: Final = "<html><body><h1>502 Bad Gateway</h1><p>nginx at 10.0.0.7</p></body></html>"
NOW: Final = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def running() -> Iterator[ImageServer]:
    with image_server.image_server(draws()) as server:
        yield server


@pytest.fixture
def server(running: ImageServer) -> ImageServer:
    running.behaves(draws())
    return running


def ask(url: str, timeout_s: float = 20.0) -> int:
    """Draw once, and return the picture's width."""
    engine = Remote(RemoteServers((url,), "some-model", KEY, timeout_s, draws_at_once=1, steps=9))
    return engine.draw(Drawing(PROMPT, 512, 384, 7), lambda *_: None).width_px


def failure(url: str, timeout_s: float = 20.0) -> tuple[DrawingFailed, list[Any]]:
    """The error and the log lines of a draw that fails."""
    with capture_logs() as logs, pytest.raises(DrawingFailed) as failed:
        ask(url, timeout_s)
    shown = f"{failed.value.message} {logs}"
    for private in (KEY, PROMPT, "nginx", "10.0.0.7", "html"):
        assert private not in shown
    return failed.value, list(logs)


def test_a_busy_server_is_retried_after_the_time_that_it_names(server: ImageServer) -> None:
    server.behaves(says(429, PAGE, retry_after="2"), draws())
    assert ask(server.url) == 512
    first, second = server.asked
    assert 2.0 <= second.at_s - first.at_s < 2.8
    assert first.body == second.body


def test_a_date_in_retry_after_is_obeyed(server: ImageServer) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    server.behaves(says(503, PAGE, retry_after=until), draws())
    assert ask(server.url) == 512
    # Both this date and that of the answer are in whole seconds.
    assert 1.5 <= server.asked[1].at_s - server.asked[0].at_s < 4.2


@pytest.mark.parametrize("hiccup", [says(502, PAGE), says(503, PAGE), hangs_up, breaks_off])
def test_a_temporary_failure_is_retried_with_the_same_seed(server: ImageServer, hiccup: image_server.Behaviour) -> None:
    server.behaves(hiccup, draws())
    assert ask(server.url) == 512
    first, second = server.asked
    assert 0.5 <= second.at_s - first.at_s < 2.5
    assert first.body == second.body


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (says(429, {"error": {"message": "slow down"}}, retry_after="0"), "The image server is too busy"),
        (says(503, PAGE, retry_after="0"), "The image server failed"),
    ],
)
def test_a_server_that_stays_busy_gets_four_requests(
    server: ImageServer, behaviour: image_server.Behaviour, message: str
) -> None:
    server.behaves(behaviour)
    failed, _ = failure(server.url)
    assert (failed.code, failed.message) == (ErrorCode.SERVICE_UNAVAILABLE, message)
    assert len(server.asked) == 4


def test_an_unreachable_server_is_tried_four_times_with_pauses() -> None:
    began_s = time.monotonic()
    failed, logs = failure(f"http://127.0.0.1:{free_port()}")
    assert failed.code == ErrorCode.SERVICE_UNAVAILABLE
    assert 3.5 <= time.monotonic() - began_s < 30
    assert [line["event"] for line in logs] == ["remote_request_retried"] * 3 + ["remote_draw_failed"]
    assert "EASEL_REMOTE_URL" in logs[-1]["hint"]


@pytest.mark.parametrize("behaviour", [hangs, drips])
def test_one_deadline_covers_a_whole_attempt(server: ImageServer, behaviour: image_server.Behaviour) -> None:
    server.behaves(behaviour)
    began_s = time.monotonic()
    failed, _ = failure(server.url, timeout_s=1.0)
    assert failed.code == ErrorCode.GENERATION_TIMEOUT
    assert time.monotonic() - began_s < 10
    assert len(server.asked) == 1


def test_an_endless_answer_is_not_read_to_the_end(server: ImageServer) -> None:
    server.behaves(floods)
    failed, logs = failure(server.url)
    assert failed.code == ErrorCode.IMAGE_PROCESSING_ERROR
    assert logs[-1]["hint"] == "its answer is larger than 33554432 bytes"


@pytest.mark.parametrize(
    ("status", "body", "code", "message", "hint"),
    [
        (400, {"error": {"code": "content_policy_violation", "message": "x"}}, "content_policy_violation", None, None),
        (400, {"error": {"code": "moderation_blocked", "type": "y"}}, "content_policy_violation", None, None),
        (400, {"detail": "Requested image size 1536x1536 exceeds 1048576 pixels."}, "invalid_parameters",
         "The image server refused this order: Requested image size 1536x1536 exceeds 1048576 pixels.", None),
        (422, {"detail": [{"loc": ["body", "size"], "msg": "size is odd", "input": PROMPT}]}, "invalid_parameters",
         "The image server refused this order: size is odd", None),
        (400, {"message": "too many\n\tsteps\0", "object": "error"}, "invalid_parameters",
         "The image server refused this order: too many steps", None),
        (400, {"error": "a" * 900}, "invalid_parameters", f"The image server refused this order: {'a' * 199}…", None),
        (400, PAGE, "invalid_parameters", "The image server refused this order", None),
        (400, {"error": f"bad prompt: {PROMPT.upper()}"}, "invalid_parameters", "The image server refused this order", None),
        (400, {"error": f"your key {KEY}"}, "invalid_parameters", "The image server refused this order", None),
        (400, {"error": "see http://10.0.0.7/help"}, "invalid_parameters", "The image server refused this order", None),
        (400, {"error": "no file /srv/models/z"}, "invalid_parameters", "The image server refused this order", None),
        (400, {"error": "<b>no</b>"}, "invalid_parameters", "The image server refused this order", None),
        (400, {"detail": "Model mismatch: request specifies 'a' but server is running 'b'."}, "service_error",
         "The image server refused Easel", "EASEL_REMOTE_MODEL"),
        (400, {"error": {"param": "model", "message": "gone"}}, "service_error", None, "EASEL_REMOTE_MODEL"),
        (401, PAGE, "service_error", "The image server refused Easel", "EASEL_REMOTE_API_KEY"),
        (403, {"error": "no"}, "service_error", "The image server refused Easel", "EASEL_REMOTE_API_KEY"),
        (404, PAGE, "service_error", "The image server refused Easel", "EASEL_REMOTE_URL"),
        (405, "", "service_error", "The image server refused Easel", "405"),
        (301, PAGE, "service_error", None, "redirect"),
        (408, PAGE, "generation_timeout", "The image server took too long", None),
        (504, PAGE, "generation_timeout", "The image server took too long", None),
        (500, PAGE, "service_unavailable", "The image server failed", "500"),
        (500, {"detail": f"CUDA out of memory at 10.0.0.7 for {PROMPT}"}, "resource_exhausted",
         "The image server has too little memory for this picture", None),
        (200, PAGE, "generation_failed_no_content", "The image server answered without a picture", "OpenAI"),
        (204, "", "generation_failed_no_content", None, "OpenAI"),
        (200, {"data": []}, "generation_failed_no_content", None, "OpenAI"),
        (200, {"data": [{"revised_prompt": "x"}]}, "generation_failed_no_content", None, "b64_json"),
        (200, {"data": [{"b64_json": 7}]}, "generation_failed_no_content", None, "OpenAI"),
        (200, {"data": [{"b64_json": "not base64!"}]}, "image_processing_error", None, "base64"),
        (200, {"data": [{"b64_json": "bm8gcGljdHVyZQ=="}]}, "image_processing_error", None, "picture"),
        (200, "[" * 100_000, "generation_failed_no_content", None, "OpenAI"),
        (400, "[" * 60_000, "invalid_parameters", "The image server refused this order", None),
    ],
)  # fmt: skip
def test_each_failure_has_its_code_for_the_caller_and_its_hint_for_the_operator(
    server: ImageServer, status: int, body: object, code: str, message: str | None, hint: str | None
) -> None:
    server.behaves(says(status, body))
    failed, logs = failure(server.url)
    assert failed.code == code
    assert message is None or failed.message == message
    assert (logs[-1]["hint"] if logs else None) is None if hint is None else hint in logs[-1]["hint"]
    assert len(server.asked) == 1


def test_a_policy_violation_has_the_wording_of_the_contract(server: ImageServer) -> None:
    server.behaves(says(400, {"error": {"code": "content_policy_violation", "message": "rule 7 of our filter"}}))
    failed, _ = failure(server.url)
    assert failed.message.startswith("Content policy violation.\n")
    assert "rule 7" not in failed.message


def test_an_answer_that_is_compressed_without_request_is_refused(server: ImageServer) -> None:
    server.behaves(says(200, b"\x1f\x8b", content_encoding="gzip"))
    failed, _ = failure(server.url)
    assert failed.code == ErrorCode.GENERATION_FAILED_NO_CONTENT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "99999999999999999999"}, 9_999_999_999),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT", "date": "Sat, 21 Nov 2026 12:00:25 GMT"}, 5),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 -0000", "date": "nonsense"}, 30),
    ],
)
def test_both_forms_of_retry_after_are_understood(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOW) == seconds


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_retry_after_header_raises_an_exception(text: str, date: str) -> None:
    seconds = retry_after_s({"retry-after": text, "date": date}, NOW)
    assert seconds is None or seconds >= 0


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["error", "detail", "data", "message", "msg", "code", "type", "param", "b64_json", "url"]), inner),
    max_leaves=8,
)  # fmt: skip


@given(st.integers(200, 599), st.binary(max_size=50) | JSON.map(lambda content: json.dumps(content).encode()))
def test_whatever_the_server_answers_the_caller_gets_a_picture_or_one_short_harmless_line(
    status: int, body: bytes
) -> None:
    try:
        picture_or_link(Answer(status, {}, body), Withheld(KEY, PROMPT))
        message = ""
    except Fault as fault:
        message = fault.message
    assert len(message) <= 300
    assert message.count("\n") <= 1
    assert message.replace("\n", "").isprintable()
