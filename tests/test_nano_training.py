"""A miniature training run, from pictures of things to an engine that draws, and what its parts promise."""

import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from training import captions, export, scenes, tokens, train
from training.autoencoder import Autoencoder
from training.cast import COARSE, FINE, Cast
from training.muon import orthogonal
from training.recipe import RECIPES
from training.run import saved
from training.things import BY_HAND
from training.transformer import Transformer, caption_positions, latent_positions
from training.transformer import rotation as rotation_in_training

from easel.engines.engine import Drawing
from easel.engines.nano import Nano, denoise, load, rotation
from easel.engines.nano_tokens import Tokenizer, plain

ROOT = Path(__file__).parent.parent
CAST = Cast(BY_HAND[:5])
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),  # the exporter warns of itself
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished miniature run, exported into `model`."""
    folder = tmp_path_factory.mktemp("training") / "run"
    train.main(["--scale", "tiny", "--folder", str(folder)])
    export.main(["--scale", "tiny", "--folder", str(folder), "--to", str(folder / "model")])
    return folder


def test_a_miniature_run_ends_in_an_engine_that_draws(folder: Path) -> None:
    nano = Nano(folder / "model")
    nano.load()
    pixels = nano.draw(Drawing("a cat on a beach", 520, 376, 3), lambda done, total: None)
    assert (pixels.width_px, pixels.height_px) == (520, 376)
    assert (folder / "curves.png").exists()
    assert (folder / "flow.png").exists()


def test_the_graphs_draw_what_the_trained_model_draws(folder: Path) -> None:
    coder, transformer = export.load(folder, "tiny")
    loaded = load(folder / "model")
    words, _ = loaded.tokenizer.tokens("a red dog at night", 64)
    drawn = torch.from_numpy(denoise(loaded, words, (7, 5), 11, lambda done, total: None))
    noise = np.random.Generator(np.random.Philox(11)).standard_normal((1, 35, 8), np.float32)
    latents = torch.from_numpy(noise).transpose(1, 2).reshape(1, 8, 5, 7)
    with torch.no_grad():
        context = transformer.read(torch.tensor([words]))
        shares = torch.linspace(1, 0, 9, dtype=torch.float64)
        times = (3 * shares / (1 + 2 * shares)).float()
        for now, then in pairwise(times):
            expected = transformer(latents, now[None], context, latent_positions(5, 7, latents.device))
            latents = latents + (then - now) * (latents - expected) / now
        picture = coder.decoder(latents)
        doubled = coder.decoder.doubler(picture)
    assert (drawn - latents).abs().max() < 0.02, "only the weights' half precision lies between them"
    shown = loaded.draw.run(None, {"latents": latents.numpy()})[0]
    assert abs(shown - picture.numpy()).max() < 0.01
    shown = loaded.double.run(None, {"picture": picture.numpy()})[0]
    assert abs(shown - doubled.numpy()).max() < 0.01


def test_a_finished_run_is_not_trained_again(folder: Path) -> None:
    before = (folder / "distil.pt").stat().st_mtime_ns
    train.main(["--scale", "tiny", "--folder", str(folder), "--stages", "decoder"])
    assert (folder / "distil.pt").stat().st_mtime_ns == before


def test_a_run_that_is_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    flow = ["--scale", "tiny", "--folder", str(folder), "--stages", "flow", "--samples"]
    stopped = subprocess.Popen([sys.executable, "-m", "training.train", *flow, "flow=1000000"], cwd=ROOT)
    try:
        deadline_s = time.monotonic() + 120
        while not (folder / "flow.pt").exists() and time.monotonic() < deadline_s:
            time.sleep(0.1)
        stopped.send_signal(signal.SIGTERM)
        assert stopped.wait(60) == 0
    finally:
        stopped.kill()
    done = saved(folder, "flow")
    assert done is not None
    train.main([*flow, f"flow={done['samples'] + 16}"])
    further = saved(folder, "flow")
    assert further is not None
    assert (further["samples"], further["steps"]) == (done["samples"] + 16, done["steps"] + 2)


def test_the_engine_cuts_texts_into_the_tokens_of_training(folder: Path) -> None:
    library = tokens.make(folder / "tokenizer.json", CAST, 400, 1)
    facts = tokens.merges_of(folder / "tokenizer.json")
    own = Tokenizer(facts["words"], facts["merges"])  # type: ignore[arg-type]
    rng = random.Random(4)
    texts = [captions.write(rng, scenes.pick(rng, CAST, (6, 6))) for _ in range(200)]
    for text in [*texts, "", "😀 ok", "Ünïcödé  ﬁne", "ฉันรักแมว", "a\n\tb", "1234567890", "猫" * 50]:
        assert own.tokens(text, 10_000)[0][:-1] == library.encode(plain(text)).ids


def test_positions_are_the_same_in_both() -> None:
    rows, columns = np.divmod(np.arange(12), 4)
    cos, sin = rotation(rows, columns, 5, (4, 6, 6))
    here = torch.device("cpu")
    positions = torch.cat([latent_positions(3, 4, here), caption_positions(5, here)])
    for mine, theirs in zip((cos, sin), rotation_in_training(positions, (4, 6, 6)), strict=True):
        assert abs(mine - theirs.numpy()).max() < 1e-5


def test_scenes_stay_inside_their_picture_and_keep_what_is_reserved() -> None:
    rng = random.Random(2)
    for grid in (*COARSE, *FINE):
        for _ in range(200):
            scene = scenes.pick(rng, Cast(BY_HAND), grid)
            assert captions.write(rng, scene)
            for slot in scene.slots:
                assert slot.size in scenes.SIZES_TOKENS
                assert 0 <= slot.left <= grid[0] - slot.size
                assert 0 <= slot.top <= grid[1] - slot.size
                assert not scenes.reserved_colour(slot.thing, slot.colour)


def test_no_recipe_makes_a_model_larger_than_is_allowed() -> None:
    for recipe in RECIPES.values():
        shipped = (Transformer(recipe.transformer_shape), Autoencoder(recipe.autoencoder_shape).decoder)
        assert sum(weight.numel() for part in shipped for weight in part.parameters()) <= 19_000_000


def test_what_is_small_is_smaller_and_what_is_big_is_bigger_than_ordinary_on_every_square() -> None:
    for grid in (next(iter(COARSE)), next(iter(FINE))):
        sizes = [scenes.size_alone(word, grid) for word in ("small", "", "big")]
        assert sizes == sorted(set(sizes))


def test_guidance_is_not_distilled_from_nothing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="flow"):
        train.main(["--scale", "tiny", "--folder", str(tmp_path / "run"), "--stages", "distil"])


def test_a_step_of_muon_is_nearly_orthogonal() -> None:
    matrices = torch.randn(2, 16, 48, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonal(matrices))
    assert values.min() > 0.3
    assert values.max() < 1.7
