"""A LoRA reaches stable-diffusion.cpp in a form that the library adds completely, or not at all."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from easel.engines.engine import EngineUnusable
from easel.engines.lora_layout import Lora
from easel.engines.sdcpp.headers import Header, read_header
from easel.engines.sdcpp.look import look_at_files
from easel.engines.sdcpp.lora import layers_of
from easel.engines.sdcpp.lora_file import LoraFile
from easel.engines.sdcpp.model_files import ModelFiles
from tests.support.gguf_files import TRANSFORMER, Shapes, write_gguf, write_model, write_safetensors

MODEL: Shapes = TRANSFORMER | {
    "x_embedder.weight": (32, 64),
    "final_layer.linear.weight": (64, 32),
    "layers.0.attention.out.weight": (32, 32),
    "layers.0.attention.q_norm.weight": (16,),
}
NO_NUMBER = {
    "F32": struct.pack("<f", float("nan")),
    "F16": struct.pack("<e", float("inf")),
    "BF16": struct.pack("<f", float("-inf"))[2:],
}
HOLD = """
import sys, time
from pathlib import Path
from easel.engines.lora_layout import Lora
from easel.engines.sdcpp.lora_file import LoraFile
held = LoraFile(Lora(Path(sys.argv[1]), 1.0), Path(sys.argv[2]), Path(sys.argv[3]))
print(held.path.name, flush=True)
time.sleep(600)
"""


@pytest.fixture
def transformer(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "turbo.gguf", MODEL)


def pair(name: str, outputs: int = 32, inputs: int = 32, rank: int = 2) -> Shapes:
    """Both factors of a change."""
    return {f"{name}.lora_A.weight": (rank, inputs), f"{name}.lora_B.weight": (outputs, rank)}


def written(lora: Path, transformer: Path, scale: float = 1.0) -> tuple[Header, bytes]:
    """The file that the library reads: its header and its bytes."""
    made = LoraFile(Lora(lora, scale), transformer, lora.parent / "loras")
    try:
        assert made.tensors == len(read_header(made.path).shapes)
        return read_header(made.path), made.path.read_bytes()
    finally:
        made.close()


def scale_of(header: Header, content: bytes, layer: str) -> float:
    place = header.places[f"diffusion_model.{layer}.scale"]
    (scale,) = struct.unpack("<f", content[place.begin_bytes : place.end_bytes])
    return float(scale)


def why_refused(lora: Path, transformer: Path) -> str:
    with pytest.raises(EngineUnusable) as refused:
        LoraFile(Lora(lora, 1.0), transformer, lora.parent / "loras")
    assert not list((lora.parent / "loras").glob("*.safetensors"))
    return str(refused.value)


def test_layers_have_the_names_of_diffusers(transformer: Path) -> None:
    third = (32, 32)
    assert layers_of(transformer) == {
        "cap_embedder.1": (32, 64),
        "layers.0.attention.to_q": third,
        "layers.0.attention.to_k": third,
        "layers.0.attention.to_v": third,
        "layers.0.attention.to_out.0": third,
        "all_x_embedder.2-1": (32, 64),
        "all_final_layer.2-1.linear": (64, 32),
    }


@pytest.mark.parametrize(
    ("shapes", "layer"),
    [
        (pair("transformer.layers.0.attention.to_out.0"), "layers.0.attention.out"),
        (pair("layers.0.attention.out"), "layers.0.attention.out"),
        (pair("lora_unet_layers_0_attention_qkv", outputs=96), "layers.0.attention.qkv"),
        (pair("diffusion_model.x_embedder", inputs=64), "x_embedder"),
        (pair("transformer.all_final_layer.2-1.linear", outputs=64), "final_layer.linear"),
        (pair("lycoris_cap_embedder_1", inputs=64), "cap_embedder.1"),
    ],
)
def test_every_name_becomes_one_that_the_library_knows(
    shapes: Shapes, layer: str, transformer: Path, tmp_path: Path
) -> None:
    header, _content = written(write_safetensors(tmp_path / "l.safetensors", shapes), transformer)
    ends = ("lora_down.weight", "lora_up.weight", "scale")
    assert set(header.shapes) == {f"diffusion_model.{layer}.{end}" for end in ends}


def test_projections_that_the_file_leaves_alone_are_changed_by_nothing(transformer: Path, tmp_path: Path) -> None:
    lora = write_safetensors(tmp_path / "l.safetensors", pair("transformer.layers.0.attention.to_v", rank=3))
    header, content = written(lora, transformer)
    stem = "diffusion_model.layers.0.attention"
    assert [header.shapes[f"{stem}.{name}.lora_down.weight"] for name in ("to_q", "to_k", "to_v")] == [
        (1, 32), (1, 32), (3, 32),
    ]  # fmt: skip
    for name in ("to_q", "to_k"):
        for end in ("lora_down.weight", "lora_up.weight"):
            place = header.places[f"{stem}.{name}.{end}"]
            assert not any(content[place.begin_bytes : place.end_bytes])


def test_the_scale_is_alpha_by_rank_times_what_the_operator_and_the_header_say(
    transformer: Path, tmp_path: Path
) -> None:
    layer = "transformer.layers.0.attention.to_out.0"
    adapter = json.dumps({"transformer.r": 2, "transformer.lora_alpha": 8})
    lora = write_safetensors(
        tmp_path / "l.safetensors",
        pair(layer, rank=4) | {f"{layer}.alpha": ()},
        {"lora_adapter_metadata": adapter},
        {f"{layer}.alpha": struct.pack("<f", 6.0)},
    )
    assert scale_of(*written(lora, transformer, scale=0.5), "layers.0.attention.out") == 6 / 4 * 8 / 2 * 0.5


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (pair("transformer.layers.9.attention.to_out.0"), "the transformer has no layer layers.9.attention.to_out.0"),
        (pair("transformer.layers.0.attention.to_q", inputs=64), "is 32 x 64, and its weights are 32 x 32"),
        ({"transformer.layers.0.attention.to_q.lora_A.weight": (2, 32)}, "is incomplete"),
        ({"transformer.layers.0.attention.out.hada_w1_a": (32, 2)}, "it is a LoHa"),
        ({"lora_te_layers_0.lora_A.weight": (2, 2)}, "it changes the text encoder too"),
        (
            {"layers.0.attention.out.lokr_w1": (4, 4), "layers.0.attention.out.lokr_w2": (8, 8)},
            "it is a LoKr, which only the zimage engine adds",
        ),
        (
            pair("layers.0.attention.to_q") | pair("layers.0.attention.qkv", outputs=96),
            "it changes queries, keys and values twice",
        ),
    ],
)
def test_a_lora_that_cannot_be_added_completely_is_refused(
    shapes: Shapes, words: str, transformer: Path, tmp_path: Path
) -> None:
    lora = write_safetensors(tmp_path / "l.safetensors", shapes)
    assert words in why_refused(lora, transformer)


@pytest.mark.parametrize("number_format", ["F32", "F16", "BF16"])
def test_numbers_that_are_not_finite_are_refused(number_format: str, transformer: Path, tmp_path: Path) -> None:
    shapes = pair("layers.0.attention.out")
    size_bytes = 4 if number_format == "F32" else 2
    numbers = {name: bytes(size_bytes * 64) for name in shapes}
    lora = tmp_path / "l.safetensors"
    write_safetensors(lora, shapes, numbers=numbers, number_format=number_format)
    written(lora, transformer)
    numbers["layers.0.attention.out.lora_B.weight"] = bytes(size_bytes * 63) + NO_NUMBER[number_format]
    write_safetensors(lora, shapes, numbers=numbers, number_format=number_format)
    assert "layers.0.attention.out.lora_up.weight is not finite" in why_refused(lora, transformer)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file.unlink(), "does not exist: set EASEL_LORA to a .safetensors file"),
        (lambda file: file.write_bytes(b"PK\x03\x04" + bytes(100)), "it is neither GGUF nor safetensors"),
        (lambda file: os.truncate(file, file.stat().st_size - 4), "it does not have the length that its header says"),
        (
            lambda file: write_safetensors(file, pair("layers.0.attention.out"), {"lora_adapter_metadata": "[3]"}),
            "cannot be added to the model",
        ),
        (
            lambda file: write_safetensors(file, pair("layers.0.attention.out"), number_format="F8_E4M3"),
            "the number format F8_E4M3",
        ),
    ],
)
def test_a_file_that_is_no_lora_is_refused(change: object, words: str, transformer: Path, tmp_path: Path) -> None:
    lora = write_safetensors(tmp_path / "l.safetensors", pair("layers.0.attention.out"))
    assert callable(change)
    change(lora)
    assert words in why_refused(lora, transformer)


def test_what_a_killed_writer_left_is_deleted_by_the_next(transformer: Path, tmp_path: Path) -> None:
    lora = write_safetensors(tmp_path / "l.safetensors", pair("layers.0.attention.out"))
    folder = tmp_path / "loras"
    other = subprocess.Popen([sys.executable, "-c", HOLD, lora, transformer, folder], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    theirs = folder / other.stdout.readline().strip()
    LoraFile(Lora(lora, 1.0), transformer, folder).close()
    assert theirs.exists()
    other.kill()
    other.wait()
    other.stdout.close()
    assert theirs.exists()
    LoraFile(Lora(lora, 1.0), transformer, folder).close()
    assert not list(folder.glob("*.safetensors"))


def test_the_doctor_compares_a_lora_with_the_model(tmp_path: Path) -> None:
    model = ModelFiles(folder=write_model(tmp_path / "model"))
    lora = write_safetensors(tmp_path / "l.safetensors", pair("lora_unet_layers_0_attention_qkv", outputs=96))
    assert [seen.words for seen in look_at_files(model, Lora(lora, 0.8))][1:] == [
        f"LoRA {lora} for 3 layers, scale 0.8"
    ]
    write_safetensors(lora, pair("layers.7.attention.qkv"))
    told = list(look_at_files(model, Lora(lora, 0.8)))[1]
    assert not told.is_usable
    assert "the transformer has no layer layers.7.attention.qkv" in told.words
