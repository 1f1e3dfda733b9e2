"""The remote engine with several image servers."""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from easel.domain.task import ErrorCode
from easel.engines.engine import Drawing, DrawingFailed, Pixels
from easel.engines.remote.engine import Remote, RemoteServers
from easel.engines.remote.rotation import REST_S
from tests.support import image_server
from tests.support.image_server import (
    MODEL,
    Asked,
    Behaviour,
    ImageServer,
    breaks_off,
    draws,
    gives,
    hangs,
    hangs_up,
    lists,
    picture,
    says,
)  # fmt: skip
from tests.support.patience import eventually
from tests.support.ports import free_port

PAGE: Final = "<html>nginx at 10.0.0.7</html>"


@pytest.fixture(scope="module")
def running() -> Iterator[list[ImageServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(image_server.image_server(draws())) for _ in range(3)]


@pytest.fixture
def servers(running: list[ImageServer]) -> list[ImageServer]:
    for server in running:
        server.behaves(draws())
        server.lists = lists(MODEL)
        server.checked.clear()
        server.check = None
    return running


def remote(*urls: str, **changes: Any) -> Remote:
    given = {"model": MODEL, "api_key": None, "timeout_s": 20.0, "draws_at_once": 2, "steps": 9, **changes}
    return Remote(RemoteServers(urls=urls, **given))


def engine_of(servers: list[ImageServer], **changes: Any) -> Remote:
    return remote(*(server.url for server in servers), **changes)


def draw(engine: Remote, seed: int = 7) -> Pixels:
    return engine.draw(Drawing("a heron", 500, 376, seed), lambda *_: None)


def draw_many(engine: Remote, count: int) -> list[Pixels]:
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda seed: draw(engine, seed), range(1, count + 1)))


def orders(servers: list[ImageServer]) -> list[int]:
    """How many pictures were ordered from each server."""
    return [len(server.asked) for server in servers]


def test_the_servers_share_the_draws_evenly(servers: list[ImageServer]) -> None:
    engine = engine_of(servers)
    assert (engine.draws_at_once, engine.tasks_at_once) == (6, 12)
    for server in servers:
        server.behaves(draws(after_s=0.5))
    pixels = draw_many(engine, 6)
    assert [each.rgb[0] for each in pixels] == [1, 2, 3, 4, 5, 6]
    assert orders(servers) == [2, 2, 2]
    assert [server.most_at_once for server in servers] == [2, 2, 2]


def test_a_slow_server_gets_fewer_draws(servers: list[ImageServer]) -> None:
    servers[0].behaves(draws(after_s=2.0))
    engine = engine_of(servers)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda seed: draw(engine, seed), range(1, 13)))
    assert orders(servers)[0] <= 2
    assert sum(orders(servers)) == 12


@pytest.mark.parametrize(
    "failing",
    [
        says(500, PAGE), says(503, PAGE), says(401, PAGE), says(404, {"detail": "Not Found"}), says(302, "", location="/"),
        says(400, {"detail": "Model mismatch: request specifies 'a' but server is running 'b'."}), says(200, PAGE),
        gives(b"no picture"), hangs_up, breaks_off,
    ],
)  # fmt: skip
def test_a_task_goes_to_another_server_at_once_and_the_one_that_failed_is_left_alone(
    servers: list[ImageServer], failing: Behaviour
) -> None:
    engine = engine_of(servers[:2])
    servers[0].behaves(failing)
    began_s = time.monotonic()
    with capture_logs() as logs:
        assert draw(engine).rgb[0] == 7
        assert time.monotonic() - began_s < REST_S
        draw_many(engine, 4)
    assert orders(servers[:2]) == [1, 5]
    assert [line["event"] for line in logs] == ["remote_server_paused", "remote_draw_moved"]
    assert {line["server"] for line in logs} == {servers[0].url}


def test_an_unreachable_server_is_left_alone(servers: list[ImageServer]) -> None:
    engine = remote(f"http://127.0.0.1:{free_port()}", servers[0].url)
    with capture_logs() as logs:
        assert draw(engine).rgb[0] == 7
        draw(engine)
    assert [line["event"] for line in logs] == ["remote_server_paused", "remote_draw_moved"]


def test_a_server_that_was_missing_at_the_start_is_left_alone_from_the_start(servers: list[ImageServer]) -> None:
    engine = remote(f"http://127.0.0.1:{free_port()}", servers[0].url)
    with capture_logs() as logs:
        engine.load()
        draw(engine)
    assert [line["event"] for line in logs] == [
        "remote_check_warning",
        "remote_server_paused",
        "remote_server_found",
    ]


