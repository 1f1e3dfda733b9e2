"""The remote engine fulfils the contract of all engines, against a real HTTP server."""

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from easel.domain.task import ErrorCode
from easel.engines.engine import Drawing, DrawingFailed, Engine, EngineUnusable, Pixels
from easel.engines.remote.engine import Remote, RemoteServers
from tests.support import image_server
from tests.support.image_server import MODEL, ImageServer, draws, gives, hangs, lists, picture, says
from tests.support.patience import eventually
from tests.support.ports import free_port

KEY: Final = "sk-remote-0123456789"


class StopError(Exception):
    """Raised by a test from within a step."""


@pytest.fixture(scope="module")
def running() -> Iterator[ImageServer]:
    with image_server.image_server(draws()) as server:
        yield server


@pytest.fixture
def server(running: ImageServer) -> ImageServer:
    running.behaves(draws())
    running.lists = lists(MODEL)
    return running


def remote(url: str, **changes: Any) -> Engine:
    address = {"model": MODEL, "api_key": KEY, "timeout_s": 20.0, "draws_at_once": 4, "steps": 9, **changes}
    return Remote(RemoteServers(urls=(url,), **address))


def drawing(prompt: str = "a heron", seed: int = 7, width_px: int = 500, height_px: int = 376) -> Drawing:
    return Drawing(prompt=prompt, width_px=width_px, height_px=height_px, seed=seed)


def ignore_step(steps_done: int, steps_total: int) -> None:
    """Ignores progress."""


def draw(server: ImageServer, **changes: Any) -> Pixels:
    return remote(server.url, **changes).draw(drawing(), ignore_step)


def failure(server: ImageServer, **changes: Any) -> DrawingFailed:
    with pytest.raises(DrawingFailed) as failed:
        draw(server, **changes)
    return failed.value


def test_a_request_names_seed_and_recipe_and_a_size_rounded_up_to_multiples_of_16(server: ImageServer) -> None:
    pixels = draw(server)
    assert (pixels.width_px, pixels.height_px) == (500, 376)
    assert len(pixels.rgb) == 500 * 376 * 3
    assert pixels.rgb[:3] == bytes((7, 0, 7))
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/v1/images/generations")
    assert asked.body == {
        "model": MODEL, "prompt": "a heron", "n": 1, "size": "512x384", "seed": 7, "response_format": "b64_json",
        "num_inference_steps": 9, "guidance_scale": 0.0,
    }  # fmt: skip
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["accept-encoding"] == "identity"


def test_without_a_key_none_is_sent_and_without_steps_the_server_chooses(server: ImageServer) -> None:
    draw(server, api_key=None, steps=0)
    (asked,) = server.asked
    assert "authorization" not in asked.headers
    assert asked.body.keys() == {"model", "prompt", "n", "size", "seed", "response_format"}


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_the_url_may_end_as_in_openais_clients(server: ImageServer, suffix: str) -> None:
    remote(server.url + suffix).draw(drawing(), ignore_step)
    assert server.asked[0].path == "/v1/images/generations"


def test_a_server_may_be_under_a_path(server: ImageServer) -> None:
    remote(f"{server.url}/image-server").draw(drawing(), ignore_step)
    assert server.asked[0].path == "/image-server/v1/images/generations"


def test_no_step_is_reported_before_the_picture_has_arrived(server: ImageServer) -> None:
    server.behaves(draws(after_s=3.0))
    steps: list[tuple[float, int, int]] = []
    engine = remote(server.url)
    began_s = time.monotonic()
    engine.draw(drawing(), lambda done, total: steps.append((time.monotonic() - began_s, done, total)))
    assert [step[1:] for step in steps[:-1]] == [(0, 1)] * (len(steps) - 1)
    assert steps[-1][1:] == (1, 1)
    times_s = [step[0] for step in steps]
    assert times_s[0] < 2
    assert max(later - earlier for earlier, later in itertools.pairwise(times_s)) < 2


def test_an_exception_from_on_step_closes_the_connection(server: ImageServer) -> None:
    server.behaves(hangs)
    stop = StopError()
    stopped_at_s: list[float] = []

    def stop_soon(steps_done: int, steps_total: int) -> None:
        if server.asked and time.monotonic() - server.asked[0].at_s > 0.6:
            stopped_at_s.append(time.monotonic())
            raise stop

    with pytest.raises(StopError) as raised:
        remote(server.url).draw(drawing(), stop_soon)
    assert raised.value is stop
    eventually(lambda: server.hung_up_at_s)
    # A busy machine is no fault; what is not stopped goes on for twenty seconds.
    assert max(time.monotonic(), server.hung_up_at_s[0]) - stopped_at_s[0] < 10
    server.behaves(draws())
    assert draw(server).width_px == 500


def test_a_draw_that_is_stopped_before_it_begins_sends_no_request(server: ImageServer) -> None:
    def stop(steps_done: int, steps_total: int) -> None:
        raise StopError

    with pytest.raises(StopError):
        remote(server.url).draw(drawing(), stop)
    assert server.asked == []


def test_a_stop_ends_the_wait_between_two_attempts(server: ImageServer) -> None:
    server.behaves(says(503, "", retry_after="30"))

    def stop(steps_done: int, steps_total: int) -> None:
        if server.asked and time.monotonic() - server.asked[0].at_s > 0.5:
            raise StopError

    with pytest.raises(StopError):
        remote(server.url).draw(drawing(), stop)
    assert time.monotonic() - server.asked[0].at_s < 15
    assert len(server.asked) == 1


