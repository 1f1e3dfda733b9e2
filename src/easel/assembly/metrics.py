"""The page of metrics, and the socket for it."""

import socket
from collections.abc import Sequence

import easel
from easel.live import readings
from easel.live.instruments import Reading
from easel.live.readings import Source
from easel.settings.settings import Settings, SettingsWrong
from easel.web.metrics.page import MetricsPage


def metrics_page(*sources: Source) -> MetricsPage:
    """A process's page: what it measures about itself, and what these sources add."""
    return MetricsPage([readings.of_this_process(easel.__version__), *sources], _write)


def metrics_socket(settings: Settings) -> socket.socket | None:
    """The socket of this process's metrics; None if the settings name no port. Raises SettingsWrong."""
    host, port = settings.metrics_host.strip("[]"), settings.metrics_port
    if not port:
        return None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]
        raise SettingsWrong(
            f"Metrics cannot be served on {settings.metrics_host}:{port} ({reason}): choose another EASEL_METRICS_PORT "
            "or EASEL_METRICS_HOST. Each process takes one port, counted up from the first."
        ) from None


def _write(readings: Sequence[Reading], accept: str) -> tuple[bytes, str]:
    from easel.web.metrics import exposition  # its library takes long to import, and most processes are never asked

    return exposition.page(readings, accept)
