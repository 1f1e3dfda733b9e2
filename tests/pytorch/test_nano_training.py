"""A miniature training run, from pictures of things to an engine that draws, and its parts."""

import random
import re
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from training import captions, evaluate, export, questions, scenes, tokens, train
from training.autoencoder import Autoencoder
from training.cast import Cast
from training.muon import orthogonal
from training.recipe import RECIPES
from training.run import saved
from training.things import BY_HAND
from training.transformer import Transformer, caption_positions, latent_positions
from training.transformer import rotation as rotation_in_training

from easel.engines.engine import Drawing
from easel.engines.nano.engine import Nano, denoise, load, rotation
from easel.engines.nano.tokens import Tokenizer, plain
from tests.support.paths import ROOT

CAST = Cast(BY_HAND[:5])
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),  # the exporter issues warnings about itself
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished miniature run, exported into `model`."""
    folder = tmp_path_factory.mktemp("training") / "run"
    train.main(["--scale", "tiny", "--folder", str(folder)])
    export.main(["--scale", "tiny", "--folder", str(folder), "--to", str(folder / "model")])
    return folder


def test_a_miniature_run_produces_an_engine_that_draws(folder: Path) -> None:
    nano = Nano(folder / "model")
    nano.load()
    pixels = nano.draw(Drawing("a cat on a beach", 520, 376, 3), lambda done, total: None)
    assert (pixels.width_px, pixels.height_px) == (520, 376)
    assert (folder / "curves.png").exists()
    assert (folder / "flow.png").exists()


@pytest.fixture(scope="module")
def shaken(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported run with random weights everywhere. Training leaves some near zero, which would hide errors."""
    shaken = tmp_path_factory.mktemp("shaken")
    shutil.copy(folder / "tokenizer.json", shaken)
    coder, transformer = export.load(folder, "tiny")
    chance = torch.Generator().manual_seed(5)
    for part in (coder.decoder, transformer):
        for weight in part.parameters():
            weight.data = torch.randn(weight.shape, generator=chance) / max(1, weight[0].numel()) ** 0.5
    torch.save({"model": coder.state_dict()}, shaken / "decoder.pt")
    torch.save({"average": transformer.state_dict(), "samples": 0}, shaken / "flow.pt")
    export.main(["--scale", "tiny", "--folder", str(shaken), "--to", str(shaken / "model")])
    return shaken


def _drawn_by_pytorch(transformer: Transformer, words: list[int], grid: tuple[int, int], seed: int) -> torch.Tensor:
    width, height = grid
    noise = np.random.Generator(np.random.Philox(seed)).standard_normal((1, width * height, 8), np.float32)
    latents = torch.from_numpy(noise).transpose(1, 2).reshape(1, 8, height, width)
    context = transformer.read(torch.tensor([words]))
    shares = torch.linspace(1, 0, 9, dtype=torch.float64)
    for now, then in pairwise((3 * shares / (1 + 2 * shares)).float()):
        expected = transformer(latents, now[None], context, latent_positions(height, width, latents.device))
        latents = latents + (then - now) * (latents - expected) / now
    return latents


def _apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max() / other.std())


@pytest.mark.parametrize("grid", [(7, 5), (3, 3), (4, 9), (16, 4)], ids=str)
def test_the_exported_graphs_draw_the_same_as_the_trained_model(shaken: Path, grid: tuple[int, int]) -> None:
    coder, transformer = export.load(shaken, "tiny")
    loaded = load(shaken / "model")
    words, _ = loaded.tokenizer.tokens("a red dog at night", 64)
    other_words, _ = loaded.tokenizer.tokens("two fish", 64)
    drawn = torch.from_numpy(denoise(loaded, words, grid, 11, lambda done, total: None))
    with torch.no_grad():
        latents = _drawn_by_pytorch(transformer, words, grid, 11)
        other = _drawn_by_pytorch(transformer, other_words, grid, 11)
        picture = coder.decoder(latents)
        doubled = coder.decoder.doubler(picture)
    assert _apart(drawn, latents) < 0.01, "only the weights' half precision lies between them"
    assert _apart(drawn, other) > 0.05, "the prompt decides"
    shown = torch.from_numpy(loaded.draw.run(None, {"latents": latents.numpy()})[0])
    assert _apart(shown, picture) < 0.02
    shown = torch.from_numpy(loaded.double.run(None, {"picture": picture.numpy()})[0])
    assert _apart(shown, doubled) < 0.02


