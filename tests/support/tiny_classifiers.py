"""Tiny but real picture classifiers, in folders like those that operators configure."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

SIDE_PX: Final = 32
VIT: Final[Mapping[str, Any]] = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": SIDE_PX, "width": SIDE_PX},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}


def painted(colour: str, width_px: int = 64, height_px: int = 48, file_format: str = "PNG") -> bytes:
    """A picture's file of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (width_px, height_px), colour).save(file, file_format, lossless=True)
    return file.getvalue()


def noise(width_px: int, height_px: int, seed: int = 7) -> bytes:
    """A picture's file in which every pixel matters."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height_px // 8 + 1, width_px // 8 + 1, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width_px, height_px), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def colour_model(
    weights: Sequence[Sequence[float]],
    *,
    ends_in_softmax: bool = False,
    side_px: int = SIDE_PX,
    element: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A model whose outputs are weighted means of red, green and blue: a row of three weights for each output."""
    kind = np.float32 if element == TensorProto.FLOAT else np.float16
    matrix = numpy_helper.from_array(np.array(weights, kind).T.copy(), "weights")
    axes = numpy_helper.from_array(np.array([2, 3], np.int64), "axes")
    nodes = [
        helper.make_node("ReduceMean", ["pixel_values", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["raw"]),
        helper.make_node("Softmax" if ends_in_softmax else "Identity", ["raw"], ["logits"]),
    ]
    pixels = helper.make_tensor_value_info("pixel_values", element, ["batch", 3, side_px, side_px])
    logits = helper.make_tensor_value_info("logits", element, ["batch", len(weights)])
    graph = helper.make_graph(nodes, "colours", [pixels], [logits], [matrix, axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def classifier(
    folder: Path,
    labels: Sequence[str],
    model: onnx.ModelProto | None,
    *,
    config: Mapping[str, Any] | None = None,
    preprocessor: Mapping[str, Any] | None = None,
    at: str = "model.onnx",
) -> Path:
    """A folder in transformers' form with an ONNX file."""
    folder.mkdir(parents=True, exist_ok=True)
    named = {"id2label": {str(number): label for number, label in enumerate(labels)}, **(config or {})}
    (folder / "config.json").write_text(json.dumps(named))
    (folder / "preprocessor_config.json").write_text(json.dumps({**VIT, **(preprocessor or {})}))
    if model is not None:
        (folder / at).parent.mkdir(exist_ok=True)
        onnx.save(model, str(folder / at))
    return folder