def test_a_busy_server_is_left_alone_as_long_as_it_asks(servers: list[ImageServer]) -> None:
    servers[0].behaves(says(429, "", retry_after="3"), draws())
    engine = engine_of(servers[:2])
    until_s = time.monotonic() + 1.5
    while time.monotonic() < until_s:
        draw(engine)
    assert orders(servers[:2])[0] == 1
    time.sleep(2)
    draw(engine)
    assert orders(servers[:2])[0] == 2


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (says(422, {"detail": "size is odd"}), ErrorCode.INVALID_PARAMETERS),
        (says(400, {"error": {"code": "content_policy_violation"}}), ErrorCode.CONTENT_POLICY_VIOLATION),
    ],
)
def test_a_refused_order_is_not_tried_elsewhere_and_is_no_fault_of_the_server(
    servers: list[ImageServer], refusal: Behaviour, code: ErrorCode
) -> None:
    servers[0].behaves(refusal, draws())
    engine = engine_of(servers[:2])
    with pytest.raises(DrawingFailed) as failed:
        draw(engine)
    assert failed.value.code == code
    draw(engine)
    draw(engine)
    assert orders(servers[:2]) == [2, 1]


@pytest.mark.parametrize("unfit", [says(500, {"detail": "CUDA out of memory"}), gives(picture(1024, 1024))])
def test_a_size_that_one_server_cannot_draw_is_tried_elsewhere_without_leaving_it_alone(
    servers: list[ImageServer], unfit: Behaviour
) -> None:
    servers[0].behaves(unfit, draws())
    engine = engine_of(servers[:2])
    draw(engine)
    draw_many(engine, 2)
    assert orders(servers[:2]) == [2, 2]


def test_a_server_that_hangs_costs_its_deadline_once_and_a_second_one_ends_the_draw(
    servers: list[ImageServer],
) -> None:
    servers[0].behaves(hangs)
    engine = engine_of(servers[:2], timeout_s=1.0)
    assert draw(engine).rgb[0] == 7
    for server in servers:
        server.behaves(hangs)
    began_s = time.monotonic()
    with pytest.raises(DrawingFailed) as failed:
        draw(engine_of(servers, timeout_s=1.0))
    assert failed.value.code == ErrorCode.GENERATION_TIMEOUT
    assert 2.0 <= time.monotonic() - began_s < 10
    assert sum(orders(servers)) == 2


def test_if_all_fail_for_a_moment_each_is_tried_four_times(servers: list[ImageServer]) -> None:
    for server in servers:
        server.behaves(says(503, PAGE, retry_after="0"))
    with capture_logs() as logs, pytest.raises(DrawingFailed, match="The image server failed"):
        draw(engine_of(servers))
    assert orders(servers) == [4, 4, 4]
    assert logs[-1]["event"] == "remote_draw_failed"
    assert logs[-1]["server"] in {server.url for server in servers}


def test_if_all_are_misconfigured_the_draw_fails_at_once_and_the_next_one_tries_again(
    servers: list[ImageServer],
) -> None:
    for server in servers:
        server.behaves(says(401, PAGE))
    engine = engine_of(servers)
    with pytest.raises(DrawingFailed, match="refused Easel"):
        draw(engine)
    for server in servers:
        server.behaves(draws())
    assert draw(engine).rgb[0] == 7


def test_while_one_server_is_away_the_other_gets_no_more_than_its_share(servers: list[ImageServer]) -> None:
    servers[0].behaves(hangs_up)
    servers[1].behaves(draws(after_s=0.3))
    pixels = draw_many(engine_of(servers[:2]), 4)
    assert sorted(each.rgb[0] for each in pixels) == [1, 2, 3, 4]
    assert servers[1].most_at_once == 2


def test_a_stop_ends_the_wait_for_a_place(servers: list[ImageServer]) -> None:
    class StopError(Exception):
        pass

    servers[0].behaves(hangs)
    engine = remote(servers[0].url, f"http://127.0.0.1:{free_port()}", draws_at_once=1)
    with capture_logs():
        engine.load()
    ends: list[float] = []

    def stop(*_: int) -> None:
        if ends and time.monotonic() > ends[0]:
            raise StopError

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(engine.draw, Drawing("a", 500, 376, 1), stop)
        eventually(lambda: servers[0].asked)
        ends.append(time.monotonic() + 0.5)
        with pytest.raises(StopError):
            engine.draw(Drawing("b", 500, 376, 1), stop)
        assert isinstance(first.exception(timeout=60), StopError)
    assert time.monotonic() - ends[0] < 15


