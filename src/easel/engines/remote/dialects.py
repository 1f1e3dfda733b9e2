"""What each image server calls the parts of an order, and how it is told from others.

Pure. All servers offer OpenAI's `POST /v1/images/generations`, which has no seed, steps or guidance, so each has its
own names for them. A server is told by its list of models. One that is not known gets the names that most understand.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec

from easel.engines.engine import Drawing
from easel.engines.remote.pictures import canvas
from easel.engines.remote.prompts import ORDERS_TAG, without_bars, without_orders, without_weights

GUIDANCE: Final = 0.0
"""Z-Image-Turbo is distilled to draw without guidance. vllm-omni's default for its pipeline is 5."""
SD_CPP_GUIDANCE: Final = 1.0
"""stable-diffusion.cpp's name for no guidance."""
SD_CPP_MODEL: Final = "sd-cpp-local"


class Dialect(Enum):
    """An image server. The value is its name, for the operator."""

    OPENAI = "an OpenAI-compatible server"
    SD_CPP = "stable-diffusion.cpp"
    SGLANG = "sglang-diffusion"
    VLLM_OMNI = "vllm-omni"
    LOCALAI = "LocalAI"

    @property
    def chooses_by_name(self) -> bool:
        """Whether the server minds which model an order names. The others draw with the one that they have."""
        return self not in {Dialect.SD_CPP, Dialect.SGLANG}


class Card(msgspec.Struct, frozen=True):
    """A model in a server's list."""

    id: str
    owned_by: str | None = None
    created: float | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """The model that orders name, and the steps; 0 leaves steps and guidance to the server."""

    model: str
    steps: int


_OWNERS: Final = {"sglang": Dialect.SGLANG, "vllm": Dialect.VLLM_OMNI}


class _Cards(msgspec.Struct):
    data: list[Card]


def listed_models(body: bytes) -> list[Card]:
    """The models that a server lists; empty if its list is not in OpenAI's format."""
    try:
        return msgspec.json.decode(body, type=_Cards).data
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []


def dialect_of(models: list[Card]) -> Dialect:
    """The server that lists these models."""
    if any(model.id == SD_CPP_MODEL for model in models):
        return Dialect.SD_CPP
    if models and all(model.owned_by is None and model.created is None for model in models):
        # OpenAI's format requires both.
        return Dialect.LOCALAI
    owners = {model.owned_by for model in models}
    return next((dialect for owner, dialect in _OWNERS.items() if owner in owners), Dialect.OPENAI)


def order(dialect: Dialect, recipe: Recipe, drawing: Drawing) -> bytes:
    """The body of a request for one picture of the drawing's canvas."""
    width_px, height_px = canvas(drawing)
    named: dict[str, object] = {
        "model": recipe.model,
        "prompt": _prompt(dialect, recipe, drawing),
        "n": 1,
        "size": f"{width_px}x{height_px}",
        "seed": drawing.seed,
        "response_format": "b64_json",
    }
    if recipe.steps:
        named |= {"num_inference_steps": recipe.steps, "guidance_scale": GUIDANCE}
    if recipe.steps and dialect is Dialect.LOCALAI:
        named["step"] = recipe.steps
    if dialect is Dialect.SGLANG:
        named["output_format"] = "png"  # otherwise it compresses with loss
    return msgspec.json.encode(named)


def _prompt(dialect: Dialect, recipe: Recipe, drawing: Drawing) -> str:
    prompt = without_orders(drawing.prompt)
    if dialect is Dialect.SD_CPP:
        return _sd_cpp_block(recipe, drawing.seed) + without_weights(prompt)
    return without_bars(prompt) if dialect is Dialect.LOCALAI else prompt


def _sd_cpp_block(recipe: Recipe, seed: int) -> str:
    """The orders to stable-diffusion.cpp, which reads only those in its own tag, and only the first one.

    It counts passes of the model, of which diffusers' scheduler makes one less than it is asked for.
    """
    orders: dict[str, object] = {"seed": seed}
    if recipe.steps:
        passes = max(1, recipe.steps - 1)
        orders["sample_params"] = {"sample_steps": passes, "guidance": {"txt_cfg": SD_CPP_GUIDANCE}}
    return f"<{ORDERS_TAG}>{msgspec.json.encode(orders).decode()}</{ORDERS_TAG}>"
