"""Whether a checkpoint is exactly Z-Image-Turbo, of any width. Nothing is loaded, so `easel doctor` can ask too.

The libraries ignore what they do not expect, such as scales beside quantized weights, and would draw something else.
So names, shapes and number formats are compared here, and what the configurations say.
"""

from collections.abc import Iterator, Mapping
from math import isclose
from pathlib import Path
from typing import Any

from easel.engines.engine import EngineUnusable
from easel.engines.zimage.checkpoint import missing_files, tensors
from easel.engines.zimage.foreign_formats import foreign_folder
from easel.engines.zimage.tensor_files import TensorEntry, read_json

REMEDY = "set EASEL_MODEL to an unquantized Z-Image-Turbo in diffusers' format, or unset it to download one"
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
REAL_SIZE: Mapping[str, Any] = {"dim": 3840, "n_heads": 30, "n_layers": 30, "n_refiner_layers": 2, "cap_feat_dim": 2560}
"""Of the published transformer's configuration, what its shapes depend on."""

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

TIMESTEP_DIM, TIMESTEP_HIDDEN_DIM, MODULATION_DIM_MAX, PATCH_DIM = 256, 1024, 256, 64


def require_turbo(folder: Path) -> None:
    """Raise EngineUnusable, with one sentence that says what it is and what to do, unless this engine draws with
    `folder` what Z-Image-Turbo would draw."""
    require_whole(folder)
    pipeline = read_json(folder / "model_index.json").get("_class_name")
    if pipeline != "ZImagePipeline":
        raise EngineUnusable(f"{folder} contains {pipeline}, not ZImagePipeline: {REMEDY}.")
    for finding in findings(folder):
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


def findings(folder: Path) -> Iterator[str]:
    """What differs from Z-Image-Turbo, one clause each."""
    configs = {part: read_json(folder / part / "config.json") for part in ("transformer", "text_encoder", "vae")}
    for part, config in configs.items():
        if config.get("quantization_config"):
            yield f"{folder / part} is quantized with {quantization(config['quantization_config'])}, which this engine does not read"
    yield from different(folder / "transformer", configs["transformer"], "ZImageTransformer2DModel", TRANSFORMER)
    yield from different(folder / "vae", configs["vae"], "AutoencoderKL", AUTOENCODER)
    levels = configs["vae"].get("block_out_channels")
    if not isinstance(levels, list) or len(levels) != AUTOENCODER_LEVELS:
        yield f"{folder / 'vae'} has other levels than Z-Image-Turbo's autoencoder"
    scheduler = read_json(folder / "scheduler/scheduler_config.json")
    yield from different(folder / "scheduler", scheduler, "FlowMatchEulerDiscreteScheduler", SCHEDULER)
    if not has_chat_template(folder):
        yield f"{folder / 'tokenizer'} has no chat template, with which prompts are read"
    for part in configs:
        yield from odd_formats(folder / part, tensors(folder, part))
    yield from wrong_text_encoder(folder, configs["text_encoder"], configs["transformer"])
    yield from wrong_transformer(folder / "transformer", configs["transformer"], tensors(folder, "transformer"))


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


def odd_formats(folder: Path, found: Mapping[str, TensorEntry]) -> Iterator[str]:
    """Weights that are not plain numbers of 16 or 32 bits."""
    odd = sorted({entry.number_format for entry in found.values()} - NUMBER_FORMATS)
    if odd:
        yield f"{folder} holds numbers as {', '.join(odd)}, so it is quantized"


