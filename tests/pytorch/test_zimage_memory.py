"""Less memory: matrices in 8 bits, a text encoder that passes through the device, and decoding in tiles."""

import itertools
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# These tests need the gpu extra and are skipped without it.
pytest.importorskip("torch", reason="the gpu extra is not installed")

import torch
from safetensors.torch import save_file
from tools import tiny_checkpoint, tiny_split_files
from torch import Tensor
from torch.nn import Module

from easel.engines.engine import Drawing, OutOfMemory, Pixels
from easel.engines.lora_layout import Lora
from easel.engines.zimage.captions import Captions
from easel.engines.zimage.checkpoint import in_folder
from easel.engines.zimage.decoder import Decoder
from easel.engines.zimage.engine import ZImage
from easel.engines.zimage.forward import Denoiser, run_block
from easel.engines.zimage.matrices import Int8Matrix, Matrix
from easel.engines.zimage.packing import pack
from easel.engines.zimage.parts import Parts, Places, read_parts
from easel.engines.zimage.schedule import schedule
from easel.engines.zimage.streamed_text_encoder import SLOTS, Streamed
from easel.engines.zimage.text_encoder import Resident
from easel.engines.zimage.tiles import decoded_in_tiles, starts
from easel.engines.zimage.weight_sizes import weight_sizes
from tests.support.psnr import psnr_db

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zimage") / "tiny"
    tiny_checkpoint.build(folder)
    return folder


def parts_of(tiny: Path, dtype: torch.dtype = torch.float32) -> Parts:
    return read_parts(in_folder(tiny), dtype, Places(CPU, CPU, CPU))


def loaded(model: Path, **options: Any) -> ZImage:
    engine = ZImage(str(model), "cpu", **options)
    engine.load()
    return engine


