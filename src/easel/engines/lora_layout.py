"""What the tensors of a LoRA file mean: which layers they change, and how. Nothing is loaded.

Trainers name the same layers in different ways: as diffusers does, as ComfyUI does, with dots or with underscores, with
one projection for queries, keys and values or with three. Names are looked up among those of the transformer's layers,
so nothing is guessed. Besides plain LoRA (a product of two factors), LoKr is known (a Kronecker product).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Shape = tuple[int, ...]

KINDS = {
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
    ".lora_A.default.weight": "down",
    ".lora_B.default.weight": "up",
    ".lora_down.weight": "down",
    ".lora_up.weight": "up",
    ".lora.down.weight": "down",
    ".lora.up.weight": "up",
    ".alpha": "alpha",
    ".lokr_w1": "w1",
    ".lokr_w1_a": "w1_a",
    ".lokr_w1_b": "w1_b",
    ".lokr_w2": "w2",
    ".lokr_w2_a": "w2_a",
    ".lokr_w2_b": "w2_b",
}
"""What a tensor is, by the end of its name."""

FOREIGN = {
    ".hada_": "a LoHa",
    ".dora_scale": "a DoRA",
    ".lora_magnitude_vector": "a DoRA",
    ".lokr_t2": "a LoKr of convolutions",
    ".lora_mid": "a LoRA of convolutions",
    ".oft_": "an OFT",
    ".diff": "a LoRA with whole differences of weights",
}
"""Other kinds of change, by a part of a name."""

PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.")
FLAT_PREFIXES = ("lora_unet_", "lora_transformer_", "lycoris_")
TEXT_PREFIXES = ("text_encoder", "lora_te", "text_encoders.", "te.")
PROJECTIONS = ("to_q", "to_k", "to_v")
ALIASES = (
    (".attention.to_out.0", ".attention.out"),
    (".attention.to_out.0", ".attention.to_out"),
    ("all_x_embedder.2-1", "x_embedder"),
    ("all_final_layer.2-1", "final_layer"),
)
"""Parts of diffusers' names, and what other programs call them."""

PLAIN = frozenset({"down", "up"})
FIRST_FACTORS = (frozenset({"w1"}), frozenset({"w1_a", "w1_b"}))
SECOND_FACTORS = (frozenset({"w2"}), frozenset({"w2_a", "w2_b"}))
KRONECKER = frozenset(first | second for first in FIRST_FACTORS for second in SECOND_FACTORS)


@dataclass(frozen=True, slots=True)
class Lora:
    """A safetensors file and its scale: 0 adds nothing, 1 adds it as its maker intended."""

    file: Path
    scale: float


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one layer, or of three whose weights lie one below the other in the file. `tensors` are the names
    in the file, by what they are."""

    layers: tuple[str, ...]
    tensors: dict[str, str] = field(default_factory=dict)

    @property
    def is_kronecker(self) -> bool:
        """Whether it is a Kronecker product."""
        return frozenset(self.tensors) - {"alpha"} in KRONECKER


def layout(shapes: Mapping[str, Shape], layers: Mapping[str, Shape]) -> list[Change]:
    """The changes in a file, by the shapes of its tensors and of the transformer's linear layers (out x in).

    Raises ValueError, with what the file is, if it cannot be added completely.
    """
    known = dict(names_of(layers))
    found: dict[tuple[str, ...], Change] = {}
    for name in sorted(shapes):
        kind, target = meaning(name, known)
        change = found.setdefault(target, Change(target))
        if kind in change.tensors:
            raise ValueError(f"{name} and {change.tensors[kind]} are the same")
        change.tensors[kind] = name
    if not found:
        raise ValueError("it contains no LoRA")
    for change in found.values():
        require_fitting(change, shapes, layers)
    return list(found.values())


def names_of(layers: Mapping[str, Shape]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Everything that programs call the layers, with dots and with underscores, and the layers that each name means."""
    for layer in layers:
        dotted = {layer} | {layer.replace(ours, theirs) for ours, theirs in ALIASES}
        targets: list[tuple[str, tuple[str, ...]]] = [(name, (layer,)) for name in dotted]
        if layer.endswith(PROJECTIONS[0]):
            stem = layer.removesuffix(PROJECTIONS[0])
            targets.append((f"{stem}qkv", tuple(f"{stem}{projection}" for projection in PROJECTIONS)))
        for name, target in targets:
            yield name, target
            yield name.replace(".", "_"), target


