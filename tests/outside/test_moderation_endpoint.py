"""The client of a moderation server, against a real HTTP server."""

import asyncio
import base64
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Final, TypeVar

import pytest

from easel.domain.moderation.decision import Layer, LayerFailed
from easel.outside.judges.endpoint import EndpointUnusable, ModerationEndpoint
from easel.outside.judges.picture_file import PictureFile
from tests.support import image_server
from tests.support.image_server import Behaviour, ImageServer, breaks_off, drips, floods, hangs, hangs_up, picture, says
from tests.support.patience import eventually
from tests.support.ports import free_port

KEY: Final = "sk-moderation-0123456789"
PROMPT: Final = "a heron in the reeds at dawn"
MODEL: Final = "omni-moderation-latest"
SCORES: Final = {"sexual": 0.25, "violence/graphic": 0.5}

PATIENT_S: Final = 20.0
"""For tests that are not about the usual limit of 2 s, which a busy machine may exceed."""

_Answer = TypeVar("_Answer")


def judged(*scores: Mapping[str, object], **more: object) -> Behaviour:
    """Answers with one result for each of these."""
    return says(
        200, {"id": "modr-1", "results": [{"flagged": False, "category_scores": one, **more} for one in scores]}
    )


@pytest.fixture(scope="module")
def running() -> Iterator[ImageServer]:
    with image_server.image_server(judged(SCORES)) as server:
        yield server


@pytest.fixture
def server(running: ImageServer) -> ImageServer:
    running.behaves(judged(SCORES))
    return running


def with_endpoint(
    url: str,
    use: Callable[[ModerationEndpoint], Coroutine[Any, Any, _Answer]],
    key: str = KEY,
    timeout_s: float | None = PATIENT_S,
) -> _Answer:
    async def run() -> _Answer:
        limits = () if timeout_s is None else (timeout_s,)
        endpoint = ModerationEndpoint(url, MODEL, key or None, *limits)
        try:
            return await use(endpoint)
        finally:
            await endpoint.aclose()

    return asyncio.run(run())


def scores(
    url: str, file: PictureFile | None = None, key: str = KEY, timeout_s: float | None = PATIENT_S
) -> Mapping[str, float]:
    return with_endpoint(url, lambda endpoint: endpoint.scores(PROMPT, file), key, timeout_s)


def failure(url: str, timeout_s: float | None = PATIENT_S) -> str:
    """The operator's message, which must have neither the key nor the prompt."""
    with pytest.raises(LayerFailed) as failed:
        scores(url, timeout_s=timeout_s)
    assert failed.value.layer is Layer.ENDPOINT
    sentence = str(failed.value)
    assert KEY not in sentence
    assert PROMPT not in sentence
    return sentence


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_a_prompt_is_sent_in_the_format_that_every_server_accepts(server: ImageServer, suffix: str) -> None:
    assert scores(server.url + suffix) == SCORES
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/v1/moderations")
    assert asked.body == {"model": MODEL, "input": PROMPT}
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["accept-encoding"] == "identity"


def test_a_picture_is_sent_with_its_prompt(server: ImageServer) -> None:
    file = picture(64, 48, "WEBP")
    assert scores(server.url, PictureFile(file, "image/webp")) == SCORES
    text, image = server.asked[0].body["input"]
    assert text == {"type": "text", "text": PROMPT}
    assert image["type"] == "image_url"
    media_type, _, encoded = image["image_url"]["url"].partition(";base64,")
    assert (media_type, base64.b64decode(encoded)) == ("data:image/webp", file)


def test_without_a_key_no_authorization_is_sent(server: ImageServer) -> None:
    scores(server.url, key="")
    assert "authorization" not in server.asked[0].headers


def test_the_highest_of_several_scores_counts(server: ImageServer) -> None:
    server.behaves(judged({"sexual": 0.1, "hate": 0.9}, {"sexual": 0.7, "violence": 0.2}))
    assert scores(server.url) == {"sexual": 0.7, "hate": 0.9, "violence": 0.2}