def test_a_server_is_used_again_when_its_rest_is_over(servers: list[ImageServer]) -> None:
    servers[0].behaves(says(500, PAGE), draws())
    engine = engine_of(servers[:2])
    draw(engine)
    time.sleep(REST_S + 0.1)
    with capture_logs() as logs:
        draw(engine)
    assert [line["event"] for line in logs] == ["remote_server_resumed"]
    assert orders(servers[:2]) == [2, 1]


def seeds_asked(server: ImageServer) -> list[int]:
    return [asked.body["seed"] for asked in server.checked]


def test_each_server_is_checked_with_three_small_pictures_when_it_first_answers(servers: list[ImageServer]) -> None:
    port = free_port()
    engine = remote(servers[0].url, f"http://127.0.0.1:{port}", check_timeout_s=20.0)
    with capture_logs() as logs:
        engine.load()
        eventually(lambda: len(servers[0].checked) == 3)
        draw(engine)
    first, again, other = seeds_asked(servers[0])
    assert first == again != other
    assert {asked.body["size"] for asked in servers[0].checked} == {"384x400"}
    assert [line["event"] for line in logs].count("remote_check_warning") == 1
    assert orders(servers[:1]) == [1]


def drawn_by_count(colour: Callable[[int, int], tuple[int, int, int]]) -> Behaviour:
    """Draws each picture in a colour that depends on its seed and on how many were drawn before."""
    count = itertools.count()

    def behave(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        gives(picture(384, 400, colour=colour(asked.body["seed"] % 251, next(count))))(handler, asked)

    return behave


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (gives(picture(384, 400)), "draws the same picture for every seed: it ignores seeds"),
        (
            drawn_by_count(lambda seed, count: (seed, 40 * count, 0)),
            "draws another picture each time, although the seed is the same: it ignores seeds",
        ),
        (gives(picture(1024, 1024)), "does not draw the size that was ordered: The image server drew 1024x1024"),
        (gives(picture(400, 384)), "does not draw the size that was ordered: The image server drew 400x384"),
        (
            says(400, {"detail": "size is odd"}),
            "did not draw a small picture: The image server refused this order: size",
        ),
        (says(404, ""), "(it answered 404: check EASEL_REMOTE_URL and EASEL_REMOTE_MODEL)"),
        (drawn_by_count(lambda seed, count: (seed, 0, count % 2)), None),
        (None, None),
    ],
)
def test_what_does_not_hold_is_told(servers: list[ImageServer], check: Behaviour | None, words: str | None) -> None:
    servers[0].check = check
    with capture_logs() as logs:
        remote(servers[0].url, check_timeout_s=20.0).load()
        if words is None:
            eventually(lambda: len(servers[0].checked) == 3)
            time.sleep(0.2)
        else:
            eventually(lambda: len(logs) == 2)
    warnings = [line["words"] for line in logs if line["event"] == "remote_check_warning"]
    if words is None:
        assert warnings == []
    else:
        assert len(warnings) == 1
        assert warnings[0].startswith(servers[0].url)
        assert words in warnings[0]


def test_a_check_that_takes_too_long_says_nothing(servers: list[ImageServer]) -> None:
    servers[0].check = hangs
    (look,) = remote(servers[0].url, check_timeout_s=0.5).look()
    assert look.state == "ok"
    eventually(lambda: servers[0].hung_up_at_s)


def test_looking_tells_the_state_of_each_server(servers: list[ImageServer]) -> None:
    servers[1].check = gives(picture(384, 400))
    servers[2].lists = says(401, "")
    looks = list(engine_of(servers, check_timeout_s=20.0).look())
    assert [look.state for look in looks] == ["ok", "warning", "failed"]
    for look, server in zip(looks, servers, strict=True):
        assert look.words.startswith(server.url)


def test_a_server_that_failed_shows_as_not_in_use_until_it_draws_again(servers: list[ImageServer]) -> None:
    engine = engine_of(servers[:2])
    servers[0].behaves(hangs_up)
    draw_many(engine, 4)
    assert engine.servers_in_use() == {servers[0].url: False, servers[1].url: True}
