"""Z-Image's transformer: the stock model's arithmetic, with as little work as possible in each step.

Values that the steps of a drawing share (the refined caption, the rotations) are computed once per drawing. Values that
all drawings share (the norms' weights, modulated for each step) are computed once at load, by `packing`, from the stock
model. A step reads nothing back from the device. The transformer handles one picture at a time, without gradients, with
one patch size, and gives the stock model's numbers within rounding, not to the bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.nn.functional import layer_norm, linear, rms_norm, silu

from easel.engines.zimage.slices import attend

SEQUENCE_MULTIPLE = 32
"""The model was trained with captions and pictures padded to a multiple of this, and attends to the padding."""


class Rotation(NamedTuple):
    """The positions of tokens: cosines and sines in float32, each tokens x 1 x half a head."""

    cosines: Tensor
    sines: Tensor


class Dense(NamedTuple):
    """A linear layer's `weight` (out x in) and `bias` (out)."""

    weight: Tensor
    bias: Tensor

    def __call__(self, tokens: Tensor) -> Tensor:
        """The layer's output."""
        return linear(tokens, self.weight, self.bias)


class Block(Module):  # type: ignore[misc] # PyTorch's classes are untyped here
    """A transformer block. The weights of its four norms are arguments, since they differ between steps."""

    def __init__(
        self,
        *,
        query_key_value: Module,
        attention_out: Module,
        gate_up: Module,
        down: Module,
        query_norm: Tensor,
        key_norm: Tensor,
        epsilon: float,
        head_epsilon: float,
    ) -> None:
        """The four projections are linear layers. In each head of queries and keys, the first elements of all rotated
        pairs come before the second ones."""
        super().__init__()
        self.query_key_value = query_key_value
        self.attention_out = attention_out
        self.gate_up = gate_up
        self.down = down
        self.query_norm = Parameter(query_norm, requires_grad=False)
        self.key_norm = Parameter(key_norm, requires_grad=False)
        self.epsilon = epsilon
        self.head_epsilon = head_epsilon

    def forward(self, tokens: Tensor, cosines: Tensor, sines: Tensor, norms: Tensor) -> Tensor:
        """`tokens` is tokens x dim. `norms` is 4 x dim: before and after attention, before and after the
        feed-forward."""
        before_attention, after_attention, before_feeding, after_feeding = norms.unbind()
        attended = self.attend(self.normed(tokens, before_attention), cosines, sines)
        tokens = tokens + self.normed(attended, after_attention)
        gate, up = self.gate_up(self.normed(tokens, before_feeding)).chunk(2, dim=-1)
        fed = self.down(silu(gate) * up)
        return tokens + self.normed(fed, after_feeding)

    def normed(self, tokens: Tensor, weight: Tensor) -> Tensor:
        """Each token divided by its root mean square, times `weight`."""
        return rms_norm(tokens, weight.shape, weight, self.epsilon)

    def attend(self, tokens: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        """Every token attends to every other."""
        shape = self.query_norm.shape
        packed = self.query_key_value(tokens).unflatten(-1, (3, -1, shape[0]))
        queries, keys, values = packed.unbind(1)
        queries = rotated(rms_norm(queries, shape, self.query_norm, self.head_epsilon), cosines, sines)
        keys = rotated(rms_norm(keys, shape, self.key_norm, self.head_epsilon), cosines, sines)
        by_head = [part.transpose(0, 1).unsqueeze(0) for part in (queries, keys, values)]
        attended = attend(*by_head)
        output: Tensor = self.attention_out(attended.squeeze(0).transpose(0, 1).flatten(1))
        return output


def rotated(heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """`heads` (tokens x heads x size) with each pair (i, i + size / 2) rotated by its angle, in float32."""
    first, second = heads.float().chunk(2, dim=-1)
    turned = torch.cat([first * cosines - second * sines, first * sines + second * cosines], dim=-1)
    return turned.to(heads.dtype)


RunBlock = Callable[[Block, Tensor, Tensor, Tensor, Tensor], Tensor]


def run_block(block: Block, tokens: Tensor, cosines: Tensor, sines: Tensor, norms: Tensor) -> Tensor:
    """The block's output. This function is compiled once, for all blocks and sizes."""
    output: Tensor = block(tokens, cosines, sines, norms)
    return output


def run_caption_block(block: Block, tokens: Tensor, cosines: Tensor, sines: Tensor, norms: Tensor) -> Tensor:
    """The same for captions, compiled on its own where their attention kernel is another one."""
    output: Tensor = block(tokens, cosines, sines, norms)
    return output


@dataclass(frozen=True, slots=True)
class Refiner:
    """Blocks with their norms at one step. The caption's norms are the same at every step."""

    blocks: Sequence[Block]
    norms: Sequence[Tensor]
    """Of each block, 4 x dim. They are no views, or the compiler would make a graph for each shape that they view."""

    def __call__(self, run: RunBlock, tokens: Tensor, rotation: Rotation) -> Tensor:
        """The tokens after all blocks."""
        for block, norms in zip(self.blocks, self.norms, strict=True):
            tokens = run(block, tokens, rotation.cosines, rotation.sines, norms)
        return tokens


@dataclass(frozen=True, slots=True)
class Step:
    """Everything that differs between steps."""

    noise_refiner: Refiner
    layers: Refiner
    last_norm: Tensor
    """Dim."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The values that all steps of a drawing share. `rows` and `columns` count patches of 16 x 16 pixels."""

    rows: int
    columns: int
    context: Tensor
    """The refined caption, padded: tokens x dim."""
    padding: Tensor
    """The tokens that pad the picture to a multiple of 32; usually none."""
    picture_rotation: Rotation
    rotation: Rotation
    """The rotation of picture, padding and caption, in this order."""


class Positions:
    """Cosines and sines of every position on every axis: time (along which the caption lies), row, column."""

    def __init__(self, axes_dims: Sequence[int], axes_lens: Sequence[int], theta: float, device: torch.device) -> None:
        """Angles are computed in float64 and rounded, as in the stock model, on the CPU, since not every device has
        float64."""
        self.pairs = sum(axes_dims) // 2
        """How many pairs of a head's elements are rotated."""
        self._cosines: list[Tensor] = []
        self._sines: list[Tensor] = []
        for dims, length in zip(axes_dims, axes_lens, strict=True):
            frequencies = 1.0 / theta ** (torch.arange(0, dims, 2, dtype=torch.float64, device="cpu") / dims)
            places = torch.arange(length, dtype=torch.float64, device="cpu")
            angles = torch.outer(places, frequencies).float()
            self._cosines.append(angles.cos().to(device))
            self._sines.append(angles.sin().to(device))

    def caption(self, tokens: int) -> Rotation:
        """The caption: times 1, 2, …, in the first row and column."""
        return Rotation(*(laid_out(axis, slice(1, tokens + 1), 1, 1, 0) for axis in (self._cosines, self._sines)))

    def picture(self, caption_tokens: int, rows: int, columns: int, padding: int) -> Rotation:
        """The picture: the time after the caption. Its padding is at the origin."""
        time = slice(caption_tokens + 1, caption_tokens + 2)
        return Rotation(*(laid_out(axis, time, rows, columns, padding) for axis in (self._cosines, self._sines)))


def laid_out(axes: Sequence[Tensor], times: slice, rows: int, columns: int, padding: int) -> Tensor:
    """Every time with every row and column, then the origin `padding` times (tokens x 1 x half a head)."""
    by_time = axes[0][times]
    shape = (len(by_time), rows, columns, -1)
    grid = torch.cat(
        [
            by_time[:, None, None].expand(shape),
            axes[1][None, :rows, None].expand(shape),
            axes[2][None, None, :columns].expand(shape),
        ],
        dim=-1,
    )
    origin = torch.cat([axis[0] for axis in axes]).expand(padding, 1, -1)
    # Not a view, or the compiler would make a second graph for rotations that are none.
    return torch.cat([grid.flatten(0, 2).unsqueeze(1), origin])


@dataclass(slots=True)
class Denoiser:
    """The packed transformer. `run` and `run_caption`, which run a block for pictures and for captions, may be replaced
    by compiled versions; nothing else changes after load."""

    patch_in: Dense
    patch_padding: Tensor
    """1 x dim."""
    caption_norm: Tensor
    caption_epsilon: float
    caption_in: Dense
    caption_padding: Tensor
    """1 x dim."""
    context_refiner: Refiner
    steps: Sequence[Step]
    patch_out: Dense
    last_epsilon: float
    positions: Positions
    run: RunBlock = run_block
    run_caption: RunBlock = run_block

    def scene(self, embedding: Tensor, rows: int, columns: int) -> Scene:
        """The scene of a picture of `rows` x `columns` patches. `embedding` is tokens x dimensions."""
        embedding = embedding.to(self.caption_norm)
        context = self.caption_in(rms_norm(embedding, self.caption_norm.shape, self.caption_norm, self.caption_epsilon))
        context = torch.cat([context, self.caption_padding.expand(-len(context) % SEQUENCE_MULTIPLE, -1)])
        caption_rotation = self.positions.caption(len(context))
        context = self.context_refiner(self.run_caption, context, caption_rotation)
        padding = self.patch_padding.expand(-(rows * columns) % SEQUENCE_MULTIPLE, -1)
        picture_rotation = self.positions.picture(len(context), rows, columns, len(padding))
        rotation = Rotation(*(torch.cat(parts) for parts in zip(picture_rotation, caption_rotation, strict=True)))
        return Scene(rows, columns, context, padding, picture_rotation, rotation)

    def predict(self, scene: Scene, patches: Tensor, step: Step) -> Tensor:
        """The model's prediction at this step: data minus noise, in the shape of `patches` (rows * columns x 64)."""
        tokens = torch.cat([self.patch_in(patches.to(self.patch_in.weight.dtype)), scene.padding])
        tokens = step.noise_refiner(self.run, tokens, scene.picture_rotation)
        tokens = step.layers(self.run, torch.cat([tokens, scene.context]), scene.rotation)
        tokens = layer_norm(tokens[: len(patches)], step.last_norm.shape, step.last_norm, None, self.last_epsilon)
        return self.patch_out(tokens)


def to_patches(latents: Tensor) -> Tensor:
    """Channels x height x width as patches of 2 x 2: one row per patch, channels last."""
    channels, height, width = latents.shape
    grid = latents.view(channels, height // 2, 2, width // 2, 2)
    return grid.permute(1, 3, 2, 4, 0).reshape(height // 2 * (width // 2), 4 * channels)


def from_patches(patches: Tensor, rows: int, columns: int) -> Tensor:
    """The inverse of `to_patches`: channels x 2 rows x 2 columns."""
    grid = patches.view(rows, columns, 2, 2, -1)
    return grid.permute(4, 0, 2, 1, 3).reshape(-1, 2 * rows, 2 * columns)
