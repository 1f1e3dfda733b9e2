"""Reads the metrics of a process as Prometheus does, and runs a real Prometheus."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.support.patience import eventually
from tests.support.ports import free_port

PROMETHEUS: Final = shutil.which("prometheus")
Labels = Mapping[str, str]


class Page:
    """The samples of a page of metrics."""

    def __init__(self, text: str) -> None:
        self.samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name with these labels; 0 if there is none."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= dict(sample.labels).items()
        )

    def label_values(self) -> set[str]:
        """Every value of every label."""
        return {value for sample in self.samples for value in sample.labels.values()}


def scrape(port: int) -> Page:
    """The page on a metrics port."""
    answer = httpx2.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=20)
    assert answer.status_code == 200
    return Page(answer.text)


def free_ports(count: int) -> int:
    """The first of `count` free ports in a row."""
    first = last = free_port()
    while last - first < count - 1:
        following = free_port()
        first, last = (first, following) if following == last + 1 else (following, following)
    return first


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The series that a query finds now. Fails if Prometheus rejects it."""
        answer = httpx2.get(f"{self._url}/api/v1/query", params={"query": query}, trust_env=False, timeout=30)
        body = answer.json()
        assert body["status"] == "success", (query, body)
        found: list[dict[str, Any]] = body["data"]["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """The alert rules."""
        groups = httpx2.get(f"{self._url}/api/v1/rules", trust_env=False, timeout=30).json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@contextmanager
def prometheus(folder: Path, ports: Sequence[int], rules: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes these ports of this machine four times a second, and evaluates these rules."""
    assert PROMETHEUS is not None
    config = {
        "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {"job_name": "easel", "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
        ],
    }
    (folder / "prometheus.yaml").write_text(json.dumps(config))
    port = free_port()
    command = [
        PROMETHEUS, f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
    ]  # fmt: skip
    running = subprocess.Popen(command)
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: _is_ready(url))
        yield Prometheus(url)
    finally:
        running.terminate()
        running.wait(20)


def _is_ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/-/ready", trust_env=False, timeout=30).status_code == 200
    except httpx2.TransportError:
        return False
