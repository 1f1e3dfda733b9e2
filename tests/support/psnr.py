"""How far two pictures or tensors are apart."""

import math
from typing import Any


def psnr_db(one: Any, other: Any, peak: float) -> float:
    """The peak signal-to-noise ratio in decibels; infinite if they are equal."""
    error = float((one.double() - other.double()).square().mean())
    return math.inf if error == 0 else 10 * math.log10(peak * peak / error)
