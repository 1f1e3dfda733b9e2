"""The Turbo model's eight sigmas as plain numbers, computed once.

They come from the checkpoint's scheduler. Drawings take Euler steps between them without the scheduler, which keeps
state between steps and reads from the device. Schedules that depend on the picture's size, or add noise, are refused.
"""

from dataclasses import dataclass
from typing import Any

STEPS = 8
"""The Turbo model is distilled to eight steps. The pipeline's default is for another model."""

UNSUPPORTED = ("use_dynamic_shifting", "stochastic_sampling", "invert_sigmas")


@dataclass(frozen=True, slots=True)
class Schedule:
    """`timesteps` (of a thousand) are the model's input at each step, `sigma_falls` how much noise each removes, and
    `sigmas_left` how much is left after it."""

    timesteps: tuple[float, ...]
    sigma_falls: tuple[float, ...]
    sigmas_left: tuple[float, ...]


def schedule(scheduler: Any) -> Schedule:
    """The schedule that the pipeline would use for eight steps. Raises ValueError for another kind of scheduler."""
    asked = [name for name in UNSUPPORTED if scheduler.config[name]]
    if asked:
        raise ValueError(f"its scheduler has {asked[0]}, unlike the Turbo model's")
    # As in the pipeline: evenly from 1 down to 1/8; the scheduler then shifts them.
    scheduler.set_timesteps(sigmas=[1 - step / STEPS for step in range(STEPS)])
    sigmas = scheduler.sigmas
    return Schedule(
        tuple(scheduler.timesteps.tolist()), tuple((sigmas[:-1] - sigmas[1:]).tolist()), tuple(sigmas[1:].tolist())
    )