def test_true_and_false_count_as_one_and_zero(server: ImageServer) -> None:
    server.behaves(says(200, {"results": [{"flagged": True, "categories": {"sexual": True, "hate": False}}]}))
    assert scores(server.url) == {"sexual": 1.0, "hate": 0.0}


def test_categories_without_a_score_are_left_out(server: ImageServer) -> None:
    server.behaves(judged({"sexual": 0.1, "illicit": None}))
    assert scores(server.url) == {"sexual": 0.1}


def test_a_score_that_rounding_moved_above_one_is_one(server: ImageServer) -> None:
    server.behaves(judged({"sexual": 1.0000001, "hate": -1e-9}))
    assert scores(server.url) == {"sexual": 1.0, "hate": 0.0}


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (says(200, "no JSON"), "is not in OpenAI's format"),
        (says(200, {"results": "none"}), "is not in OpenAI's format"),
        (says(200, {"results": [{"category_scores": {"sexual": "0.2"}}]}), "is not in OpenAI's format"),
        (says(200, "[" * 60_000), "is not in OpenAI's format"),
        (says(200, {"results": []}), "has no category that Easel knows"),
        (judged({}), "has no category that Easel knows"),
        (judged({"S1": 0.9}), "has no category that Easel knows"),
        (judged({"sexual": 7}), "not between 0 and 1"),
        (judged({"sexual": 0.1, "hate": -0.5}), "not between 0 and 1"),
        (floods, "larger than 65536 bytes"),
        (says(408, ""), "answered 408"),
        (says(409, ""), "answered 409"),
        (says(429, ""), "answered 429: it receives more requests than it allows"),
        (says(500, PROMPT), "answered 500"),
        (says(503, KEY), "answered 503"),
        (breaks_off, "the connection failed (RemoteProtocolError)"),
        (hangs_up, "the connection failed (RemoteProtocolError)"),
    ],
)  # fmt: skip
def test_a_temporary_failure_is_retried_once_and_then_reported(
    server: ImageServer, behaviour: Behaviour, words: str
) -> None:
    server.behaves(behaviour)
    assert words in failure(server.url)
    assert len(server.asked) == 2
    server.behaves(behaviour, judged(SCORES))
    assert scores(server.url) == SCORES
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (says(400, PROMPT), "answered 400: check its model, and whether it judges pictures"),
        (says(401, f"your key {KEY} is wrong"), "answered 401: check its key"),
        (says(403, ""), "answered 403: check its key"),
        (says(404, ""), "answered 404: check its URL and its model"),
        (says(422, ""), "answered 422: check its model"),
        (says(302, "", location="/v1/moderations"), "answered 302"),
        (says(307, "", location="/v1/moderations"), "answered 307"),
        (says(200, b"\x1f\x8b", content_encoding="gzip"), "compressed"),
    ],
)
def test_a_permanent_failure_is_reported_without_a_retry(server: ImageServer, behaviour: Behaviour, words: str) -> None:
    server.behaves(behaviour)
    assert words in failure(server.url)
    assert len(server.asked) == 1


@pytest.mark.parametrize(("behaviour", "limit_s"), [(hangs, None), (drips, 1.0)])
def test_one_deadline_covers_a_whole_attempt(server: ImageServer, behaviour: Behaviour, limit_s: float | None) -> None:
    server.behaves(behaviour)
    began_s = time.monotonic()
    usual_s = 2.0
    assert f"no answer within {limit_s or usual_s:g} s" in failure(server.url, limit_s)
    assert 0 < time.monotonic() - began_s - 2 * (limit_s or usual_s) < 10
    assert len(server.asked) == 2


def test_an_unreachable_server_is_reported() -> None:
    assert "cannot be reached" in failure(f"http://127.0.0.1:{free_port()}")