def meaning(name: str, known: Mapping[str, tuple[str, ...]]) -> tuple[str, tuple[str, ...]]:
    """What a tensor is, and the layers that it belongs to. Raises ValueError."""
    foreign = next((what for part, what in FOREIGN.items() if part in name), None)
    if foreign is not None:
        raise ValueError(f"it is {foreign}, which is not supported: it contains {name}")
    ending = max((ending for ending in KINDS if name.endswith(ending)), key=len, default=None)
    if ending is None:
        raise ValueError(f"{name} is not part of a LoRA")
    stem = name.removesuffix(ending)
    if stem.startswith(TEXT_PREFIXES):
        raise ValueError(f"it changes the text encoder too, which is not supported: it contains {name}")
    for prefix in (*PREFIXES, *FLAT_PREFIXES):
        if stem.startswith(prefix):
            stem = stem.removeprefix(prefix)
            break
    if stem not in known:
        raise ValueError(f"the transformer has no layer {stem}")
    return KINDS[ending], known[stem]


def require_fitting(change: Change, shapes: Mapping[str, Shape], layers: Mapping[str, Shape]) -> None:
    """Raise ValueError unless the change is complete and has the shape of its layers."""
    where = change.layers[0]
    of_file = {kind: shapes[name] for kind, name in change.tensors.items()}
    alpha = of_file.pop("alpha", ())
    if set(of_file) != PLAIN and frozenset(of_file) not in KRONECKER:
        raise ValueError(f"the change of {where} is incomplete: it has only {', '.join(change.tensors.values())}")
    if alpha not in {(), (1,)} or any(len(shape) != 2 for shape in of_file.values()):
        raise ValueError(f"the change of {where} is not made of matrices")
    made = kronecker_shape(of_file) if change.is_kronecker else product(of_file["up"], of_file["down"])
    wanted = (sum(layers[layer][0] for layer in change.layers), layers[where][1])
    if made != wanted:
        shown = "no matrix" if made is None else f"{made[0]} x {made[1]}"
        raise ValueError(f"the change of {where} is {shown}, and its weights are {wanted[0]} x {wanted[1]}")


def product(left: Shape, right: Shape) -> Shape | None:
    """The shape of a product of matrices; None if they do not fit."""
    return (left[0], right[1]) if left[1] == right[0] else None


def kronecker_shape(of_file: Mapping[str, Shape]) -> Shape | None:
    """The shape of a Kronecker product, whose factors may be products themselves."""
    factors = []
    for name in ("w1", "w2"):
        factor = of_file.get(name) or product(of_file[f"{name}_a"], of_file[f"{name}_b"])
        if factor is None:
            return None
        factors.append(factor)
    return (factors[0][0] * factors[1][0], factors[0][1] * factors[1][1])


def strength_in_header(adapter: str) -> float:
    """Alpha divided by rank if diffusers wrote both into the file's header, else 1. `adapter` is the header's
    `lora_adapter_metadata`, or an empty object in JSON. Raises ValueError, and what wrong types raise."""
    written: dict[str, Any] = json.loads(adapter)
    settings = {name.removeprefix("transformer."): value for name, value in written.items()}
    odd = [name for name in ("rank_pattern", "alpha_pattern", "use_rslora", "use_dora") if settings.get(name)]
    if odd:
        raise ValueError(f"it was made with {odd[0]}")
    return float(settings.get("lora_alpha", 1)) / float(settings.get("r", 1)) if "r" in settings else 1.0


def why_not_added(file: Path, error: Exception) -> str:
    """The message for the operator."""
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    return f"{file} cannot be added to the model ({reason}): set EASEL_LORA to a LoRA for Z-Image-Turbo, or unset it."
