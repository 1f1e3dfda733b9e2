"""Pictures are preprocessed as by transformers, and its own folders give its own scores."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForImageClassification,
    CLIPImageProcessorPil,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from easel.domain.moderation.decision import Category
from easel.outside.judges.classifier.classifier import PictureClassifier
from easel.outside.judges.classifier.folder import ClassifierUnusable, read_folder
from easel.outside.judges.classifier.pixels import prepared
from tests.support.tiny_classifiers import SIDE_PX, noise

LABELS = {0: "normal", 1: "nsfw", 2: "gore"}


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny ViT with random weights, as transformers saves it."""
    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(7)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=SIDE_PX,
        patch_size=8, id2label=LABELS, label2id={label: number for number, label in LABELS.items()},
        initializer_range=0.5,
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": SIDE_PX, "width": SIDE_PX}).save_pretrained(folder)
    return folder


def opened(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file))


@pytest.mark.parametrize(
    "processor",
    [
        ViTImageProcessorPil(),
        ViTImageProcessorPil(size={"height": 96, "width": 160}, resample=3),
        ViTImageProcessorPil(size=64, resample=1, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]),
        ViTImageProcessorPil(do_normalize=False, resample=0),
        ViTImageProcessorPil(do_rescale=False, do_normalize=False, resample=5),
        ViTImageProcessorPil(size=128, do_center_crop=True, crop_size={"height": 112, "width": 101}),
        ViTImageProcessorPil(size=100, do_center_crop=True, crop_size=129),
        CLIPImageProcessorPil(),
        CLIPImageProcessorPil(size={"shortest_edge": 77}, crop_size={"height": 70, "width": 64}),
    ],
)
@pytest.mark.parametrize("size_px", [(640, 480), (333, 517), (50, 50)])
def test_preprocessing_equals_that_of_transformers(
    tmp_path: Path, vit: Path, processor: Any, size_px: tuple[int, int]
) -> None:
    processor.save_pretrained(tmp_path)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).symlink_to(vit / name)
    file = noise(*size_px)
    theirs = processor(opened(file), return_tensors="np")["pixel_values"]
    ours = prepared(file, read_folder(tmp_path).preparation)
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape
    scale = max(1.0, float(np.abs(theirs).max()))
    assert float(np.abs(ours - theirs).max()) <= 1e-5 * scale


@pytest.mark.parametrize("colour_mode", ["RGB", "L", "RGBA", "P"])
def test_pictures_of_every_mode_become_rgb(vit: Path, colour_mode: str) -> None:
    file = io.BytesIO()
    opened(noise(90, 70)).convert(colour_mode).save(file, "PNG")
    assert prepared(file.getvalue(), read_folder(vit).preparation).shape == (1, 3, SIDE_PX, SIDE_PX)


def test_scores_equal_those_of_transformers(vit: Path) -> None:
    model = AutoModelForImageClassification.from_pretrained(vit).eval()
    processor = ViTImageProcessorPil.from_pretrained(vit)
    one = PictureClassifier(vit)
    one.load()
    seen: set[float] = set()
    for seed in range(3):
        file = noise(200, 120, seed)
        with torch.inference_mode():
            logits = model(**processor(opened(file), return_tensors="pt")).logits
        _, nsfw, gore = logits.softmax(-1)[0].tolist()
        expected: Mapping[str, Any] = {
            Category.SEXUAL: pytest.approx(nsfw, abs=1e-5),
            Category.VIOLENCE_GRAPHIC: pytest.approx(gore, abs=1e-5),
        }
        assert one.scores(file) == expected
        seen.add(round(nsfw, 4))
    assert len(seen) > 1


def test_incomplete_weights_are_refused(tmp_path: Path, vit: Path) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).symlink_to(vit / name)
    weights = load_file(vit / "model.safetensors")
    save_file({key: value for key, value in weights.items() if "classifier" not in key}, tmp_path / "model.safetensors")
    with pytest.raises(ClassifierUnusable, match=r"lacks weights that its config\.json requires"):
        PictureClassifier(tmp_path).load()
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ClassifierUnusable, match="transformers cannot load"):
        PictureClassifier(tmp_path).load()
