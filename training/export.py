"""Exports a trained run to what the engine reads: four ONNX graphs with weights in half precision, and a tokenizer.

`python -m training.export --folder runs/cpu --to src/easel/engines/nano/model`. The graphs compute in single precision:
each stored half is cast once, when the engine loads.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from easel.engines.nano.engine import MODEL
from training import tokens, trained
from training.autoencoder import Autoencoder
from training.cast import grids
from training.recipe import RECIPES
from training.transformer import PLACE_FEATURES, Transformer, caption_positions, latent_positions, rotation

OPSET = 18
HALVED_ELEMENTS_MIN = 512
"""Smaller tensors stay in single precision: they cost nothing."""
BYTES_MAX = 40 * 2**20


class Reader(nn.Module):
    """Caption tokens to context."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, words: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """words: 1 x tokens; cos and sin: tokens x half a head."""
        x = self.model.words(words)
        for block in self.model.context:
            x = block(x, (cos, sin), None, None)
        context: Tensor = self.model.context_norm(x)
        return context


class Flow(nn.Module):
    """One pass: latent tokens, time, shape, places, context and rotation to the expected latents."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, latents: Tensor, time: Tensor, form: Tensor, places: Tensor, context: Tensor, cos: Tensor, sin: Tensor
    ) -> Tensor:
        """As Transformer.flow, for a batch of one."""
        return self.model.flow(latents, time, form, places, context, (cos, sin))


def load(folder: Path, scale: str) -> tuple[Autoencoder, Transformer]:
    """The best model of a run. Exits if the run cannot draw anything yet."""
    recipe = RECIPES[scale]
    coder, transformer = trained.autoencoder(folder, recipe), trained.transformer(folder, recipe)
    if coder is None or transformer is None:
        raise SystemExit(f"There is nothing to export in {folder} yet: train it first.")
    return coder.eval(), transformer


def export(coder: Autoencoder, transformer: Transformer, to: Path) -> None:
    """Write the graphs. Raises ValueError where they are too large."""
    shape = transformer.shape
    height, width, length = 5, 7, 9
    count = height * width
    positions = torch.cat(
        [latent_positions(height, width, torch.device("cpu")), caption_positions(length, torch.device("cpu"))]
    )
    cos, sin = rotation(positions, shape.axes)
    _write(
        Reader(transformer), (torch.zeros(1, length, dtype=torch.int64), cos[count:], sin[count:]),
        {"words": {1: "words"}, "cos": {0: "words"}, "sin": {0: "words"}}, "context", to / "reader.onnx",
    )  # fmt: skip
    _write(
        Flow(transformer),
        (torch.zeros(1, count, shape.latent_channels), torch.ones(1), torch.zeros(1, 3),
         torch.zeros(1, count, PLACE_FEATURES), torch.zeros(1, length, shape.dim), cos, sin),
        {"latents": {1: "tokens"}, "time": {}, "form": {}, "places": {1: "tokens"}, "context": {1: "words"},
         "cos": {0: "all"}, "sin": {0: "all"}}, "expected", to / "flow.onnx",
    )  # fmt: skip
    _write(
        coder.decoder, (torch.zeros(1, shape.latent_channels, height, width),),
        {"latents": {2: "height", 3: "width"}}, "picture", to / "draw.onnx",
    )  # fmt: skip
    _write(
        coder.decoder.doubler, (torch.zeros(1, 3, 64, 96),), {"picture": {2: "height", 3: "width"}}, "doubled",
        to / "double.onnx",
    )  # fmt: skip
    size = sum(file.stat().st_size for file in to.glob("*.onnx"))
    if size > BYTES_MAX:
        raise ValueError(f"The graphs have {size} bytes, more than {BYTES_MAX}.")


def _write(
    module: nn.Module, inputs: tuple[Tensor, ...], axes: dict[str, dict[int, str]], output: str, file: Path
) -> None:
    torch.onnx.export(
        module.eval(), inputs, str(file), input_names=list(axes), output_names=[output], opset_version=OPSET,
        dynamic_axes={name: sides for name, sides in axes.items() if sides}, dynamo=False,
    )  # fmt: skip
    onnx.save(halved(onnx.load(str(file))), str(file))


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with its large weights stored in half precision and cast back at once."""
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < HALVED_ELEMENTS_MIN:
            continue
        stored = f"{weight.name}_half"
        casts.append(helper.make_node("Cast", [stored], [weight.name], to=TensorProto.FLOAT))
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=sorted(RECIPES), default="cpu")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=MODEL, help="folder that the engine reads")
    options = parser.parse_args(arguments)
    coder, transformer = load(options.folder, options.scale)
    recipe = RECIPES[options.scale]
    facts = {
        **tokens.merges_of(options.folder / "tokenizer.json"),
        "caption_tokens_max": recipe.transformer_shape.caption_tokens_max,
        "axes": recipe.transformer_shape.axes,
        "latent_channels": recipe.transformer_shape.latent_channels,
        "grids": list(grids(recipe)),
    }
    options.to.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that what fails leaves the model there as it was.
    with tempfile.TemporaryDirectory(dir=options.to.parent) as name:
        new = Path(name)
        export(coder, transformer, new)
        (new / "model.json").write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")
        for file in new.iterdir():
            file.replace(options.to / file.name)


if __name__ == "__main__":
    main()
