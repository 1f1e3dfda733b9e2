"""The eight sigmas of the Turbo model, as plain numbers worked out once.

They come from the checkpoint's own scheduler, and a drawing then takes Euler steps between them without it: it keeps
state between steps and reads from the device. Schedules that depend on the picture's size, or add noise, are refused.
"""

from dataclasses import dataclass
from typing import Any

STEPS = 8
"""The Turbo model is distilled to eight steps; the pipeline's own default is for another model."""

UNSUPPORTED = ("use_dynamic_shifting", "stochastic_sampling", "invert_sigmas")


@dataclass(frozen=True, slots=True)
class Schedule:
    """`timesteps` (of a thousand) are what the model is told at each step; `sigma_falls` how much noise each removes."""

    timesteps: tuple[float, ...]
    sigma_falls: tuple[float, ...]


def schedule(scheduler: Any) -> Schedule:
    """The schedule that the pipeline would follow in eight steps. Raises ValueError for a scheduler of another kind."""
    asked = [name for name in UNSUPPORTED if scheduler.config[name]]
    if asked:
        raise ValueError(f"its scheduler has {asked[0]}, which the Turbo model's has not")
    # As the pipeline does: evenly from 1 down to 1/8, which the scheduler shifts.
    scheduler.set_timesteps(sigmas=[1 - step / STEPS for step in range(STEPS)])
    sigmas = scheduler.sigmas
    return Schedule(tuple(scheduler.timesteps.tolist()), tuple((sigmas[:-1] - sigmas[1:]).tolist()))
