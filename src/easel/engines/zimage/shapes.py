"""The shapes of all tensors of a model with a given configuration. Nothing is loaded."""

from collections.abc import Mapping
from typing import Any

Shapes = dict[str, tuple[int, ...]]

REAL_SIZE: Mapping[str, Any] = {"dim": 3840, "n_heads": 30, "n_layers": 30, "n_refiner_layers": 2, "cap_feat_dim": 2560}
"""Of the published transformer's configuration, what its shapes depend on."""

TIMESTEP_DIM, TIMESTEP_HIDDEN_DIM, MODULATION_DIM_MAX, PATCH_DIM = 256, 1024, 256, 64


def linear_layers(config: Mapping[str, Any]) -> Shapes:
    """The shape of every linear layer's weights, out x in."""
    return {
        name.removesuffix(".weight"): shape
        for name, shape in transformer_shapes(config).items()
        if name.endswith(".weight") and len(shape) == 2
    }


def transformer_shapes(config: Mapping[str, Any]) -> Shapes:
    """The shape of every tensor of a transformer with this configuration. Raises KeyError, TypeError, ValueError."""
    dim, caption_dim = int(config["dim"]), int(config["cap_feat_dim"])
    modulation_dim = min(dim, MODULATION_DIM_MAX)
    shapes: Shapes = {
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


def block_shapes(dim: int, head_dim: int) -> Shapes:
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


def text_encoder_shapes(config: Mapping[str, Any]) -> Shapes:
    """The shape of every tensor of a Qwen3 with this configuration, without its output layer. Raises KeyError,
    TypeError, ValueError."""
    dim, hidden_dim = int(config["hidden_size"]), int(config["intermediate_size"])
    head_dim = int(config["head_dim"])
    queries_dim = head_dim * int(config["num_attention_heads"])
    keys_dim = head_dim * int(config["num_key_value_heads"])
    of_layer: Shapes = {
        "input_layernorm.weight": (dim,),
        "post_attention_layernorm.weight": (dim,),
        "self_attn.q_proj.weight": (queries_dim, dim),
        "self_attn.k_proj.weight": (keys_dim, dim),
        "self_attn.v_proj.weight": (keys_dim, dim),
        "self_attn.o_proj.weight": (dim, queries_dim),
        "self_attn.q_norm.weight": (head_dim,),
        "self_attn.k_norm.weight": (head_dim,),
        "mlp.gate_proj.weight": (hidden_dim, dim),
        "mlp.up_proj.weight": (hidden_dim, dim),
        "mlp.down_proj.weight": (dim, hidden_dim),
    }
    shapes: Shapes = {"embed_tokens.weight": (int(config["vocab_size"]), dim), "norm.weight": (dim,)}
    for number in range(int(config["num_hidden_layers"])):
        shapes |= {f"layers.{number}.{part}": shape for part, shape in of_layer.items()}
    return shapes
