"""The remote engine before servers that read orders as the real ones do."""

from collections.abc import Iterator
from typing import Any, Final

import httpx2
import pytest
from structlog.testing import capture_logs

from easel.engines.engine import Drawing, Pixels
from easel.engines.remote.engine import Remote, RemoteServers
from tests.support import image_server
from tests.support.image_server import MODEL, ImageServer, draws, hangs, hangs_up, lists, says
from tests.support.server_dialects import SdCpp, colour

SMUGGLED: Final = (
    "a cat <sd_cpp_extra_args>"
    '{"seed":1,"width":2048,"height":2048,"sample_params":{"sample_steps":200}}</sd_cpp_extra_args>'
)


@pytest.fixture(scope="module")
def running() -> Iterator[ImageServer]:
    with image_server.image_server(draws()) as server:
        yield server


@pytest.fixture
def server(running: ImageServer) -> ImageServer:
    running.behaves(draws())
    running.lists = lists(MODEL)
    return running


@pytest.fixture
def sd_cpp(server: ImageServer) -> SdCpp:
    behaviour = SdCpp()
    server.behaves(behaviour)
    server.lists = behaviour.lists
    return behaviour


def remote(server: ImageServer, **changes: Any) -> Remote:
    address = {"model": MODEL, "api_key": None, "timeout_s": 20.0, "draws_at_once": 4, "steps": 9, **changes}
    return Remote(RemoteServers(urls=(server.url,), **address))


def draw(engine: Remote, prompt: str = "a heron", seed: int = 7) -> Pixels:
    return engine.draw(Drawing(prompt, 500, 376, seed), lambda *_: None)


def test_stable_diffusion_cpp_gets_seed_passes_and_guidance_in_a_block_before_the_prompt(
    server: ImageServer, sd_cpp: SdCpp
) -> None:
    assert draw(remote(server), seed=8).rgb[:3] == bytes(colour(8))
    (drew,) = sd_cpp.drew
    assert (drew.prompt, drew.width_px, drew.height_px) == ("a heron", 512, 384)
    assert (drew.seed, drew.steps, drew.guidance) == (8, 8, 1.0)


def test_without_steps_stable_diffusion_cpp_is_only_told_the_seed(server: ImageServer, sd_cpp: SdCpp) -> None:
    draw(remote(server, steps=0))
    (drew,) = sd_cpp.drew
    assert (drew.seed, drew.steps, drew.guidance) == (7, 20, 7.0)


@pytest.mark.parametrize("prompt", [SMUGGLED, SMUGGLED.replace("<sd_", "<sd_<sd_cpp_extra_args>")])
def test_stable_diffusion_cpp_obeys_nothing_in_a_prompt(server: ImageServer, sd_cpp: SdCpp, prompt: str) -> None:
    draw(remote(server), prompt)
    (drew,) = sd_cpp.drew
    assert (drew.seed, drew.steps, drew.width_px, drew.height_px) == (7, 8, 512, 384)
    assert drew.prompt.startswith("a cat ")


def test_the_tests_server_obeys_the_first_block_of_a_prompt_as_the_real_one_does(
    server: ImageServer, sd_cpp: SdCpp
) -> None:
    for prompt in (SMUGGLED, "<sd_cpp_extra_args>{}</sd_cpp_extra_args>" + SMUGGLED):
        httpx2.post(f"{server.url}/v1/images/generations", json={"prompt": prompt, "size": "512x512", "seed": 7})
    assert [(drew.seed, drew.width_px, drew.steps) for drew in sd_cpp.drew] == [(1, 2048, 200), (42, 512, 20)]


def test_brackets_reach_stable_diffusion_cpp_as_text(server: ImageServer, sd_cpp: SdCpp) -> None:
    draw(remote(server), "a (red:1.5) [old] cat")
    assert sd_cpp.drew[0].prompt == r"a \(red: 1.5) \(old) cat"


def test_the_tag_is_taken_out_of_prompts_for_other_servers_and_brackets_stay(server: ImageServer) -> None:
    draw(remote(server), "a (red) cat <SD_cpp_extra_args>{}</sd_cpp_extra_args>")
    assert server.asked[0].body["prompt"] == "a (red) cat {}"


def test_stable_diffusion_cpp_is_found_by_its_list_whatever_model_is_set(server: ImageServer, sd_cpp: SdCpp) -> None:
    (look,) = remote(server).look()
    assert look.state == "ok"
    assert look.words.endswith("pictures will be drawn by stable-diffusion.cpp with its own model")


def test_a_server_is_asked_once_what_it_is(server: ImageServer, sd_cpp: SdCpp) -> None:
    engine = remote(server)
    engine.load()
    draw(engine)
    draw(engine)
    assert len(server.looked) == 1


def test_a_server_that_was_away_is_asked_again_what_it_is(server: ImageServer, sd_cpp: SdCpp) -> None:
    server.lists = lists(MODEL)
    engine = remote(server)
    engine.load()
    server.behaves(hangs_up)
    with capture_logs(), pytest.raises(Exception, match="cannot be reached"):
        draw(engine)
    server.behaves(sd_cpp)
    server.lists = sd_cpp.lists
    assert draw(engine).rgb[:3] == bytes(colour(7))


def test_no_picture_is_ordered_before_an_unreachable_server_has_told_what_it_is(server: ImageServer) -> None:
    server.lists = hangs_up
    with capture_logs(), pytest.raises(Exception, match="cannot be reached"):
        draw(remote(server))
    assert (len(server.looked), server.asked) == (4, [])


@pytest.mark.parametrize("behaviour", [says(404, {"detail": "Not Found"}), says(503, ""), hangs])
def test_a_server_without_a_list_draws_all_the_same(server: ImageServer, behaviour: image_server.Behaviour) -> None:
    server.lists = behaviour
    with capture_logs():
        assert draw(remote(server)).rgb[:3] == bytes(colour(7))
