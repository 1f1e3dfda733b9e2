"""The times that pictures are drawn at: eight steps from noise (1) to picture (0), on Z-Image-Turbo's shifted schedule."""

import torch
from torch import Tensor

STEPS = 8
SHIFT = 3.0


def schedule(steps: int = STEPS) -> list[float]:
    """The times of the steps from 1 (noise) to 0 (picture), more of them where it is noisy."""
    shares = [1 - step / steps for step in range(steps + 1)]
    return [SHIFT * share / (1 + (SHIFT - 1) * share) for share in shares]


def pick(count: int, device: torch.device) -> Tensor:
    """Times of steps: a model that is never asked at other times need not learn them."""
    times = torch.tensor(schedule()[:-1], device=device)
    return times[torch.randint(STEPS, (count,), device=device)]
