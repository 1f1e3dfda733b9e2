"""The large matrices of the transformer, as they were read or in 8 bits.

In 8 bits, each row has one scale, and a matrix takes half the memory of bf16. It is converted when it is used, so
activations and sums are as precise as before, and every device can do it. PyTorch's product of 8-bit matrices would be
faster on some GPUs, but needs activations in 8 bits too, which changes pictures far more.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.nn.functional import linear

LARGEST = 127
"""Of the numbers in 8 bits. -128 is not used, so that both signs are alike."""


class Matrix(Module):  # type: ignore[misc] # PyTorch's classes are untyped here
    """A linear layer without bias."""

    def __init__(self, weight: Tensor) -> None:
        """`weight` is out x in."""
        super().__init__()
        self.weight = Parameter(weight, requires_grad=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """The layer's output."""
        return linear(tokens, self.weight)


class Int8Matrix(Module):  # type: ignore[misc] # PyTorch's classes are untyped here
    """A linear layer without bias, in 8 bits."""

    def __init__(self, weight: Tensor) -> None:
        """Quantize `weight` (out x in): each row to whole numbers from -127 to 127, times its scale."""
        super().__init__()
        exact = weight.float()
        # Rounded first, so that the numbers belong to the scales that are used. A row of zeros has any scale.
        scales = (exact.abs().amax(dim=1) / LARGEST).clamp(min=torch.finfo(torch.float32).tiny).to(weight.dtype)
        numbers = (exact / scales.float().unsqueeze(1)).round().clamp(-LARGEST, LARGEST)
        self.numbers = Parameter(numbers.to(torch.int8), requires_grad=False)
        self.scales = Parameter(scales, requires_grad=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """The layer's output. The compiler makes one function of the conversion, whose rounding is small beside that to
        8 bits, and scaling the output instead would be in the way of what it makes of the rest."""
        return linear(tokens, self.numbers.to(tokens.dtype) * self.scales.unsqueeze(1))


MakeMatrix = Callable[[Tensor], Module]
KINDS: dict[str, MakeMatrix] = {"bf16": Matrix, "int8": Int8Matrix}
"""By the values of EASEL_WEIGHTS."""
