"""The remote engine before servers that read orders as the real ones do."""

from collections.abc import Iterator
from typing import Any, Final

import httpx2
import pytest
from structlog.testing import capture_logs

from easel.domain.task import ErrorCode
from easel.engines.engine import Drawing, DrawingFailed, Pixels
from easel.engines.remote.engine import Remote, RemoteServers
from tests.support import image_server
from tests.support.image_server import MODEL, ImageServer, draws, hangs, hangs_up, lists, says
from tests.support.server_dialects import (
    Diffusers,
    Drew,
    LocalAI,
    SdCpp,
    SgLang,
    VllmOmni,
    colour,
    local_ai_refuses,
    vllm_refuses,
)  # fmt: skip

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
    assert "answers as stable-diffusion.cpp; pictures will be drawn by its own model, 'sd-cpp-local'" in look.words


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


ANY: Final = {"sd_cpp": SdCpp, "sglang": SgLang, "vllm_omni": VllmOmni, "local_ai": LocalAI}
"""The servers that draw whatever Easel orders."""


@pytest.mark.parametrize(("kind", "steps", "guidance"), [
    ("sd_cpp", 8, 1.0), ("sglang", 9, 0.0), ("vllm_omni", 9, 0.0), ("local_ai", 9, 1.0),
])  # fmt: skip
def test_each_server_draws_the_size_seed_and_steps_that_were_ordered(
    server: ImageServer, kind: str, steps: int, guidance: float
) -> None:
    dialect = ANY[kind]()
    server.behaves(dialect)
    server.lists = dialect.lists
    model = "z-image" if kind == "local_ai" else MODEL
    assert draw(remote(server, model=model), "a heron", seed=20_011).rgb[:3] == bytes(colour(20_011))
    assert dialect.drew == [Drew("a heron", 512, 384, 20_011, steps, guidance)]


@pytest.mark.parametrize("kind", ANY)
def test_the_check_finds_nothing_wrong_with_a_server_that_is_understood(server: ImageServer, kind: str) -> None:
    dialect = ANY[kind]()
    server.check, server.lists = dialect, dialect.lists
    (look,) = remote(server, model="z-image" if kind == "local_ai" else MODEL, check_timeout_s=20.0).look()
    assert look.state == "ok", look.words
    assert len(dialect.drew) == 3


def test_sglang_is_asked_for_a_format_without_loss(server: ImageServer) -> None:
    server.behaves(sglang := SgLang())
    server.lists = sglang.lists
    draw(remote(server))
    assert server.asked[0].body["output_format"] == "png"
    server.lists = lists(MODEL)
    draw(remote(server))
    assert "output_format" not in server.asked[1].body


def test_sglang_draws_with_its_model_whatever_it_is_called(server: ImageServer) -> None:
    server.lists = SgLang().lists
    (look,) = remote(server).look()
    assert (look.state, look.words) == (
        "ok", f"{server.url} answers as sglang-diffusion; pictures will be drawn by its own model, '/models/z'",
    )  # fmt: skip


def test_a_bar_in_a_prompt_does_not_divide_it_for_local_ai(server: ImageServer) -> None:
    server.behaves(local_ai := LocalAI())
    server.lists = local_ai.lists
    draw(remote(server, model="z-image"), "day | night")
    assert (local_ai.drew[0].prompt, local_ai.negative) == ("day \uff5c night", [])
    server.lists = lists(MODEL)
    draw(remote(server), "day | night")
    assert server.asked[1].body["prompt"] == "day | night"


@pytest.mark.parametrize(
    ("dialect", "model", "words"),
    [
        (VllmOmni(), "z-image", "answers as vllm-omni and does not list z-image, but 'Tongyi-MAI/Z-Image-Turbo'"),
        (LocalAI(), MODEL, "answers as LocalAI and does not list Tongyi-MAI/Z-Image-Turbo, but 'z-image'"),
    ],
)
def test_servers_that_mind_the_models_name_are_told_apart(
    server: ImageServer, dialect: VllmOmni | LocalAI, model: str, words: str
) -> None:
    server.behaves(dialect)
    server.lists = dialect.lists
    (look,) = remote(server, model=model).look()
    assert look.state == "warning"
    assert words in look.words


CUDA_MEMORY: Final = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.77 GiB"


