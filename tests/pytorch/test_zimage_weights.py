"""The sources of the zimage engine's weights: whole and damaged folders, a hub on loopback, and no hub."""

import hashlib
import re
import runpy
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# These tests need the gpu extra and are skipped without it.
pytest.importorskip("torch", reason="the gpu extra is not installed")

import torch
from tools import tiny_split_files

from easel.engines.engine import Drawing, EngineUnusable
from easel.engines.zimage import published
from easel.engines.zimage.checkpoint import in_folder
from easel.engines.zimage.devices import devices, pick, pick_precision, require_memory, text_device
from easel.engines.zimage.engine import ZImage
from easel.engines.zimage.look import look_at_files
from easel.engines.zimage.published import Published
from easel.settings.fields.drawing import HUB_MODEL
from tests.support.model_hub import COMMIT, MODEL, HubServer
from tests.support.paths import ROOT

TINY = ROOT / "tools" / "tiny_checkpoint.py"
NOWHERE = "http://127.0.0.1:9"
"""The discard port: nothing listens there."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zimage") / "tiny"
    runpy.run_path(str(TINY))["build"](folder)
    return folder


@pytest.fixture
def checkpoint(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(built, tmp_path / "checkpoint"))


@pytest.fixture
def hub(checkpoint: Path) -> Iterator[HubServer]:
    server = HubServer(checkpoint)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    yield server
    server.shutdown()
    serving.join()
    server.server_close()


def draws(engine: ZImage) -> bool:
    engine.load()
    return bool(engine.draw(Drawing("a heron", 376, 376, 7), lambda steps_done, steps_total: None).rgb)


def refusal(model: str | Path, **options: Any) -> str:
    with pytest.raises(EngineUnusable) as raised:
        ZImage(str(model), "cpu", **options).load()
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("model", ["/no/such/folder", "./no-such-folder", "no-such-folder", "a/b/c", "a/", "../a", ""])
def test_a_missing_folder_is_not_looked_up_on_the_hub(model: str, hub: HubServer, tmp_path: Path) -> None:
    assert "model_index.json and" in refusal(tmp_path, hub_url=hub.url)
    if model:
        assert f"The folder {model} does not exist: " in refusal(model, hub_url=hub.url, cache_folder=tmp_path)
    assert hub.asked == []


@pytest.mark.parametrize(
    "name",
    [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "tokenizer/tokenizer.json",
        "text_encoder/model.safetensors",
        "transformer/config.json",
        "transformer/diffusion_pytorch_model-00002-of-00003.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    ],
)
def test_an_incomplete_folder_is_refused_with_the_name_of_the_missing_file(checkpoint: Path, name: str) -> None:
    (checkpoint / name).unlink()
    assert f": {name} is missing. " in refusal(checkpoint)


def damage_index(folder: Path) -> None:
    (folder / "transformer/diffusion_pytorch_model.safetensors.index.json").write_text('{"weight_map": {"a": "../b"}}')


def truncate_weights(folder: Path) -> None:
    weights = folder / "text_encoder/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])


def replace_weights(folder: Path) -> None:
    (folder / "vae/diffusion_pytorch_model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")


def empty_weights(folder: Path) -> None:
    (folder / "vae/diffusion_pytorch_model.safetensors").write_bytes(b"")


def swap_parts(folder: Path) -> None:
    shutil.copy(folder / "text_encoder/model.safetensors", folder / "vae/diffusion_pytorch_model.safetensors")


def change_size(folder: Path) -> None:
    config = folder / "transformer/config.json"
    config.write_text(config.read_text().replace('"dim": 64', '"dim": 128'))


def name_another_pipeline(folder: Path) -> None:
    (folder / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')


def garble_config(folder: Path) -> None:
    (folder / "vae/config.json").write_text("{")


def garble_tokenizer(folder: Path) -> None:
    (folder / "tokenizer/tokenizer.json").write_text("[]")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (damage_index, "index.json is damaged"),
        (truncate_weights, "model.safetensors does not have the length that its header states"),
        (replace_weights, "diffusion_pytorch_model.safetensors is not a safetensors file"),
        (empty_weights, "diffusion_pytorch_model.safetensors is not a safetensors file"),
        (swap_parts, "vae is another autoencoder than Z-Image-Turbo's"),
        (change_size, "do not add up to a head"),
        (name_another_pipeline, "contains FluxPipeline, not ZImagePipeline"),
        (garble_config, "vae/config.json cannot be read"),
        (garble_tokenizer, "cannot be loaded"),
    ],
)
def test_a_damaged_folder_is_refused(checkpoint: Path, damage: Callable[[Path], None], named: str) -> None:
    damage(checkpoint)
    assert named in refusal(checkpoint)


def test_pickled_weights_are_not_used(checkpoint: Path) -> None:
    weights = checkpoint / "vae/diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    assert "vae/diffusion_pytorch_model.safetensors is missing" in refusal(checkpoint)


def test_parameters_are_counted_without_loading_them(checkpoint: Path) -> None:
    # Four bytes each, and the rest is headers.
    weights_bytes = sum(file.stat().st_size for file in checkpoint.rglob("*.safetensors"))
    assert 0.95 < in_folder(checkpoint).count_parameters() * 4 / weights_bytes < 1


def test_a_hub_model_is_downloaded_once_and_only_as_far_as_needed(
    hub: HubServer, checkpoint: Path, tmp_path: Path
) -> None:
    unneeded = ["README.md", "assets/a.png", "transformer/model.bin", "text_encoder/modeling.py", "tokenizer/code.py"]
    (checkpoint / "assets").mkdir()
    for name in unneeded:
        (checkpoint / name).write_text("not for us")
    cache = tmp_path / "cache"
    assert draws(ZImage(MODEL, "cpu", cache_folder=cache, hub_url=hub.url))
    fetched = {path.removeprefix(f"/{MODEL}/resolve/{COMMIT}/") for path in hub.asked}
    assert fetched.isdisjoint(unneeded)
    assert "transformer/diffusion_pytorch_model-00002-of-00003.safetensors" in fetched
    hub.asked.clear()
    assert draws(ZImage(MODEL, "cpu", cache_folder=cache, hub_url=hub.url))
    assert hub.asked == [], "the second time nobody is asked"
    assert draws(ZImage(MODEL, "cpu", cache_folder=cache, hub_url=NOWHERE))


def test_a_partial_download_is_completed_when_the_hub_is_reachable(hub: HubServer, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    ZImage(MODEL, "cpu", cache_folder=cache, hub_url=hub.url).load()
    lost = next(cache.rglob("diffusion_pytorch_model-00001-of-00003.safetensors"))
    lost.resolve().unlink()
    lost.unlink()
    assert "connect this machine to the hub" in refusal(MODEL, cache_folder=cache, hub_url=NOWHERE)
    assert draws(ZImage(MODEL, "cpu", cache_folder=cache, hub_url=hub.url))


@pytest.fixture
def published_tiny(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    """The tiny model as the one that Easel knows by revision and digests."""
    large = [*checkpoint.rglob("*.safetensors"), checkpoint / "tokenizer/tokenizer.json"]
    digests = {str(file.relative_to(checkpoint)): hashlib.sha256(file.read_bytes()).hexdigest() for file in large}
    made = Published(MODEL, COMMIT, digests, 0, is_split=False)
    monkeypatch.setattr(published, "MODELS", {MODEL: made})
    return made


def test_the_published_model_is_downloaded_at_its_revision_and_compared_with_its_digests(
    hub: HubServer, published_tiny: Published, tmp_path: Path
) -> None:
    weights = hub.folder / "vae/diffusion_pytorch_model.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    options: dict[str, Any] = {"cache_folder": tmp_path / "cache", "hub_url": hub.url}
    sentence = refusal(MODEL, **options)
    assert "vae/diffusion_pytorch_model.safetensors of the download did not have the published SHA-256" in sentence
    assert f"/api/models/{MODEL}/revision/{COMMIT}" in hub.asked
    weights.write_bytes(good)
    hub.asked.clear()
    ZImage(MODEL, "cpu", **options).load()
    assert {path for path in hub.asked if path.endswith(".safetensors")} == {
        f"/{MODEL}/resolve/{COMMIT}/vae/diffusion_pytorch_model.safetensors"
    }, "only the deleted file is downloaded again"


def test_another_revision_that_is_on_this_machine_is_used(
    hub: HubServer, published_tiny: Published, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setattr(published, "MODELS", {})
    ZImage(MODEL, "cpu", cache_folder=cache, hub_url=hub.url).load()
    another = Published(MODEL, "f" * 40, published_tiny.digests, 0, is_split=False)
    monkeypatch.setattr(published, "MODELS", {MODEL: another})
    assert draws(ZImage(MODEL, "cpu", cache_folder=cache, hub_url=NOWHERE))


@pytest.fixture
def published_split(hub: HubServer, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    """The tiny model in ComfyUI's files as the one that Easel downloads if none is named."""
    hub.folder = tmp_path / "split"
    tiny_split_files.split(built, hub.folder)
    files = [file for file in hub.folder.rglob("*") if file.is_file()]
    digests = {str(file.relative_to(hub.folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    made = Published(MODEL, COMMIT, digests, 0, is_split=True)
    monkeypatch.setattr(published, "MODELS", {MODEL: made})
    monkeypatch.setattr(published, "DEFAULT", made)
    return made


def test_split_files_are_downloaded_without_anything_else_and_compared_with_their_digests(
    hub: HubServer, published_split: Published, tmp_path: Path
) -> None:
    (hub.folder / "diffusion_models/z_image_turbo_nvfp4.safetensors").write_text("not for us")
    options: dict[str, Any] = {"cache_folder": tmp_path / "cache", "hub_url": hub.url}
    transformer = hub.folder / "diffusion_models/z_image_turbo_bf16.safetensors"
    good = transformer.read_bytes()
    transformer.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert "z_image_turbo_bf16.safetensors of the download did not have the published" in refusal(MODEL, **options)
    transformer.write_bytes(good)
    assert draws(ZImage(MODEL, "cpu", **options))
    assert not any("nvfp4" in path for path in hub.asked)
    assert draws(ZImage(MODEL, "cpu", cache_folder=tmp_path / "cache", hub_url=NOWHERE))


def test_what_an_earlier_version_downloaded_is_used_if_no_model_is_named(
    hub: HubServer, checkpoint: Path, published_split: Published, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub.folder = checkpoint
    monkeypatch.setattr(published, "MODELS", {})
    ZImage(MODEL, "cpu", cache_folder=tmp_path / "cache", hub_url=hub.url).load()
    monkeypatch.setattr(published, "TURBO", Published(MODEL, COMMIT, {}, 0, is_split=False))
    monkeypatch.setattr(published, "DEFAULT", Published("easel-tests/split", COMMIT, {"a": "0"}, 0, is_split=True))
    assert draws(ZImage("easel-tests/split", "cpu", cache_folder=tmp_path / "cache", hub_url=NOWHERE))


@pytest.mark.parametrize(
    ("known", "files", "download"), [(published.TURBO, 8, "32.8 GB"), (published.DEFAULT, 3, "20.7 GB")]
)
def test_published_models_have_a_revision_and_a_digest_for_each_large_file(
    known: Published, files: int, download: str
) -> None:
    assert published.DEFAULT.model == HUB_MODEL
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in known.digests.values())
    assert len({*known.digests.values()}) == len(known.digests) == files
    assert re.fullmatch(r"[0-9a-f]{40}", known.revision)
    (found,) = look_at_files(known.model, None)
    assert f"revision {known.revision}; the first use downloads {download}" in found.words


def test_without_network_the_error_says_what_to_do(tmp_path: Path) -> None:
    sentence = refusal("Tongyi-MAI/Z-Image-Turbo", cache_folder=tmp_path, hub_url=NOWHERE)
    assert "Tongyi-MAI/Z-Image-Turbo is not on this machine and cannot be downloaded" in sentence
    assert "set EASEL_MODEL to its folder" in sentence


def test_a_model_that_the_hub_does_not_have_is_named_in_the_error(hub: HubServer, tmp_path: Path) -> None:
    sentence = refusal("easel-tests/unknown", cache_folder=tmp_path, hub_url=hub.url)
    assert sentence.startswith("The hub has no model easel-tests/unknown that you may read")


def test_a_model_larger_than_the_disk_is_not_downloaded(hub: HubServer, tmp_path: Path) -> None:
    hub.pretended_bytes["vae/diffusion_pytorch_model.safetensors"] = 10**18
    cache = tmp_path / "cache"
    assert "takes 1000000000.0 GB" in refusal(MODEL, cache_folder=cache, hub_url=hub.url)
    assert not list(cache.rglob("*.safetensors"))


def test_a_missing_device_is_refused_with_the_choices(checkpoint: Path) -> None:
    with pytest.raises(EngineUnusable, match=r"This machine has no device 'cuda:99': choose one of auto, .*cpu"):
        ZImage(str(checkpoint), "cuda:99").load()


def test_the_tiny_checkpoint_is_reproducible_and_replaces_an_existing_one(built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "tiny"
    folder.mkdir(parents=True)
    (folder / "stale").touch()
    runpy.run_path(str(TINY))["build"](folder)
    names = sorted(str(file.relative_to(built)) for file in built.rglob("*"))
    assert sorted(str(file.relative_to(folder)) for file in folder.rglob("*")) == names
    assert all(
        (folder / name).read_bytes() == (built / name).read_bytes() for name in names if (built / name).is_file()
    )
    assert list(folder.parent.iterdir()) == [folder]


def test_tasks_at_once_depend_only_on_the_device() -> None:
    assert ZImage("any", "cpu").tasks_at_once == 1
    assert ZImage("any", "cuda:1").tasks_at_once == 2
    assert ZImage("any", "mps").tasks_at_once == 2


def test_every_listed_device_can_be_chosen() -> None:
    assert devices()
    assert [str(pick(name)) for name in devices()] == devices()
    assert str(pick("auto")) == devices()[0]


@pytest.mark.parametrize(
    ("wanted", "device", "parameters", "expected"),
    [
        ("auto", "cpu", 1_000_000, torch.float32),
        ("auto", "cpu", 10_260_000_000, torch.bfloat16),
        ("float32", "cuda:0", 10_260_000_000, torch.float32),
        ("bfloat16", "cpu", 1_000_000, torch.bfloat16),
    ],
)
def test_the_precision_suits_the_device_and_the_model(
    wanted: str, device: str, parameters: int, expected: torch.dtype
) -> None:
    assert pick_precision(wanted, torch.device(device), parameters) == expected


def test_low_gpu_memory_keeps_the_text_encoder_off_a_gpu_and_has_no_effect_elsewhere(checkpoint: Path) -> None:
    assert text_device("low", torch.device("cuda:0"), 1_000_000) == torch.device("cpu")
    for level in ("auto", "low"):
        assert [str(text_device(level, torch.device(name), 10**15)) for name in ("cpu", "mps")] == ["cpu", "mps"]
    assert draws(ZImage(str(checkpoint), "cpu", gpu_memory="low"))


def test_a_model_larger_than_the_memory_is_refused_before_loading() -> None:
    require_memory(torch.device("cpu"), 1_000_000, "bf16")
    with pytest.raises(EngineUnusable, match=r"The model takes 1000000.0 GB and cpu has"):
        require_memory(torch.device("cpu"), 10**15, "int8")