def wrong_text_encoder(folder: Path, config: Mapping[str, Any], transformer: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the text encoder, or does not fit the transformer."""
    where = folder / "text_encoder"
    if config.get("model_type") != "qwen3":
        yield f"{where} is a {config.get('model_type')} model, and Z-Image-Turbo has a qwen3"
        return
    width, expected = config.get("hidden_size"), transformer.get("cap_feat_dim", 2560)
    if width != expected:
        yield f"{where} has a hidden_size of {width}, and the transformer needs {expected}"
    # A whole language model has a prefix, and a bare one has none.
    names = {name.removeprefix("model.") for name in tensors(folder, "text_encoder")} - {"lm_head.weight"}
    layers = {name.split(".")[1] for name in names if name.startswith("layers.")}
    if layers != {str(number) for number in range(int(config.get("num_hidden_layers", 0)))}:
        yield f"{where} has {len(layers)} layers, and its config.json says {config.get('num_hidden_layers')}"


def wrong_transformer(folder: Path, config: Mapping[str, Any], found: Mapping[str, TensorEntry]) -> Iterator[str]:
    """What is wrong with the transformer: its shape, or its tensors."""
    try:
        yield from wrong_positions(folder, config)
        expected = transformer_shapes(config)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        yield f"{folder}/config.json does not describe a transformer of Z-Image-Turbo"
        return
    extra = sorted(found.keys() - expected.keys())
    if extra:
        others = f" and {len(extra) - 1} others" if extra[1:] else ""
        yield f"{folder} holds {extra[0]}{others}, which Z-Image-Turbo does not have"
    missing = sorted(expected.keys() - found.keys())
    if missing:
        yield f"{folder} lacks {missing[0]}"
    for name, shape in expected.items():
        if found[name].shape != shape:
            yield f"{folder} has {name} in the shape {list(found[name].shape)}, and its config.json means {list(shape)}"


def wrong_positions(folder: Path, config: Mapping[str, Any]) -> Iterator[str]:
    """Whether heads and positions fit together, and are enough for every size."""
    if config["n_kv_heads"] != config["n_heads"]:
        yield f"{folder} has n_kv_heads {config['n_kv_heads']}, and Z-Image-Turbo has as many as n_heads"
    if sum(config["axes_dims"]) * config["n_heads"] != config["dim"]:
        yield f"{folder} has axes_dims {config['axes_dims']}, which do not add up to a head"
    enough = (CAPTION_TOKENS_MIN, PATCHES_A_SIDE_MAX, PATCHES_A_SIDE_MAX)
    if any(length < least for length, least in zip(config["axes_lens"], enough, strict=True)):
        yield f"{folder} has axes_lens {config['axes_lens']}, too few for large pictures"


def linear_layers(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shape of every linear layer's weights, out x in."""
    return {
        name.removesuffix(".weight"): shape
        for name, shape in transformer_shapes(config).items()
        if name.endswith(".weight") and len(shape) == 2
    }


def transformer_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of a transformer with this configuration. Raises KeyError, TypeError, ValueError."""
    dim, caption_dim = int(config["dim"]), int(config["cap_feat_dim"])
    modulation_dim = min(dim, MODULATION_DIM_MAX)
    shapes: dict[str, tuple[int, ...]] = {
        "x_pad_token": (1, dim),
        "cap_pad_token": (1, dim),
        "cap_embedder.0.weight": (caption_dim,),
        "cap_embedder.1.weight": (dim, caption_dim),
        "cap_embedder.1.bias": (dim,),
        "t_embedder.mlp.0.weight": (TIMESTEP_HIDDEN_DIM, TIMESTEP_DIM),
        "t_embedder.mlp.0.bias": (TIMESTEP_HIDDEN_DIM,),
        "t_embedder.mlp.2.weight": (modulation_dim, TIMESTEP_HIDDEN_DIM),
        "t_embedder.mlp.2.bias": (modulation_dim,),
        "all_x_embedder.2-1.weight": (dim, PATCH_DIM),
        "all_x_embedder.2-1.bias": (dim,),
        "all_final_layer.2-1.linear.weight": (PATCH_DIM, dim),
        "all_final_layer.2-1.linear.bias": (PATCH_DIM,),
        "all_final_layer.2-1.adaLN_modulation.1.weight": (dim, modulation_dim),
        "all_final_layer.2-1.adaLN_modulation.1.bias": (dim,),
    }
    plain = block_shapes(dim, dim // int(config["n_heads"]))
    modulated = plain | {
        "adaLN_modulation.0.weight": (4 * dim, modulation_dim),
        "adaLN_modulation.0.bias": (4 * dim,),
    }
    blocks = (
        ("layers", config["n_layers"], modulated),
        ("noise_refiner", config["n_refiner_layers"], modulated),
        ("context_refiner", config["n_refiner_layers"], plain),
    )
    for name, count, of_block in blocks:
        for number in range(int(count)):
            shapes |= {f"{name}.{number}.{part}": shape for part, shape in of_block.items()}
    return shapes


def block_shapes(dim: int, head_dim: int) -> dict[str, tuple[int, ...]]:
    """The shapes of a block without modulation."""
    hidden_dim = int(dim / 3 * 8)
    square = dict.fromkeys(("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight"), (dim, dim))
    heads = dict.fromkeys(("norm_q.weight", "norm_k.weight"), (head_dim,))
    norms = ("attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2")
    return {
        **{f"attention.{name}": shape for name, shape in {**square, **heads}.items()},
        **{f"{name}.weight": (dim,) for name in norms},
        "feed_forward.w1.weight": (hidden_dim, dim),
        "feed_forward.w2.weight": (dim, hidden_dim),
        "feed_forward.w3.weight": (hidden_dim, dim),
    }