@pytest.mark.parametrize(
    ("behaviour", "code", "message", "hint"),
    [
        (VllmOmni(model="other"), "service_error", "The image server refused Easel", "does not serve this model"),
        (VllmOmni(model="z-image", pixels_max=1000), "invalid_parameters", "Requested image size 512x384 exceeds the maximum allowed", None),
        (vllm_refuses(f"Image generation failed: {CUDA_MEMORY}", 500, "Internal Server Error"), "resource_exhausted", "memory", None),
        (vllm_refuses("EngineCore encountered an issue.", 500, "InternalServerError"), "service_unavailable", "failed", "500"),
        (vllm_refuses("The model `x` does not exist.", 404, "NotFoundError"), "service_error", "refused Easel", "this model"),
        (says(401, {"error": "Unauthorized"}), "service_error", "refused Easel", "EASEL_REMOTE_API_KEY"),
        (says(500, "Internal Server Error"), "service_unavailable", "The image server failed", "it answered 500"),
        (says(400, {"detail": "size must be formatted as positive WIDTHxHEIGHT"}), "invalid_parameters", "size must be", None),
        (says(422, {"detail": [{"type": "int_parsing", "loc": ["body", "seed"], "msg": "Input should be a valid integer",
                                "input": "x"}]}), "invalid_parameters", "Input should be a valid integer", None),
        (LocalAI(model="other"), "service_error", "refused Easel", "this model: check EASEL_REMOTE_MODEL"),
        (local_ai_refuses(403, 'model "z-image" is disabled and cannot be loaded.', "model_disabled"), "service_error",
         "refused Easel", "this model: check EASEL_REMOTE_MODEL"),
        (local_ai_refuses(500, f"rpc error: code = Unknown desc = {CUDA_MEMORY}", ""), "resource_exhausted", "memory", None),
        (local_ai_refuses(404, "Resource not found", ""), "service_error", "refused Easel", "check EASEL_REMOTE_URL"),
        (says(500, ""), "service_unavailable", "The image server failed", "it answered 500"),
        (says(400, {"error": "invalid params"}), "invalid_parameters", "invalid params", None),
        (says(400, {"error": "loaded model does not support img_gen"}), "service_error", "refused Easel", "this model"),
        (says(500, {"error": "server_error", "message": "out of memory"}), "resource_exhausted", "memory", None),
        (says(500, {"error": "generate_image returned no results"}), "service_unavailable", "failed", "500"),
        (says(500, {"detail": f"{CUDA_MEMORY}Traceback (most recent call last): x"}), "resource_exhausted", "memory", None),
    ],
)  # fmt: skip
def test_each_servers_errors_are_understood(
    server: ImageServer, behaviour: image_server.Behaviour, code: str, message: str, hint: str | None
) -> None:
    server.behaves(behaviour)
    with capture_logs() as logs, pytest.raises(DrawingFailed) as failed:
        draw(remote(server, model="z-image"))
    assert failed.value.code == ErrorCode(code)
    assert message in failed.value.message
    hints = [line["hint"] for line in logs if line["event"] == "remote_draw_failed"]
    assert (hints == []) if hint is None else (hint in hints[0])
    assert CUDA_MEMORY not in failed.value.message


def test_local_ai_is_asked_again_when_it_has_loaded_its_model(server: ImageServer) -> None:
    local_ai = LocalAI()
    loading = local_ai_refuses(503, 'model "z-image" is still loading', "model_loading", retry_after="1")
    server.behaves(loading, local_ai)
    server.lists = local_ai.lists
    with capture_logs() as logs:
        assert draw(remote(server, model="z-image")).rgb[:3] == bytes(colour(7))
    assert [line["event"] for line in logs] == ["remote_request_retried"]


def test_the_example_server_of_diffusers_draws_one_size_and_ignores_seeds_which_is_told(server: ImageServer) -> None:
    diffusers = Diffusers(server.url)
    server.behaves(diffusers)
    server.lists = diffusers.lists
    engine = remote(server)
    assert engine.draw(Drawing("a heron", 1024, 1024, 7), lambda *_: None).width_px == 1024
    server.behaves(diffusers)
    server.check = diffusers
    (look,) = remote(server, check_timeout_s=20.0).look()
    assert look.state == "warning"
    assert "does not draw the size that was ordered: The image server drew 1024x1024 pixels" in look.words


def test_a_link_to_another_name_of_the_same_server_says_what_to_set(server: ImageServer) -> None:
    diffusers = Diffusers(server.url.replace("127.0.0.1", "localhost"))
    server.behaves(diffusers)
    server.lists = diffusers.lists
    with capture_logs() as logs, pytest.raises(DrawingFailed, match="answered without a picture"):
        draw(remote(server))
    assert logs[-1]["hint"] == (
        "its answer links to another address (localhost): configure it to send b64_json, or links that begin with "
        f"{server.url}"
    )