def test_a_finished_run_is_not_repeated(folder: Path) -> None:
    files = [folder / f"{name}.pt" for name in ("flow", "distil", "decoder")]
    before = [file.stat().st_mtime_ns for file in files]
    train.main(["--scale", "tiny", "--folder", str(folder)])
    assert [file.stat().st_mtime_ns for file in files] == before


def test_a_distillation_of_an_earlier_flow_is_not_reused(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    train.main(["--scale", "tiny", "--folder", str(run), "--stages", "flow", "--samples", "flow=112"])
    flow = saved(run, "flow")
    assert flow is not None
    used = export.load(run, "tiny")[1].state_dict()
    assert all(torch.equal(used[name], weight) for name, weight in flow["average"].items())
    train.main(["--scale", "tiny", "--folder", str(run), "--stages", "distil"])
    distilled = saved(run, "distil")
    assert distilled is not None
    assert (distilled["teacher_samples"], distilled["samples"]) == (112, 16)


def test_an_evaluation_writes_a_table_and_a_sheet(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "OF_EACH", 6)
    given = ["--scale", "tiny", "--model", str(folder / "model"), "--folder", str(tmp_path), "--judge-samples", "64"]
    evaluate.main(given)
    assert re.fullmatch(
        r"\| asked for .*\n\|-.*\n(\| (thing|colour|count|position) \| [0-9.]+% \| [0-9.]+% \|\n){4}",
        (tmp_path / "table.md").read_text(encoding="utf-8"),
    )
    assert (tmp_path / "contact.png").exists()


def test_a_stopped_run_resumes_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    flow = ["--scale", "tiny", "--folder", str(folder), "--stages", "flow", "--samples"]
    stopped = subprocess.Popen([sys.executable, "-m", "training.train", *flow, "flow=1000000"], cwd=ROOT)
    try:
        deadline_s = time.monotonic() + 120
        while not (folder / "flow.pt").exists() and time.monotonic() < deadline_s:
            time.sleep(0.1)
        stopped.send_signal(signal.SIGTERM)
        assert stopped.wait(60) == 1, "nothing may go on with half a model"
    finally:
        stopped.kill()
    done = saved(folder, "flow")
    assert done is not None
    train.main([*flow, f"flow={done['samples'] + 16}"])
    further = saved(folder, "flow")
    assert further is not None
    assert (further["samples"], further["steps"]) == (done["samples"] + 16, done["steps"] + 2)


def test_the_engine_tokenizes_like_the_training(folder: Path) -> None:
    library = tokens.make(folder / "tokenizer.json", CAST, 400, 1, 3000)
    facts = tokens.merges_of(folder / "tokenizer.json")
    own = Tokenizer(facts["words"], facts["merges"])  # type: ignore[arg-type]
    rng = random.Random(4)
    texts = [captions.write(rng, scenes.pick(rng, CAST, (6, 6))) for _ in range(200)]
    for text in [*texts, "", "😀 ok", "Ünïcödé  ﬁne", "ฉันรักแมว", "a\n\tb", "1234567890", "猫" * 50]:
        assert own.tokens(text, 10_000)[0][:-1] == library.encode(plain(text)).ids


def test_positions_are_the_same_in_engine_and_training() -> None:
    rows, columns = np.divmod(np.arange(12), 4)
    cos, sin = rotation(rows, columns, 5, (4, 6, 6))
    here = torch.device("cpu")
    positions = torch.cat([latent_positions(3, 4, here), caption_positions(5, here)])
    for mine, theirs in zip((cos, sin), rotation_in_training(positions, (4, 6, 6)), strict=True):
        assert abs(mine - theirs.numpy()).max() < 1e-5


def test_no_recipe_makes_a_model_larger_than_allowed() -> None:
    for recipe in RECIPES.values():
        shipped = (Transformer(recipe.transformer_shape), Autoencoder(recipe.autoencoder_shape).decoder)
        assert sum(weight.numel() for part in shipped for weight in part.parameters()) <= 19_000_000


def test_guidance_is_not_distilled_without_a_teacher(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="flow"):
        train.main(["--scale", "tiny", "--folder", str(tmp_path / "run"), "--stages", "distil"])


def test_a_muon_update_is_nearly_orthogonal() -> None:
    matrices = torch.randn(2, 16, 48, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonal(matrices))
    assert values.min() > 0.3
    assert values.max() < 1.7
