"""Picture classifiers: reading their folders, running them and understanding their labels, with tiny real models."""

import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from structlog.testing import capture_logs

from easel.domain.moderation.decision import Category, Layer, LayerFailed
from easel.outside.judges.classifier.classifier import PictureClassifier
from easel.outside.judges.classifier.folder import ClassifierUnusable
from tests.support.command_line import environment
from tests.support.tiny_classifiers import SIDE_PX, classifier, colour_model, noise, painted

RED_OR_NOT: Final = ((0, 0, 0), (4, 0, 0))
"""Weights that give two logits: 0, and 4 for pure red or -4 for no red."""
TIMM: Final[Mapping[str, Any]] = {
    "architecture": "vit_tiny_patch16_384",
    "num_classes": 2,
    "label_names": ["NSFW", "SFW"],
    "pretrained_cfg": {
        "input_size": [3, SIDE_PX, SIDE_PX],
        "interpolation": "bicubic",
        "crop_pct": 1.0,
        "crop_mode": "center",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
    },
}


def logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def loaded(folder: Path) -> PictureClassifier:
    one = PictureClassifier(folder)
    one.load()
    return one


def unusable(folder: Path) -> str:
    with pytest.raises(ClassifierUnusable) as refused:
        PictureClassifier(folder).load()
    return str(refused.value)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
@pytest.mark.parametrize("at", ["model.onnx", "onnx/model.onnx"])
def test_a_model_scores_the_pixels_of_the_picture(tmp_path: Path, at: str, file_format: str) -> None:
    one = loaded(classifier(tmp_path, ["normal", "nsfw"], colour_model(RED_OR_NOT), at=at))
    assert one.scores(painted("red", file_format=file_format)) == {
        Category.SEXUAL: pytest.approx(logistic(4), abs=1e-4)
    }
    assert one.scores(painted("blue", file_format=file_format)) == {
        Category.SEXUAL: pytest.approx(logistic(-4), abs=1e-4)
    }


def test_scores_of_mutually_exclusive_labels_are_added_by_category(tmp_path: Path) -> None:
    labels = ["drawings", "hentai", "neutral", "porn", "sexy", "Gore"]
    one = loaded(classifier(tmp_path, labels, colour_model([(1, 0, 0)] * 5 + [(0, 0, 0)])))
    share = math.e / (5 * math.e + 1)
    assert one.scores(painted("red")) == {
        Category.SEXUAL: pytest.approx(2 * share, abs=1e-4),
        Category.VIOLENCE_GRAPHIC: pytest.approx(1 - 5 * share, abs=1e-4),
    }


def test_labels_of_a_multi_label_model_are_scored_independently(tmp_path: Path) -> None:
    config = {"problem_type": "multi_label_classification"}
    weights = [(3, 0, 0), (1, 0, 0), (0, 2, 0), (2, 0, 0), (900, 0, 0)]
    labels = ["explicit", "nudity", "hate-symbols", "Self Harm", "cats"]
    one = loaded(classifier(tmp_path, labels, colour_model(weights), config=config))
    assert one.scores(painted("red")) == {
        Category.SEXUAL: pytest.approx(logistic(3), abs=1e-4),
        Category.HATE: pytest.approx(logistic(-2), abs=1e-4),
        Category.SELF_HARM: pytest.approx(logistic(2), abs=1e-4),
    }


def test_no_second_softmax_is_applied_to_a_model_that_ends_in_one(tmp_path: Path) -> None:
    one = loaded(classifier(tmp_path, ["sfw", "nsfw"], colour_model(RED_OR_NOT, ends_in_softmax=True)))
    assert one.scores(painted("red"))[Category.SEXUAL] == pytest.approx(logistic(4), abs=1e-4)


def test_a_half_precision_model_gets_half_precision_input(tmp_path: Path) -> None:
    one = loaded(classifier(tmp_path, ["sfw", "nsfw"], colour_model(RED_OR_NOT, element=TensorProto.FLOAT16)))
    assert one.scores(painted("red"))[Category.SEXUAL] == pytest.approx(logistic(4), abs=1e-2)


def test_a_folder_in_timms_format_works_with_an_onnx_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(TIMM))
    onnx.save(colour_model(RED_OR_NOT[::-1]), str(tmp_path / "model.onnx"))
    assert loaded(tmp_path).scores(painted("red")) == {Category.SEXUAL: pytest.approx(logistic(4), abs=1e-4)}


def test_the_version_depends_on_the_config_and_on_every_weight_file(tmp_path: Path) -> None:
    folder = classifier(tmp_path, ["sfw", "nsfw"], colour_model(RED_OR_NOT))
    content = (folder / "config.json").read_bytes() + (folder / "model.onnx").read_bytes()
    assert loaded(folder).version == hashlib.sha256(content).hexdigest()[:12]
    (folder / "model.onnx.data").write_bytes(b"more")
    assert loaded(folder).version == hashlib.sha256(content + b"more").hexdigest()[:12]


def test_the_log_says_what_the_labels_stand_for(tmp_path: Path) -> None:
    folder = classifier(tmp_path, ["neutral", "porn", "odd"], colour_model([(0, 0, 0)] * 3))
    with capture_logs() as logs:
        one = loaded(folder)
    (line,) = logs
    assert (line["event"], line["version"], line["labels"]) == ("classifier_loaded", one.version, {"porn": "sexual"})


@pytest.mark.parametrize("file", [b"", b"no picture", noise(64, 48)[:200], b"GIF89a" + bytes(50)])
def test_a_file_that_is_not_a_picture_is_a_failure(tmp_path: Path, file: bytes) -> None:
    one = loaded(classifier(tmp_path, ["sfw", "nsfw"], colour_model(RED_OR_NOT)))
    with pytest.raises(LayerFailed, match="cannot read the picture") as failed:
        one.scores(file)
    assert failed.value.layer is Layer.CLASSIFIER


