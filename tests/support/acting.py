"""When changes to keys, limits and prices take effect."""

from typing import Final

ACTS_WITHIN_S: Final = 1.0
"""From then on no process may act on what it knew before. A test that waits that long and then asks once does not fail
because a machine is slow."""
