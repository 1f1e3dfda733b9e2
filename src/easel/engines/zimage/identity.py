"""Whether a checkpoint is exactly Z-Image-Turbo, of any width. Nothing is loaded, so `easel doctor` can ask too.

The libraries ignore what they do not expect, such as scales beside quantized weights, and would draw something else.
So names, shapes and number formats are compared here, and what the configurations say.
"""

from collections.abc import Iterator, Mapping
from math import isclose
from pathlib import Path
from typing import Any

from easel.engines.engine import EngineUnusable
from easel.engines.zimage.checkpoint import Checkpoint, missing_files
from easel.engines.zimage.foreign_formats import foreign_folder
from easel.engines.zimage.shapes import text_encoder_shapes, transformer_shapes
from easel.engines.zimage.split_layout import FLOAT8
from easel.engines.zimage.tensor_files import TensorEntry, read_json

REMEDY = (
    "set EASEL_MODEL to an unquantized Z-Image-Turbo in diffusers' or ComfyUI's layout, or unset it to download one"
)
NUMBER_FORMATS = frozenset({"F32", "BF16", "F16"})
PATCHES_A_SIDE_MAX = 96
"""Those of the longest side, 1536 pixels."""

CAPTION_TOKENS_MIN = 512
SCHEDULER: Mapping[str, Any] = {
    "num_train_timesteps": 1000,
    "shift": 3.0,
    "use_dynamic_shifting": False,
    "stochastic_sampling": False,
    "invert_sigmas": False,
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
    "shift_terminal": None,
}
"""The Turbo model's."""

TRANSFORMER: Mapping[str, Any] = {
    "in_channels": 16,
    "all_patch_size": [2],
    "all_f_patch_size": [1],
    "qk_norm": True,
    "siglip_feat_dim": None,
    "t_scale": 1000.0,
    "rope_theta": 256.0,
}
AUTOENCODER: Mapping[str, Any] = {
    "latent_channels": 16,
    "out_channels": 3,
    "scaling_factor": 0.3611,
    "shift_factor": 0.1159,
}
AUTOENCODER_LEVELS = 4
"""Three of them halve the sides."""

NEVER_DEFAULT = frozenset({"shift", "latent_channels", "scaling_factor", "shift_factor"})
"""Where the libraries' default is another model's."""


def require_turbo(checkpoint: Checkpoint) -> None:
    """Raise EngineUnusable, with one sentence that says what it is and what to do, unless this engine draws with a
    checkpoint what Z-Image-Turbo would draw."""
    if checkpoint.split is None:
        require_whole(checkpoint.folder)
        pipeline = read_json(checkpoint.folder / "model_index.json").get("_class_name")
        if pipeline != "ZImagePipeline":
            raise EngineUnusable(f"{checkpoint.folder} contains {pipeline}, not ZImagePipeline: {REMEDY}.")
    for finding in findings(checkpoint):
        raise EngineUnusable(f"{finding}: {REMEDY}.")


def require_whole(folder: Path) -> None:
    """Raise EngineUnusable unless `folder` has every file that a Z-Image pipeline needs."""
    missing = missing_files(folder)
    if not missing:
        return
    foreign = foreign_folder(folder)
    if foreign is not None:
        raise EngineUnusable(foreign)
    others = f" and {len(missing) - 1} other files are" if missing[1:] else " is"
    raise EngineUnusable(
        f"{folder} is not a complete Z-Image checkpoint: {missing[0]}{others} missing. Download it again."
    )


def findings(checkpoint: Checkpoint) -> Iterator[str]:
    """What differs from Z-Image-Turbo, one clause each."""
    configs = {part: checkpoint.config(part) for part in ("transformer", "text_encoder", "vae")}
    for part, config in configs.items():
        if config.get("quantization_config"):
            method = quantization(config["quantization_config"])
            yield f"{checkpoint.place(part)} is quantized with {method}, which this engine does not read"
    where = checkpoint.configuration
    yield from different(where / "transformer", configs["transformer"], "ZImageTransformer2DModel", TRANSFORMER)
    yield from different(where / "vae", configs["vae"], "AutoencoderKL", AUTOENCODER)
    levels = configs["vae"].get("block_out_channels")
    if not isinstance(levels, list) or len(levels) != AUTOENCODER_LEVELS:
        yield f"{where / 'vae'} has other levels than Z-Image-Turbo's autoencoder"
    yield from different(
        where / "scheduler", checkpoint.scheduler_config(), "FlowMatchEulerDiscreteScheduler", SCHEDULER
    )
    if not has_chat_template(where):
        yield f"{where / 'tokenizer'} has no chat template, with which prompts are read"
    yield from wrong_weights(checkpoint, configs)


