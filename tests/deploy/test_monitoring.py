"""The alert rules and the dashboard, as Prometheus's own tool and the documents see them."""

import json
import re
import shutil
import subprocess
from typing import Any, Final

import pytest

from tests.support.paths import ROOT

MONITORING: Final = ROOT / "deploy/monitoring"
PROMTOOL: Final = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")


def _promtool(*arguments: str) -> None:
    assert PROMTOOL is not None
    ran = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, cwd=MONITORING)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@needs_promtool
def test_the_configuration_and_the_rules_are_valid() -> None:
    _promtool("check", "config", "prometheus.yaml")
    _promtool("check", "rules", "--lint-fatal", "alerts.yaml")


@needs_promtool
def test_alerts_fire_when_they_should_and_only_then() -> None:
    _promtool("test", "rules", str(ROOT / "tests/deploy/alerts_test.yaml"))


def test_every_alert_is_explained() -> None:
    alerts = re.findall(r"alert: (\w+)", (MONITORING / "alerts.yaml").read_text())
    guide = (ROOT / "docs/how-to/monitor.md").read_text()
    assert [alert for alert in alerts if f"`{alert}`" not in guide] == []


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    dashboard: dict[str, Any] = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not taken & cells, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
