"""Easel Nano, the built-in model, on onnxruntime and NumPy, on any CPU.

The model (trained by `training/`) draws latents in eight passes without guidance, on the small grid of tokens whose
shape comes closest to the requested picture. The latents are decoded at 32 pixels per token, and the result is doubled
until its resolution suffices. The picture is cut from its middle and scaled evenly, never stretched. The same drawing
gives the same bytes on one machine; on others, rounding may differ. The model leaves out of the picture whatever it
does not know.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf, NoSuchFile
from PIL import Image

from easel.engines.engine import Drawing, EngineUnusable, OnStep, Pixels
from easel.engines.nano.tokens import Tokenizer

MODEL: Final = Path(__file__).parent / "model"
STEPS: Final = 8
SHIFT: Final = 3.0
TOKEN_PX: Final = 32
DOUBLINGS_MAX: Final = 3
STRIP_AREA_PX: Final = 2**18
"""How much of a picture is doubled at once. Doubling takes most of the memory that a large picture needs."""
STRIP_MARGIN_PX: Final = 16
"""The largest distance from which a pixel affects a doubled one."""
ROPE_BASE: Final = 256.0

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model's graphs, its tokenizer and its dimensions."""

    reader: onnxruntime.InferenceSession
    flow: onnxruntime.InferenceSession
    draw: onnxruntime.InferenceSession
    double: onnxruntime.InferenceSession
    tokenizer: Tokenizer
    tokens_max: int
    axes: tuple[int, ...]
    channels: int
    grids: tuple[tuple[int, int], ...]


