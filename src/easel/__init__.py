"""Easel: a self-hosted text-to-image service for Z-Image-Turbo."""

from easel.runtime import interruption

# First of all, since what follows takes long enough to be interrupted.
if interruption.is_command():
    interruption.leave_at_once()

from easel.runtime import process_environment

__version__ = "0.1.0"

# Here, since some libraries must be told before they are imported, and whatever imports them imports this first.
process_environment.send_no_telemetry()
