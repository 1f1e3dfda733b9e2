"""The ports of the metrics of several processes on one machine: each takes the next one after EASEL_METRICS_PORT."""

from collections.abc import Mapping
from typing import Final

from easel.settings.settings import Settings, SettingsWrong
from easel.settings.settings import variable as named

PORT_MAX: Final = 65535
_VARIABLE: Final = named("metrics_port")


def moved(environment: Mapping[str, str], by: int) -> dict[str, str]:
    """The environment of a process whose metrics are `by` ports after the first one, if there are metrics."""
    first = environment.get(_VARIABLE, "")
    if not first.strip() or not int(first):
        return dict(environment)
    return {**environment, _VARIABLE: str(int(first) + by)}


def check(config: Settings, workers: int) -> None:
    """Check that there is a port for each process, other than the service's own. Raises SettingsWrong."""
    if not config.metrics_port:
        return
    processes = config.web_processes + workers
    last = config.metrics_port + processes - 1
    if last > PORT_MAX or config.metrics_port <= config.port <= last:
        raise SettingsWrong(
            f"{processes} processes serve their metrics on the ports {config.metrics_port} to {last}: choose a lower "
            f"EASEL_METRICS_PORT, so that none is above {PORT_MAX} and none is {config.port}, the service's own."
        )
