"""Imports structlog without rich, which is most of what structlog costs to import.

structlog would print tracebacks with rich. Easel's logs never do: `logs` formats exceptions itself. Where Easel uses
rich for tables and progress bars, it is imported as usual.
"""

import sys


def load() -> None:
    """Import structlog, unless something else has. Call this before anything that imports it."""
    if "rich" in sys.modules or "structlog" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment] # what Python documents for an import that must fail
    try:
        import structlog.dev  # noqa: F401 - rich has to be hidden first
    finally:
        del sys.modules["rich"]