def draw(engine: ZImage, prompt: str = "a heron at dawn", side_px: int = 160) -> Pixels:
    return engine.draw(Drawing(prompt, side_px, side_px, 7), lambda steps_done, steps_total: None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_matrix_in_8_bits_differs_by_half_a_step_of_its_row(dtype: torch.dtype) -> None:
    weight = torch.randn(48, 64).mul(torch.logspace(-6, 3, 48).unsqueeze(1)).to(dtype)
    weight[5] = 0
    matrix = Int8Matrix(weight)
    steps = weight.float().abs().amax(1, keepdim=True) / 127
    difference = (matrix.numbers.float() * matrix.scales.float().unsqueeze(1) - weight.float()).abs()
    # A scale in bf16 may be 1/256 too small, and the largest number of the row is then cut.
    assert (difference <= steps * (0.51 if dtype is torch.float32 else 1.01)).all()
    tokens = torch.randn(10, 64).to(dtype)
    plain = Matrix(weight)(tokens)
    assert psnr_db(matrix(tokens), plain, peak=float(plain.abs().max())) > 35
    assert matrix.numbers.dtype is torch.int8


def test_pictures_in_8_bits_are_nearly_those_in_bf16_and_always_the_same(tiny: Path) -> None:
    exact, small = loaded(tiny), loaded(tiny, weights="int8")
    pictures = [bytes_of(draw(engine)) for engine in (exact, small, small)]
    assert torch.equal(pictures[1], pictures[2])
    assert not torch.equal(pictures[0], pictures[1])
    assert psnr_db(pictures[1], pictures[0], peak=255) > 40


def bytes_of(pixels: Pixels) -> Tensor:
    return torch.frombuffer(bytearray(pixels.rgb), dtype=torch.uint8).float()


def test_only_the_large_matrices_are_in_8_bits_and_the_sizes_are_known_beforehand(tiny: Path) -> None:
    with torch.no_grad():
        denoiser = pack(parts_of(tiny).transformer, schedule(parts_of(tiny).scheduler).timesteps, Int8Matrix)
    step = denoiser.steps[0]
    blocks = [*step.noise_refiner.blocks, *step.layers.blocks, *denoiser.context_refiner.blocks]
    found = [parameter for block in blocks for parameter in block.parameters() if parameter.dtype is torch.int8]
    assert len(found) == 4 * len(blocks) == 16
    plain, small = (weight_sizes(in_folder(tiny), 4, weights) for weights in ("bf16", "int8"))
    numbers = sum(parameter.numel() for parameter in found)
    scales = sum(4 * len(parameter) for parameter in found)
    assert plain.transformer - small.transformer == 3 * numbers - scales
    assert (small.transformer_read, small.text_encoder) == (plain.transformer, plain.text_encoder)


def test_the_block_in_8_bits_is_compiled_once_for_all_sizes(tiny: Path) -> None:
    graphs: list[Any] = []

    def keep(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    parts = parts_of(tiny)
    with torch.no_grad():
        denoiser = pack(parts.transformer, schedule(parts.scheduler).timesteps, Int8Matrix)
        torch.compiler.reset()
        plain = [predicted(denoiser, rows) for rows in (8, 9, 12)]
        denoiser.run = denoiser.run_caption = torch.compile(run_block, dynamic=True, backend=keep)
        compiled = [predicted(denoiser, rows) for rows in (8, 9, 12)]
    assert all((one - other).abs().max() < 1e-5 for one, other in zip(plain, compiled, strict=True))
    assert len(graphs) == 1


def predicted(denoiser: Denoiser, rows: int) -> Tensor:
    random = torch.Generator().manual_seed(rows)
    scene = denoiser.scene(torch.randn(rows, 32, generator=random), rows, 8)
    return denoiser.predict(scene, torch.randn(8 * rows, 64, generator=random), denoiser.steps[0])


@pytest.mark.parametrize("layout", ["diffusers", "comfyui"])
def test_a_lora_is_added_before_the_weights_are_quantized(tiny: Path, tmp_path: Path, layout: str) -> None:
    model = tiny
    if layout == "comfyui":
        model = tmp_path / "split"
        tiny_split_files.split(tiny, model)
    before = {file: file.read_bytes() for file in model.rglob("*.safetensors")}
    name = "diffusion_model.layers.0.feed_forward.w2"
    factors = {f"{name}.lora_A.weight": torch.randn(4, 170), f"{name}.lora_B.weight": torch.randn(64, 4)}
    save_file(factors, tmp_path / "lora.safetensors")
    lora = Lora(tmp_path / "lora.safetensors", 0.5)
    exact, small = (bytes_of(draw(loaded(model, lora=lora, weights=weights))) for weights in ("bf16", "int8"))
    assert psnr_db(small, exact, peak=255) > 30
    assert psnr_db(bytes_of(draw(loaded(model))), exact, peak=255) < psnr_db(small, exact, peak=255) - 3
    assert before == {file: file.read_bytes() for file in model.rglob("*.safetensors")}, "the files are untouched"


class LateLane:
    """Copies between two places of one memory, as late as allowed, and spoils what must not be read any more."""

    device = CPU

    def __init__(self) -> None:
        self.pinned: list[int] = []
        self.copied = 0
        self.slots: set[int] = set()
        self.is_open = False
        self._waiting: dict[int, tuple[Tensor, Tensor]] = {}
        self._in_use: dict[int, Tensor] = {}

    def pin(self, layer: Tensor) -> None:
        self.pinned.append(layer.nbytes)

    @contextmanager
    def opened(self) -> Iterator[None]:
        self.is_open = True
        try:
            yield
        finally:
            self.is_open = False
            self._waiting.clear()
            self._in_use.clear()

    def begin(self, layer: Tensor, slot: Tensor, number: int) -> None:
        assert self.is_open
        assert number not in self._in_use, "the slot is not released"
        slot.fill_(math.nan)
        self.slots.add(slot.data_ptr())
        self._waiting[number] = (layer, slot)

    def wait(self, number: int) -> None:
        layer, slot = self._waiting.pop(number)
        self._in_use[number] = slot.copy_(layer)
        self.copied += 1

    def release(self, number: int) -> None:
        self._in_use.pop(number).fill_(math.nan)


def with_layers(tiny: Path, layers: int) -> Any:
    """A text encoder with so many layers, always with the same weights."""
    config = parts_of(tiny).text_encoder.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return (
            type(parts_of(tiny).text_encoder)
            ._from_config(type(config)(**config.to_diff_dict() | {"num_hidden_layers": layers, "layer_types": None}))
            .eval()
        )


@pytest.mark.parametrize("layers", [2, 3, 6])
def test_a_streamed_text_encoder_gives_the_same_captions_to_the_last_bit(tiny: Path, layers: int) -> None:
    tokenizer = parts_of(tiny).tokenizer
    lane = LateLane()
    resident = Captions(tokenizer, Resident(with_layers(tiny, layers)), window_tokens=1504)
    streamed = Captions(tokenizer, Streamed(with_layers(tiny, layers), lane), window_tokens=1504)
    stock = with_layers(tiny, layers)
    for prompt in ("a heron", "鹭" * 40, "x" * 2000):
        caption = streamed.caption(prompt)
        assert torch.equal(caption.embedding, resident.caption(prompt).embedding)
        if len(prompt) < 100:
            ids = torch.tensor([streamed._tokens(prompt)])
            with torch.no_grad():
                expected = stock(input_ids=ids, output_hidden_states=True).hidden_states[-2][0]
            assert torch.equal(caption.embedding, expected), "the last layer is not needed"
    assert lane.copied == 3 * (layers - 1)
    assert len(lane.pinned) == layers - 1
    assert len(set(lane.pinned)) == 1
    assert not lane.is_open


def test_two_layers_are_on_the_device_at_most_and_none_between_prompts(tiny: Path) -> None:
    lane = LateLane()
    encoder = Streamed(with_layers(tiny, 7), lane)
    with torch.no_grad():
        encoder.encode([1, 2, 3])
    assert len(lane.slots) == SLOTS
    assert encoder._slots == []


class ShapesLane(LateLane):
    """A device that computes shapes only, and refuses to mix what it holds with what the machine's memory holds."""

    device = torch.device("meta")

    def begin(self, layer: Tensor, slot: Tensor, number: int) -> None:
        assert (layer.device, slot.device) == (CPU, self.device)
        self._waiting[number] = (layer, slot)


def test_everything_that_layers_compute_with_is_on_the_device(tiny: Path) -> None:
    encoder = Streamed(with_layers(tiny, 4), ShapesLane())
    with torch.no_grad():
        embedding = encoder.encode([1, 2, 3])
    assert (embedding.device.type, tuple(embedding.shape)) == ("meta", (3, 32))
    assert encoder.device.type == "meta"


def test_an_encoder_that_failed_encodes_the_next_prompt(tiny: Path) -> None:
    lane = LateLane()
    stock = with_layers(tiny, 5)
    encoder = Streamed(stock, lane)
    third = stock.layers[2]
    whole = third.forward

    def fail(*arguments: Any, **options: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    with torch.no_grad():
        expected = encoder.encode([1, 2, 3])
        third.forward = fail
        with pytest.raises(torch.OutOfMemoryError):
            encoder.encode([1, 2, 3])
        third.forward = whole
        assert torch.equal(encoder.encode([1, 2, 3]), expected)


class SmallMemory(Module):  # type: ignore[misc] # PyTorch's classes are untyped here
    """A decoder that has room for latents of one size at most."""

    def __init__(self, decoder: Module, side_max: int) -> None:
        super().__init__()
        self._decoder = decoder
        self._side_max = side_max
        self.sides: list[int] = []

    def forward(self, latents: Tensor, *others: Any) -> Any:
        self.sides.append(max(latents.shape[-2:]))
        if self.sides[-1] > self._side_max:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self._decoder(latents, *others)


def decoder_with_room_for(side_max: int) -> tuple[Decoder, SmallMemory]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        autoencoder = tiny_checkpoint.autoencoder()
    autoencoder.decoder = SmallMemory(autoencoder.decoder, side_max)
    return Decoder(autoencoder), autoencoder.decoder


@pytest.mark.parametrize(("side_max", "tile_px"), [(96, 768), (60, 384)])
def test_a_picture_that_does_not_fit_is_decoded_in_tiles(
    side_max: int, tile_px: int, caplog: pytest.LogCaptureFixture
) -> None:
    decoder, small = decoder_with_room_for(side_max)
    latents = torch.randn(16, 56, 112, generator=torch.Generator().manual_seed(1))
    with torch.no_grad(), caplog.at_level(logging.WARNING):
        tiled = decoder.canvas(latents)
        exact = decoder_with_room_for(112)[0].canvas(latents)
    assert f"tiles of {tile_px} pixels" in caplog.text
    assert small.sides[-1] == tile_px // 8
    assert tiled.shape == exact.shape == (3, 448, 896)
    assert psnr_db(tiled, exact, peak=1) > 30


def test_a_picture_that_fits_is_decoded_as_a_whole() -> None:
    decoder, small = decoder_with_room_for(60)
    latents = torch.randn(16, 60, 40)
    with torch.no_grad():
        assert torch.equal(decoder.canvas(latents), decoder_with_room_for(99)[0].canvas(latents))
    assert small.sides == [60]


def test_a_picture_whose_tiles_do_not_fit_either_fails_for_lack_of_memory(tiny: Path) -> None:
    parts = parts_of(tiny)
    parts.autoencoder.decoder = small = SmallMemory(parts.autoencoder.decoder, 47)
    engine = ZImage("tiny", "cpu")
    engine.use(parts, CPU)
    with pytest.raises(OutOfMemory):
        draw(engine, side_px=400)
    assert small.sides == [50, 48]
    assert draw(engine, side_px=160).rgb == draw(loaded(tiny), side_px=160).rgb


@pytest.mark.parametrize(("height", "width", "side"), [(64, 64, 48), (97, 130, 48), (192, 40, 96), (50, 192, 48)])
def test_tiles_cover_every_pixel_evenly(height: int, width: int, side: int) -> None:
    def decode(latents: Tensor) -> Tensor:
        assert latents.shape[-2:] == (min(side, height), min(side, width))
        return latents[:, :3].repeat_interleave(8, -1).repeat_interleave(8, -2)

    latents = torch.randn(1, 16, height, width)
    assert torch.allclose(decoded_in_tiles(decode, latents, side), whole(latents), atol=1e-5)


def whole(latents: Tensor) -> Tensor:
    return latents[:, :3].repeat_interleave(8, -1).repeat_interleave(8, -2)


def test_neighbouring_tiles_overlap_by_a_third_or_more() -> None:
    for length in range(49, 200):
        begins = starts(length, 48)
        assert begins[0] == 0
        assert begins[-1] + 48 == length
        assert all(later - earlier <= 33 for earlier, later in itertools.pairwise(begins))


def test_an_error_that_is_not_about_memory_is_not_tried_again() -> None:
    autoencoder = tiny_checkpoint.autoencoder()
    asked: list[int] = []

    def fail(latents: Tensor, *others: Any) -> Tensor:
        asked.append(1)
        raise RuntimeError("an illegal memory access was encountered")

    autoencoder.decoder.forward = fail
    with pytest.raises(RuntimeError, match="illegal"):
        Decoder(autoencoder).canvas(torch.randn(16, 128, 128))
    assert len(asked) == 1
