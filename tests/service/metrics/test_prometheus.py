"""A real Prometheus scrapes all processes, evaluates the alert rules, and answers every query of the dashboard."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import pytest

from tests.service.metrics.conftest import Measured
from tests.support.moderated import REFUSED
from tests.support.paths import ROOT
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, ORDER, finish, submit
from tests.support.scraping import PROMETHEUS, Prometheus, prometheus

MONITORING: Final = ROOT / "deploy/monitoring"
DASHBOARD: Final[dict[str, Any]] = json.loads((MONITORING / "grafana-dashboard.json").read_text())
QUERIES: Final = sorted(
    {target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())}
)  # fmt: skip
ABSENT_HERE: Final = ("easel_device_memory_bytes", "easel_image_server_up")
"""Only GPUs and image servers have these."""

pytestmark = pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed")


@pytest.fixture(scope="module")
def watched(measured: Measured, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus, which has seen everything happen that the service counts."""
    folder, service = tmp_path_factory.mktemp("prometheus"), measured.service
    with (
        prometheus(folder, measured.ports, MONITORING / "alerts.yaml") as running,
        service.client(service.new_key("watched", "1", "--rate", "1")) as limited,
    ):
        finish(limited, submit(limited)["id"])
        for number in range(3):  # a rate needs a series that exists and then grows
            _let_everything_happen(measured, limited, number)
            _await_scrape(running, measured)
        yield running


def _let_everything_happen(measured: Measured, limited: httpx2.Client, number: int) -> None:
    task = submit(measured.client, callback_url=measured.receiver.url(f"/watched-{number}"))
    assert finish(measured.client, task["id"])["status"] == "completed"
    # One comes back in a minute, which may have gone by.
    eventually(lambda: limited.post(GENERATIONS, json=ORDER).status_code == 429)
    submit(measured.client, prompt=REFUSED)
    measured.receiver.await_received(f"/watched-{number}")


def _await_scrape(running: Prometheus, measured: Measured) -> None:
    drawn = measured.worker().value("easel_tasks_ended_total", status="completed")
    eventually(lambda: _number(running, 'easel_tasks_ended_total{status="completed"}') >= drawn)


def _number(asked: Prometheus, query: str) -> float:
    """The sum of what a query finds. NaN counts as nothing."""
    values = [float(series["value"][1]) for series in asked.ask(query)]
    return sum(value for value in values if not math.isnan(value))


def test_every_process_is_scraped(watched: Prometheus, measured: Measured) -> None:
    eventually(lambda: len(watched.ask('up{job="easel"} == 1')) == len(measured.ports))


def test_every_query_of_the_dashboard_answers(watched: Prometheus) -> None:
    def silent() -> list[str]:
        return [
            query
            for query in QUERIES
            if not any(series["value"][1] != "NaN" for series in watched.ask(query.replace("$__rate_interval", "5m")))
        ]

    eventually(lambda: all(any(name in query for name in ABSENT_HERE) for query in silent()))


def test_no_alert_fires_while_all_is_well(watched: Prometheus) -> None:
    def evaluated() -> list[dict[str, Any]]:
        rules = watched.rules()
        return rules if all(rule["health"] != "unknown" for rule in rules) else []

    rules = eventually(evaluated)
    assert {rule["health"] for rule in rules} == {"ok"}
    assert [rule["name"] for rule in rules if rule["state"] == "firing"] == []


def test_alerts_name_metrics_that_exist(watched: Prometheus) -> None:
    text = (MONITORING / "alerts.yaml").read_text()
    names = set(re.findall(r"easel_[a-z_]+", text)) - set(ABSENT_HERE)
    assert [name for name in names if not watched.ask(name)] == []