def test_outputs_that_are_not_finite_are_a_failure(tmp_path: Path) -> None:
    one = loaded(classifier(tmp_path, ["sfw", "nsfw"], colour_model([(0, 0, 0), (math.inf, 0, 0)])))
    with pytest.raises(LayerFailed, match="not finite numbers"):
        one.scores(painted("red"))


@pytest.mark.parametrize(
    ("labels", "changes", "words"),
    [
        (["cat", "dog"], {}, "has no label that Easel refuses: "),
        (["cat", "dog"], {}, "'cat', 'dog'"),
        (["neutral", "safe"], {}, "'neutral', 'safe'"),
        (["nsfw"], {}, "has only one label"),
        (["nsfw", "sfw", "porn"], {}, "has 2 outputs but 3 labels"),
        (["nsfw", "sfw"], {"config": {"id2label": {"1": "nsfw", "2": "sfw"}}}, "does not name the labels 0, 1, 2"),
        (["nsfw", "sfw"], {"config": {"id2label": ["nsfw"]}}, "config.json is not in the expected format"),
        (["nsfw", "sfw"], {"preprocessor": {"size": {"longest_edge": 8}}}, "size in "),
        (["nsfw", "sfw"], {"preprocessor": {"size": {"shortest_edge": 32}}}, "does not resize all pictures to one size"),
        (["nsfw", "sfw"], {"preprocessor": {"size": 99999}}, "does not resize all pictures to one size"),
        (["nsfw", "sfw"], {"preprocessor": {"do_resize": False}}, "does not resize all pictures to one size"),
        (["nsfw", "sfw"], {"preprocessor": {"size": 16}}, "cannot judge a picture: The picture classifier failed"),
        (["nsfw", "sfw"], {"preprocessor": {"image_mean": None}}, "image_mean in "),
        (["nsfw", "sfw"], {"preprocessor": {"image_std": [1, 0, 1]}}, "cannot be used for scaling"),
        (["nsfw", "sfw"], {"preprocessor": {"resample": 9}}, "resample in "),
        (["nsfw", "sfw"], {"preprocessor": {"do_pad": True}}, "in a way that Easel does not support"),
        (["nsfw", "sfw"], {"preprocessor": {"image_processor_type": "ConvNextImageProcessor"}}, "does not support"),
    ],
)  # fmt: skip
def test_an_unsuitable_folder_is_refused_with_a_sentence(
    tmp_path: Path, labels: list[str], changes: Mapping[str, Any], words: str
) -> None:
    sentence = unusable(classifier(tmp_path, labels, colour_model(RED_OR_NOT), **changes))
    assert words in sentence
    assert str(tmp_path) in sentence


def test_missing_files_are_named(tmp_path: Path) -> None:
    assert "is not a folder" in unusable(tmp_path / "nowhere")
    assert "config.json is missing" in unusable(tmp_path)
    folder = classifier(tmp_path / "bare", ["sfw", "nsfw"], None)
    assert "has neither model.onnx nor onnx/model.onnx, nor a model.safetensors" in unusable(folder)
    (folder / "model.onnx").write_bytes(b"no model")
    assert "onnxruntime cannot load" in unusable(folder)
    (folder / "preprocessor_config.json").unlink()
    assert "preprocessor_config.json is missing" in unusable(folder)
    timm = tmp_path / "timm"
    timm.mkdir()
    (timm / "config.json").write_text(json.dumps(TIMM))
    (timm / "model.safetensors").write_bytes(b"")
    assert "A folder in timm's format needs model.onnx" in unusable(timm)


@pytest.mark.parametrize("changes", [{"crop_mode": "border"}, {"interpolation": "random"}, {"crop_pct": 0}])
def test_unsupported_timm_preprocessing_is_refused(tmp_path: Path, changes: Mapping[str, Any]) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**TIMM, "pretrained_cfg": {**TIMM["pretrained_cfg"], **changes}}))
    onnx.save(colour_model(RED_OR_NOT), str(tmp_path / "model.onnx"))
    assert "in a way that Easel does not support" in unusable(tmp_path)


@pytest.mark.parametrize("missing", ["numpy", "onnxruntime"])
def test_no_runtime_is_imported_before_a_classifier_and_a_missing_one_is_named(missing: str, tmp_path: Path) -> None:
    folder = classifier(tmp_path / "tiny", ["sfw", "nsfw"], colour_model(RED_OR_NOT))
    code = f"""
import sys
from pathlib import Path
from easel.outside.judges.classifier.classifier import PictureClassifier
from easel.outside.judges.classifier.folder import ClassifierUnusable
one = PictureClassifier(Path({str(folder)!r}))
print(sorted({{"numpy", "onnxruntime", "torch", "transformers", "PIL"}} & sys.modules.keys()))
sys.modules[{missing!r}] = None
try:
    one.load()
except ClassifierUnusable as refused:
    print(refused)
"""
    ended = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=60)
    first, second = ended.stdout.splitlines()
    assert first == "[]"
    assert (
        f"needs {missing}, which is missing or has the wrong version: install Easel's classifier extra with " in second
    )
    assert "[classifier]" in second


def test_scores_are_deterministic(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    weights = [tuple(row) for row in rng.normal(size=(4, 3)).tolist()]
    one = loaded(classifier(tmp_path, ["porn", "gore", "hate", "neutral"], colour_model(weights)))
    file = noise(640, 480)
    assert len({tuple(one.scores(file).values()) for _ in range(5)}) == 1