class Nano:
    """Draws with the model in the folder `model`, on `threads` threads (0: one per core)."""

    name = "nano"
    model = "Easel Nano"
    draws_at_once = 1
    jobs_at_once = 1

    def __init__(self, model: Path = MODEL, threads: int = 0) -> None:
        self._model = model
        self._threads = threads
        self._loaded: Loaded | None = None

    def load(self) -> None:
        """Read the graphs. Raises EngineUnusable."""
        try:
            self._loaded = load(self._model, self._threads)
        except (OSError, ValueError, KeyError, Fail, InvalidGraph, InvalidProtobuf, NoSuchFile) as error:
            raise EngineUnusable(
                f"The built-in model in {self._model} cannot be loaded ({type(error).__name__}): install Easel again."
            ) from error

    def draw(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        """Draw on the grid whose shape fits best and cut the picture from the result."""
        loaded = self._loaded
        assert loaded is not None, "load() comes first"
        grid = best_grid(loaded.grids, drawing.width_px, drawing.height_px)
        words, cut = loaded.tokenizer.tokens(drawing.prompt, loaded.tokens_max)
        latents = denoise(loaded, words, grid, drawing.seed, on_step)
        canvas = loaded.draw.run(None, {"latents": latents})[0]
        for _ in range(doublings(grid, drawing.width_px, drawing.height_px) - 1):
            canvas = np.concatenate(list(doubled(loaded, canvas)), axis=2)
        # The last doubling is by far the largest, so its strips become bytes one by one to save memory.
        levels = np.concatenate([as_bytes(strip) for strip in doubled(loaded, canvas)])
        rgb = fit(levels, drawing.width_px, drawing.height_px)
        return Pixels(drawing.width_px, drawing.height_px, rgb, cut)


def load(folder: Path, threads: int = 0) -> Loaded:
    """Read the model from a folder. Errors from missing or damaged files are passed on."""
    facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return Loaded(
        reader=_session(folder / "reader.onnx", threads),
        flow=_session(folder / "flow.onnx", threads),
        draw=_session(folder / "draw.onnx", threads),
        double=_session(folder / "double.onnx", threads),
        tokenizer=Tokenizer(facts["words"], facts["merges"]),
        tokens_max=facts["caption_tokens_max"],
        axes=tuple(facts["axes"]),
        channels=facts["latent_channels"],
        grids=tuple((width, height) for width, height in facts["grids"]),
    )


def _session(file: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def best_grid(grids: tuple[tuple[int, int], ...], width_px: int, height_px: int) -> tuple[int, int]:
    """The grid whose shape is closest, so that the least is cut away."""
    wanted = math.log(width_px / height_px)
    return min(grids, key=lambda grid: abs(math.log(grid[0] / grid[1]) - wanted))


def doublings(grid: tuple[int, int], width_px: int, height_px: int) -> int:
    """How often a picture on this grid is doubled to be as large as requested: from 1 to DOUBLINGS_MAX times."""
    scale = max(width_px / grid[0], height_px / grid[1]) / TOKEN_PX
    return min(DOUBLINGS_MAX, max(1, math.ceil(math.log2(scale))))


def doubled(loaded: Loaded, canvas: Floats) -> Iterator[Floats]:
    """A canvas (1 x 3 x height x width, both even) at twice its resolution, in strips from top to bottom."""
    height, width = canvas.shape[2:]
    rows = max(2, STRIP_AREA_PX // width // 2 * 2)
    for top in range(0, height, rows):
        begin, end = max(0, top - STRIP_MARGIN_PX), min(height, top + rows + STRIP_MARGIN_PX)
        strip = loaded.double.run(None, {"picture": canvas[:, :, begin:end]})[0]
        yield strip[:, :, 2 * (top - begin) : 2 * (min(height, top + rows) - begin)]


def denoise(loaded: Loaded, words: list[int], grid: tuple[int, int], seed: int, on_step: OnStep) -> Floats:
    """The latents (1 x channels x height x width), drawn from the seed's noise."""
    width, height = grid
    count = width * height
    rows, columns = np.divmod(np.arange(count), width)
    cos, sin = rotation(rows, columns, len(words), loaded.axes)
    context = loaded.reader.run(
        None, {"words": np.array([words], np.int64), "cos": cos[count:], "sin": sin[count:]}
    )[0]  # fmt: skip
    inputs: dict[str, Any] = {
        "form": np.array([[width / 8 - 1, height / 8 - 1, math.log(width / height)]], np.float32),
        "places": places(rows, columns, grid),
        "context": context,
        "cos": cos,
        "sin": sin,
    }
    noise = np.random.Generator(np.random.Philox(seed)).standard_normal((1, count, loaded.channels), np.float32)
    latents: Floats = noise
    times = schedule()
    for step in range(STEPS):
        expected = loaded.flow.run(None, {**inputs, "latents": latents, "time": times[step : step + 1]})[0]
        latents = expected + times[step + 1] / times[step] * (latents - expected)
        on_step(step + 1, STEPS)
    return np.ascontiguousarray(latents.transpose(0, 2, 1).reshape(1, loaded.channels, height, width))


def schedule() -> Floats:
    """The times from 1 (noise) to 0 (picture), closer together near the noise, as in Z-Image-Turbo."""
    shares = np.linspace(1, 0, STEPS + 1)
    return (SHIFT * shares / (1 + (SHIFT - 1) * shares)).astype(np.float32)


def rotation(
    rows: NDArray[np.int64], columns: NDArray[np.int64], words: int, axes: tuple[int, ...]
) -> tuple[Floats, Floats]:
    """Cosines and sines (tokens x half a head): latent tokens by row and column, then caption tokens by position."""
    positions = np.zeros((len(rows) + words, 3))
    positions[: len(rows), 1], positions[: len(rows), 2] = rows, columns
    positions[len(rows) :, 0] = np.arange(1, words + 1)
    angles = np.concatenate(
        [
            positions[:, axis : axis + 1] * ROPE_BASE ** (-np.arange(0, width, 2) / width)
            for axis, width in enumerate(axes)
        ],
        axis=1,
    )
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def places(rows: NDArray[np.int64], columns: NDArray[np.int64], grid: tuple[int, int]) -> Floats:
    """Where each latent token lies in the picture, as waves of its relative height and width (1 x tokens x 8)."""
    features = []
    for places_of, side in ((rows, grid[1]), (columns, grid[0])):
        angle = (places_of + 0.5) / side * np.pi
        features += [np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)]
    return np.stack(features, axis=1)[None].astype(np.float32)


def as_bytes(canvas: Floats) -> NDArray[np.uint8]:
    """A canvas (1 x 3 x height x width, values from about 0 to 1) as height x width x 3 bytes."""
    levels = (np.clip(canvas[0], 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))


def fit(canvas: NDArray[np.uint8], width_px: int, height_px: int) -> bytes:
    """The largest central part of the canvas that has the right shape, scaled evenly to the requested size."""
    height, width = canvas.shape[:2]
    scale = max(width_px / width, height_px / height)
    part_width, part_height = width_px / scale, height_px / scale
    left, top = (width - part_width) / 2, (height - part_height) / 2
    box = (left, top, left + part_width, top + part_height)
    image = Image.fromarray(canvas)
    return image.resize((width_px, height_px), Image.Resampling.LANCZOS, box=box).tobytes()