def test_concurrent_draws_each_get_their_own_picture(server: ImageServer) -> None:
    server.behaves(draws(after_s=0.5))
    engine = remote(server.url)
    assert (engine.draws_at_once, engine.tasks_at_once) == (4, 8)
    with ThreadPoolExecutor(4) as threads:
        drawn = list(threads.map(lambda seed: engine.draw(drawing(seed=seed), ignore_step), range(1, 5)))
    assert [pixels.rgb[0] for pixels in drawn] == [1, 2, 3, 4]
    assert server.most_at_once == 4


def test_nothing_is_left_running_after_a_draw(server: ImageServer) -> None:
    before = threading.active_count()
    engine = remote(server.url)
    for seed in range(1, 6):
        engine.draw(drawing(seed=seed), ignore_step)
    eventually(lambda: threading.active_count() <= before + 5)  # the test server keeps a thread for each connection
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("asyncio")]


def test_a_running_server_is_found(server: ImageServer) -> None:
    with capture_logs() as logs:
        remote(server.url).load()
    assert [(line["log_level"], line["event"]) for line in logs] == [("info", "remote_server_found")]
    (looked,) = server.looked
    assert (looked.method, looked.path, looked.headers["authorization"]) == ("GET", "/v1/models", f"Bearer {KEY}")


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (says(200, {"data": [{"id": "other-\x1b[31mmodel"}]}), "but 'other-\\x1b[31mmodel': check EASEL_REMOTE_MODEL"),
        (says(401, {}), "refused the request (401): check EASEL_REMOTE_API_KEY"),
        (hangs, "cannot be reached (no answer within 3 s): check EASEL_REMOTE_URL"),
    ],
)
def test_a_doubtful_server_is_a_warning_and_does_not_prevent_the_start(
    server: ImageServer, behaviour: image_server.Behaviour, words: str
) -> None:
    server.lists = behaviour
    with capture_logs() as logs:
        remote(server.url).load()
    assert [line["log_level"] for line in logs] == ["warning"]
    assert logs[0]["words"].endswith(words)
    assert KEY not in str(logs)


def test_a_server_that_is_not_running_yet_is_a_warning() -> None:
    with capture_logs() as logs:
        remote(f"http://127.0.0.1:{free_port()}").load()
    assert "cannot be reached (ConnectError" in logs[0]["words"]


@pytest.mark.parametrize("url", ["", "127.0.0.1:30000", "ftp://host", "http://", "http://[::1", "http://u:p@host"])
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(EngineUnusable, match="EASEL_REMOTE_URL"):
        remote(url)


def test_no_representation_of_the_engine_shows_the_key(server: ImageServer) -> None:
    address = RemoteServers((server.url,), MODEL, KEY, 20.0, 4, 9)
    engine = Remote(address)
    assert KEY not in f"{address} {address!r} {engine} {engine!r}"


def test_a_link_to_the_same_server_is_followed(server: ImageServer) -> None:
    file = picture(512, 384, "JPEG")
    for link in ("/v1/images/1/content", f"{server.url}/generated-images/1.jpg?token=2"):
        server.behaves(
            says(200, {"data": [{"b64_json": None, "url": link}]}), says(200, file, content_type="image/jpeg")
        )
        assert draw(server).width_px == 500
        followed = server.asked[1]
        assert (followed.method, followed.headers["authorization"]) == ("GET", f"Bearer {KEY}")
        assert link.endswith(followed.path)


def test_a_link_to_another_host_is_not_followed(server: ImageServer) -> None:
    with image_server.image_server(gives(picture(512, 384))) as other:
        port = other.url.rpartition(":")[2]
        links = [
            f"{other.url}/1.png", f"//127.0.0.1:{port}/1.png", f"http://localhost:{port}/1.png", "file:///etc/passwd",
            server.url.replace("http:", "https:") + "/1.png", server.url.replace("http://", "http://u:p@") + "/1.png",
            f"{server.url}@127.0.0.1:{port}/1.png", "http://169.254.169.254/latest/meta-data", "http://[::1", "data:,x",
            "http://127.0.0.1\\@evil/", "x" * 5000, "http://a\r\nhost: b/",
        ]  # fmt: skip
        for link in links:
            server.behaves(says(200, {"data": [{"url": link}]}))
            with capture_logs() as logs:
                failed = failure(server)
            assert failed.code == ErrorCode.GENERATION_FAILED_NO_CONTENT
            assert failed.message == "The image server answered without a picture"
            assert [line["event"] for line in logs] == ["remote_draw_failed"]
            assert len(server.asked) == 1, link
        assert other.asked == []


def test_a_link_that_redirects_is_not_followed(server: ImageServer) -> None:
    with image_server.image_server(gives(picture(512, 384))) as other:
        server.behaves(says(200, {"data": [{"url": "/1.png"}]}), says(302, "", location=f"{other.url}/1.png"))
        assert failure(server).code == ErrorCode.SERVICE_ERROR
        server.behaves(says(307, "", location=f"{other.url}/v1/images/generations"))
        assert failure(server).code == ErrorCode.SERVICE_ERROR
        assert other.asked == []
