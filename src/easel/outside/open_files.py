"""The system's limit on open files and connections, raised as far as the system allows."""

import resource
from typing import Final

from easel.domain.errors import Unusable

FILES_MIN: Final = 256
"""How many files one process of an installation must be able to open. PostgreSQL refuses to start with 48."""


class TooFewFiles(Unusable):
    """This process may open too few files."""


def require(needed: int = FILES_MIN) -> None:
    """Let this process and its children open `needed` files. Raises TooFewFiles."""
    allowed = allow(needed)
    if allowed < needed:
        raise TooFewFiles(f"This process may open only {allowed} files: raise `ulimit -n` to at least {needed}.")


def allow(wanted: int) -> int:
    """Raise the limit to `wanted`, or as far as the system allows. Returns the limit, but at most `wanted`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
