"""How many files and connections this process may have open: the system's limit, raised as far as it lets us."""

import resource
from typing import Final

from easel.domain.errors import Unusable

FILES_MIN: Final = 256
"""What one process of an installation must be able to open. PostgreSQL refuses to start with 48."""


class TooFewFiles(Unusable):
    """This process may open too few files; the message is a sentence for the operator."""


def require(needed: int = FILES_MIN) -> None:
    """Allow this process and its children that many. Raises TooFewFiles."""
    allowed = allow(needed)
    if allowed < needed:
        raise TooFewFiles(f"This process may open only {allowed} files: raise `ulimit -n`, to {needed} at least.")


def allow(wanted: int) -> int:
    """Raise the limit to that, or as far as the system lets it; how many are allowed, or more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
