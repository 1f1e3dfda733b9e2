"""The times that a model learns, those of the engine's steps from noise (1) to picture (0), and latents at such times."""

import torch
from torch import Tensor

from easel.engines.nano.engine import STEPS, schedule


def pick(count: int, device: torch.device, last: int = STEPS) -> Tensor:
    """Times of the `last` steps: a model that is never asked at other times need not learn them."""
    times = torch.from_numpy(schedule()[STEPS - last : STEPS]).to(device)
    return times[torch.randint(last, (count,), device=device)]


def noised(latents: Tensor, moments: Tensor) -> Tensor:
    """Each picture's latents (batch x channels x height x width) on their way from noise, at its time."""
    mix = moments[:, None, None, None]
    return (1 - mix) * latents + mix * torch.randn_like(latents)
