"""The transformer: Z-Image-Turbo's kind in small.

Caption tokens and latent tokens in one stream, rotary positions on three axes, adaptive scales and tanh gates from the
time, RMS norms before and after each part, refiner blocks of their own for caption and latents. The answer is the
picture that is expected at the end, from which the velocity follows. All in real arithmetic on plain tensors: every
operation has an ONNX counterpart.

Three things differ from the large model. The text encoder is an embedding and the context refiner, trained along. The
shape of the picture joins the time in the condition, and each latent token is told where in the picture it lies: a
small model learns layout sooner so. The latents stand at caption place 0, whatever the caption's length.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.recipe import TransformerShape

ROPE_BASE = 256.0
PLACE_FEATURES = 8
TIME_FEATURES = 64


class RmsNorm(nn.Module):
    """Root mean square norm over the last axis."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        if torch.onnx.is_in_onnx_export():  # the exporter does not know the fused form
            return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-6) * self.scale
        return functional.rms_norm(x, (x.shape[-1],), self.scale, 1e-6)


def rotation(positions: Tensor, axes: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Cosines and sines, tokens x half a head, of positions (tokens x 3)."""
    angles = []
    for axis, width in enumerate(axes):
        frequencies = ROPE_BASE ** (-torch.arange(0, width, 2, device=positions.device) / width)
        angles.append(positions[:, axis : axis + 1].float() * frequencies)
    angle = torch.cat(angles, dim=1)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the two halves of each head (batch x heads x tokens x head) against each other."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


class Block(nn.Module):
    """Attention and a gated feed-forward part; scaled and gated by a condition if `condition` is not 0."""

    def __init__(self, shape: TransformerShape, condition: int) -> None:
        super().__init__()
        dim = shape.dim
        self.heads = shape.heads
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.query_norm = RmsNorm(dim // shape.heads)
        self.key_norm = RmsNorm(dim // shape.heads)
        self.gate = nn.Linear(dim, shape.feed_forward, bias=False)
        self.up = nn.Linear(dim, shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, dim, bias=False)
        self.attention_norms = nn.ModuleList([RmsNorm(dim), RmsNorm(dim)])
        self.feed_norms = nn.ModuleList([RmsNorm(dim), RmsNorm(dim)])
        self.modulation = nn.Linear(condition, 4 * dim) if condition else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            # tanh(0.5): the gates stand half open at the start.
            self.modulation.bias.data = torch.tensor([0.0, 0.5, 0.0, 0.5]).repeat_interleave(dim)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], bias: Tensor | None, condition: Tensor | None) -> Tensor:
        """x: batch x tokens x dim; `bias` is added to the attention's scores."""
        if self.modulation is None or condition is None:
            x = x + self.attention_norms[1](self._attend(self.attention_norms[0](x), turn, bias))
            return x + self.feed_norms[1](self._feed(self.feed_norms[0](x)))
        scale, gate, feed_scale, feed_gate = self.modulation(condition)[:, None].chunk(4, dim=-1)
        attended = self._attend(self.attention_norms[0](x) * (1 + scale), turn, bias)
        x = x + torch.tanh(gate) * self.attention_norms[1](attended)
        fed = self._feed(self.feed_norms[0](x) * (1 + feed_scale))
        return x + torch.tanh(feed_gate) * self.feed_norms[1](fed)

    def _attend(self, x: Tensor, turn: tuple[Tensor, Tensor], bias: Tensor | None) -> Tensor:
        batch, tokens, dim = x.shape
        query, key, value = (
            part(x).view(batch, tokens, self.heads, dim // self.heads).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        query, key = rotate(self.query_norm(query), *turn), rotate(self.key_norm(key), *turn)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.out(attended.transpose(1, 2).reshape(batch, tokens, dim))

    def _feed(self, x: Tensor) -> Tensor:
        return self.down(functional.silu(self.gate(x)) * self.up(x))


class Transformer(nn.Module):
    """Noisy latents, a time and a caption to the latents of the picture that is expected."""

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.words, shape.dim)
        nn.init.normal_(self.words.weight, std=0.5)
        self.context = nn.ModuleList([Block(shape, 0) for _ in range(shape.context_blocks)])
        self.context_norm = RmsNorm(shape.dim)
        self.enter = nn.Linear(shape.latent_channels + PLACE_FEATURES, shape.dim)
        self.time = nn.Sequential(
            nn.Linear(TIME_FEATURES + 3, 256), nn.SiLU(), nn.Linear(256, shape.condition), nn.SiLU()
        )
        self.noise = nn.ModuleList([Block(shape, shape.condition) for _ in range(shape.noise_blocks)])
        self.blocks = nn.ModuleList([Block(shape, shape.condition) for _ in range(shape.blocks)])
        self.leave_norm = RmsNorm(shape.dim)
        self.leave_scale = nn.Linear(shape.condition, shape.dim)
        self.leave = nn.Linear(shape.dim, shape.latent_channels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave_scale.weight)

    def read(self, words: Tensor, bias: Tensor | None = None) -> Tensor:
        """Caption tokens (batch x tokens) to their context (batch x tokens x dim)."""
        x = self.words(words)
        turn = rotation(caption_positions(words.shape[1], words.device), self.shape.axes)
        for block in self.context:
            x = block(x, turn, bias, None)
        return self.context_norm(x)

    def forward(
        self, latents: Tensor, time: Tensor, context: Tensor, positions: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        """The picture's expected latents, as large as the latents given (batch x channels x height x width).

        `time` is 1 for noise and 0 for the picture; `positions` (latent tokens x 3) are `latent_positions`' answer;
        `bias` (batch x 1 x 1 x tokens) hides the padding of captions, which follow the latents.
        """
        batch, channels, height, width = latents.shape
        turn = rotation(positions, self.shape.axes)
        caption_turn = rotation(caption_positions(context.shape[1], context.device), self.shape.axes)
        whole = torch.cat([turn[0], caption_turn[0]]), torch.cat([turn[1], caption_turn[1]])
        tokens = latents.flatten(2).transpose(1, 2)
        places = place_features(positions, height, width).expand(batch, -1, -1)
        form = shape_features(height, width, latents.device).expand(batch, 3)
        answer = self.flow(tokens, time, form, places, context, whole, bias)
        return answer.transpose(1, 2).reshape(batch, channels, height, width)

    def flow(
        self, tokens: Tensor, time: Tensor, form: Tensor, places: Tensor, context: Tensor, turn: tuple[Tensor, Tensor],
        bias: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """What latent tokens (batch x tokens x channels) are expected to be in the picture; the shape's part is given."""
        condition = self.time(torch.cat([waves(time), form], dim=1))
        x = self.enter(torch.cat([tokens, places], dim=2))
        count = tokens.shape[1]
        own = turn[0][:count], turn[1][:count]
        for block in self.noise:
            x = block(x, own, None, condition)
        x = torch.cat([x, context], dim=1)
        for block in self.blocks:
            x = block(x, turn, bias, condition)
        x = self.leave_norm(x[:, :count]) * (1 + self.leave_scale(condition)[:, None])
        answer: Tensor = self.leave(x)
        return answer


def caption_positions(count: int, device: torch.device) -> Tensor:
    """A caption's tokens stand at 1, 2, 3 … on the first axis."""
    first = torch.arange(1, count + 1, device=device)
    return torch.stack([first, torch.zeros_like(first), torch.zeros_like(first)], dim=1)


def latent_positions(height: int, width: int, device: torch.device) -> Tensor:
    """Latent tokens stand at their row and column, row by row."""
    rows = torch.arange(height, device=device)[:, None].expand(height, width).reshape(-1)
    columns = torch.arange(width, device=device)[None].expand(height, width).reshape(-1)
    return torch.stack([torch.zeros_like(rows), rows, columns], dim=1)


def waves(time: Tensor) -> Tensor:
    """Sines and cosines of the time, batch x TIME_FEATURES."""
    half = TIME_FEATURES // 2
    frequencies = torch.exp(-math.log(1000.0) * torch.arange(half, device=time.device) / half) * 1000.0
    angle = time[:, None].float() * frequencies
    return torch.cat([angle.cos(), angle.sin()], dim=1)


def shape_features(height: int, width: int, device: torch.device) -> Tensor:
    """A picture's width and height in tokens and their ratio, at a scale of about one: 1 x 3."""
    return torch.tensor([[width / 8 - 1, height / 8 - 1, math.log(width / height)]], device=device)


def place_features(positions: Tensor, height: int, width: int) -> Tensor:
    """Where in the picture each latent token lies, as waves of its share of height and width."""
    down = (positions[:, 1:2].float() + 0.5) / height * torch.pi
    across = (positions[:, 2:3].float() + 0.5) / width * torch.pi
    return torch.cat(
        [down.cos(), down.sin(), (2 * down).cos(), (2 * down).sin(), across.cos(), across.sin(), (2 * across).cos(),
         (2 * across).sin()], dim=1,
    )[None]  # fmt: skip
