"""Muon: momentum whose step has all singular values near one, for the matrices inside blocks.

After Keller Jordan's description (https://kellerjordan.github.io/posts/muon/), in the precision of the machine at hand:
bfloat16 on a GPU, float32 on a CPU, where bfloat16 is slow. Matrices of one shape are handled in one batch.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

COEFFICIENTS = (
    (8.2872, -23.5959, 17.3004),
    (4.1071, -2.9478, 0.5448),
    (3.9487, -2.9089, 0.5518),
    (3.3184, -2.4885, 0.5100),
)
"""Of four iterations, each with its own polynomial (Polar Express, arXiv 2505.16932)."""


class Muon(torch.optim.Optimizer):
    """Takes matrices, and kernels of convolutions as matrices of one row for each channel that comes out.

    `lr` times 0.2 is the root mean square of a step, as AdamW's steps have it.
    """

    def __init__(
        self, matrices: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.02
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move every matrix one step."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    by_shape[matrix.shape].append(matrix)
            for matrices in by_shape.values():
                self._move(matrices, group)

    def _move(self, matrices: list[Tensor], group: dict[str, float]) -> None:
        momentum = group["momentum"]
        directions = []
        for matrix in matrices:
            state = self.state[matrix]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(matrix)
            average = state["momentum"].lerp_(matrix.grad, 1 - momentum)
            directions.append(torch.lerp(matrix.grad, average, momentum).flatten(1))
        steps = orthogonal(torch.stack(directions))
        size = 0.2 * max(steps.shape[1:]) ** 0.5
        for matrix, step in zip(matrices, steps, strict=True):
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.add_(step.to(matrix.dtype).view_as(matrix), alpha=-group["lr"] * size)


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices (batch x rows x columns) with the same singular vectors and singular values of about one."""
    x = matrices.bfloat16() if matrices.device.type == "cuda" else matrices.float()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) * 1.02 + 1e-7)
    for a, b, c in COEFFICIENTS:
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x