def wrong_weights(checkpoint: Checkpoint, configs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What is wrong with the tensors of each part."""
    found = {part: checkpoint.tensors(part) for part in configs}
    for part, entries in found.items():
        yield from odd_formats(checkpoint.place(part), entries, has_float8=checkpoint.split is not None)
    text_encoder = (checkpoint.place("text_encoder"), configs["text_encoder"], found["text_encoder"])
    yield from wrong_text_encoder(*text_encoder, configs["transformer"])
    yield from wrong_transformer(checkpoint.place("transformer"), configs["transformer"], found["transformer"])
    yield from wrong_autoencoder(checkpoint.place("vae"), found["vae"])


def quantization(config: Any) -> str:
    """The method's name."""
    method = config.get("quant_method") if isinstance(config, dict) else None
    return str(method or "an unknown method")


def different(folder: Path, config: Mapping[str, Any], class_name: str, expected: Mapping[str, Any]) -> Iterator[str]:
    """What a configuration says, where it differs. What it leaves out is the libraries' default."""
    found = config.get("_class_name", class_name)
    if found != class_name:
        yield f"{folder} is a {found}, and Z-Image-Turbo has a {class_name}"
    for name, value in expected.items():
        found = config.get(name, None if name in NEVER_DEFAULT else value)
        is_same = isclose(found, value) if is_number(found) and is_number(value) else found == value
        if not is_same:
            yield f"{folder} has {name} {found}, and Z-Image-Turbo has {value}{hint(name, found)}"


def hint(name: str, found: object) -> str:
    """What else is known about a value that differs."""
    return " (the undistilled Z-Image, which takes 50 steps, has 6.0)" if (name, found) == ("shift", 6.0) else ""


def is_number(value: object) -> bool:
    """Whether this is a number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def has_chat_template(folder: Path) -> bool:
    """Whether the tokenizer has a template of a chat."""
    if (folder / "tokenizer/chat_template.jinja").is_file():
        return True
    return bool(read_json(folder / "tokenizer/tokenizer_config.json").get("chat_template"))


def odd_formats(where: Path, found: Mapping[str, TensorEntry], *, has_float8: bool) -> Iterator[str]:
    """Weights that are not plain numbers of 16 or 32 bits, or of 8 bits where those are read."""
    odd = sorted({entry.number_format for entry in found.values()} - NUMBER_FORMATS - (FLOAT8 if has_float8 else set()))
    if odd:
        yield f"{where} holds numbers as {', '.join(odd)}, so it is quantized in a way that this engine does not read"


def wrong_text_encoder(
    where: Path, config: Mapping[str, Any], found: Mapping[str, TensorEntry], transformer: Mapping[str, Any]
) -> Iterator[str]:
    """What is wrong with the text encoder, or does not fit the transformer."""
    if config.get("model_type") != "qwen3":
        yield f"{where} is a {config.get('model_type')} model, and Z-Image-Turbo has a qwen3"
        return
    width, expected = config.get("hidden_size"), transformer.get("cap_feat_dim", 2560)
    if width != expected:
        yield f"{where} has a hidden_size of {width}, and the transformer needs {expected}"
    # A whole language model has a prefix, and a bare one has none.
    plain = {name.removeprefix("model."): entry for name, entry in found.items() if name != "lm_head.weight"}
    layers = {name.split(".")[1] for name in plain if name.startswith("layers.")}
    if layers != {str(number) for number in range(int(config.get("num_hidden_layers", 0)))}:
        yield f"{where} has {len(layers)} layers, and its config.json says {config.get('num_hidden_layers')}"
    try:
        shapes = text_encoder_shapes(config)
    except (KeyError, TypeError, ValueError):
        yield f"{where}/config.json does not describe a text encoder of Z-Image-Turbo"
        return
    yield from odd_tensors(where, plain, shapes)


def wrong_transformer(where: Path, config: Mapping[str, Any], found: Mapping[str, TensorEntry]) -> Iterator[str]:
    """What is wrong with the transformer: its shape, or its tensors."""
    try:
        yield from wrong_positions(where, config)
        shapes = transformer_shapes(config)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        yield f"{where}/config.json does not describe a transformer of Z-Image-Turbo"
        return
    yield from odd_tensors(where, found, shapes)


def wrong_autoencoder(where: Path, found: Mapping[str, TensorEntry]) -> Iterator[str]:
    """Whether the decoder reads another number of channels. The libraries compare the rest when they load it."""
    first = found.get("decoder.conv_in.weight")
    channels = AUTOENCODER["latent_channels"]
    if first is None or len(first.shape) != 4 or first.shape[1] != channels:
        yield f"{where} is another autoencoder than Z-Image-Turbo's, whose decoder reads {channels} channels"


def odd_tensors(where: Path, found: Mapping[str, TensorEntry], shapes: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    """Tensors that should not be there, are missing, or have another shape."""
    extra = sorted(found.keys() - shapes.keys())
    if extra:
        others = f" and {len(extra) - 1} others" if extra[1:] else ""
        yield f"{where} holds {extra[0]}{others}, which Z-Image-Turbo does not have"
    missing = sorted(shapes.keys() - found.keys())
    if missing:
        yield f"{where} lacks {missing[0]}"
    for name, shape in shapes.items():
        if found[name].shape != shape:
            yield f"{where} has {name} in the shape {list(found[name].shape)}, and its configuration means {list(shape)}"


def wrong_positions(folder: Path, config: Mapping[str, Any]) -> Iterator[str]:
    """Whether heads and positions fit together, and are enough for every size."""
    if config["n_kv_heads"] != config["n_heads"]:
        yield f"{folder} has n_kv_heads {config['n_kv_heads']}, and Z-Image-Turbo has as many as n_heads"
    if sum(config["axes_dims"]) * config["n_heads"] != config["dim"]:
        yield f"{folder} has axes_dims {config['axes_dims']}, which do not add up to a head"
    enough = (CAPTION_TOKENS_MIN, PATCHES_A_SIDE_MAX, PATCHES_A_SIDE_MAX)
    if any(length < least for length, least in zip(config["axes_lens"], enough, strict=True)):
        yield f"{folder} has axes_lens {config['axes_lens']}, too few for large pictures"
