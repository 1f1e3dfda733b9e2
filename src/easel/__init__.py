"""Easel: a self-hosted text-to-image service for Z-Image-Turbo."""

from easel.runtime import interruption

# First, because the imports that follow take long enough to be interrupted.
if interruption.is_command():
    interruption.leave_at_once()

from easel.runtime import lean_structlog, process_environment

__version__ = "0.1.0"

# Here, because this package is always imported before structlog.
lean_structlog.load()

# Here, because some libraries read these variables on import, and this package is always imported before them.
process_environment.send_no_telemetry()