def test_cancelling_a_request_closes_its_connection_and_does_not_affect_the_next(server: ImageServer) -> None:
    server.behaves(hangs, judged(SCORES))

    async def use(endpoint: ModerationEndpoint) -> Mapping[str, float]:
        first = asyncio.create_task(endpoint.scores(PROMPT, None))
        await asyncio.to_thread(eventually, lambda: server.asked, every_s=0.01)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await endpoint.scores(PROMPT, None)

    began_s = time.monotonic()
    assert with_endpoint(server.url, use) == SCORES
    assert time.monotonic() - began_s < PATIENT_S / 2
    eventually(lambda: server.hung_up_at_s)
    assert len(server.asked) == 2


def test_connections_are_reused(server: ImageServer) -> None:
    threads: set[int] = set()  # the test's server gives each connection a thread

    def behave(handler: Any, asked: image_server.Asked) -> None:
        threads.add(threading.get_ident())
        judged(SCORES)(handler, asked)

    server.behaves(behave)

    async def use(endpoint: ModerationEndpoint) -> None:
        for _ in range(5):
            await endpoint.scores(PROMPT, None)

    with_endpoint(server.url, use)
    assert len(server.asked) == 5
    assert len(threads) == 1


def test_proxies_from_the_environment_and_cookies_are_ignored(
    server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")
    answer = {"results": [{"category_scores": SCORES}]}
    server.behaves(says(200, answer, set_cookie="who=you; Path=/"))

    async def use(endpoint: ModerationEndpoint) -> None:
        await endpoint.scores(PROMPT, None)
        await endpoint.scores(PROMPT, None)

    with_endpoint(server.url, use)
    assert [asked.headers.get("cookie") for asked in server.asked] == [None, None]


def test_libraries_log_neither_key_nor_prompt(server: ImageServer, caplog: pytest.LogCaptureFixture) -> None:
    server.behaves(says(500, PROMPT), judged(SCORES))
    with caplog.at_level(logging.DEBUG):
        scores(server.url)
    assert KEY not in caplog.text
    assert PROMPT not in caplog.text


def test_no_representation_shows_the_key() -> None:
    endpoint = ModerationEndpoint("http://127.0.0.1:1", MODEL, KEY)
    assert KEY not in repr(endpoint)


def test_unknown_categories_are_left_out_whatever_their_scores(server: ImageServer) -> None:
    odd = {"x" * 65: 0.1, "a\0b": 0.2, PROMPT: 0.3, **{f"n{number}": 0.1 for number in range(200)}}
    server.behaves(judged({"sexual": 0.9, **odd}))
    assert scores(server.url) == {"sexual": 0.9}


def test_an_answer_that_ignored_the_picture_is_no_judgement(server: ImageServer) -> None:
    file = PictureFile(picture(16, 16, "WEBP"), "image/webp")
    blind = judged(SCORES, category_applied_input_types={"sexual": ["text"], "violence/graphic": ["text"]})
    server.behaves(blind)
    assert scores(server.url) == SCORES
    with pytest.raises(LayerFailed, match="did not judge the picture"):
        scores(server.url, file)
    server.behaves(
        judged(SCORES, category_applied_input_types={"sexual": ["text", "image"], "violence/graphic": ["text"]})
    )
    assert scores(server.url, file) == SCORES


def test_the_operator_is_told_how_the_server_judges(server: ImageServer) -> None:
    words = with_endpoint(server.url, lambda endpoint: endpoint.look())
    assert words == f"{server.url} judges prompts and pictures with {MODEL}, in 2 categories"
    server.behaves(says(401, ""))
    with pytest.raises(LayerFailed, match="answered 401: check its key"):
        with_endpoint(server.url, lambda endpoint: endpoint.look())


@pytest.mark.parametrize("url", ["", "127.0.0.1", "ftp://x", "http://", f"http://me:{KEY}@x", f"http://x?key={KEY}#a"])
def test_an_invalid_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(EndpointUnusable, match="must look like") as refused:
        ModerationEndpoint(url, MODEL, None)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel"])
def test_a_key_that_is_not_a_valid_header_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(EndpointUnusable, match="printable ASCII") as refused:
        ModerationEndpoint("http://127.0.0.1:1", MODEL, key)
    assert not key or key not in str(refused.value)
