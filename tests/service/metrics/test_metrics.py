"""What each process shows about itself, who may see it, and that labels stay few."""

import re
import socket
from pathlib import Path

import httpx2
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from tools.api_page.document import document

from easel.web.metrics.port import HEAD_BYTES_MAX
from tests.service.metrics.conftest import Measured
from tests.support.contract import Contract
from tests.support.moderated import REFUSED
from tests.support.paths import ROOT
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, submit
from tests.support.scraping import Page, free_ports, scrape

GENERATIONS = "/v1/images/generations"
CALLBACKS = "easel_callback_attempts_total"
DELIVERED = {"outcome": "delivered", "attempt": "1"}


def test_a_task_is_counted_where_it_is_accepted_and_where_it_is_drawn(measured: Measured) -> None:
    before, accepted = measured.settled_worker(), measured.of_webs("easel_tasks_accepted_total")
    task = submit(measured.client, callback_url=measured.receiver.url("/counted"))
    finish(measured.client, task["id"])
    measured.receiver.await_received("/counted")
    delivered = before.value(CALLBACKS, **DELIVERED) + 1
    eventually(lambda: measured.worker().value(CALLBACKS, **DELIVERED) == delivered)
    after = measured.worker()

    def grown(name: str, **labels: str) -> float:
        return round(after.value(name, **labels) - before.value(name, **labels), 6)

    eventually(lambda: measured.of_webs("easel_tasks_accepted_total") == accepted + 1)
    assert grown("easel_tasks_ended_total", status="completed", engine="sketch", code="") == 1
    assert grown("easel_draw_duration_seconds_count", engine="sketch") == 1
    assert grown("easel_draw_steps_total", engine="sketch") >= 1
    assert grown("easel_credits_charged_total") == 0.026
    assert grown("easel_task_waiting_seconds_count") <= 1  # none before the worker's first heartbeat
    assert grown("easel_callback_duration_seconds_count") == 1
    assert after.value("easel_engine_paused", engine="sketch") == 0
    assert after.value("easel_database_pool_connections", pool="relaxed") >= 1


def test_requests_are_counted_by_route_and_status(measured: Measured) -> None:
    labels = {"method": "GET", "route": "/v1/tasks/{task_id}", "status": "404"}
    before = measured.of_webs("easel_http_requests_total", **labels)
    assert measured.client.get("/v1/tasks/task-unified-1757165031-uyujaw3d").status_code == 404
    eventually(lambda: measured.of_webs("easel_http_requests_total", **labels) == before + 1)
    assert measured.of_webs("easel_http_request_duration_seconds_count", route="/v1/tasks/{task_id}") >= 1
    assert measured.of_webs("easel_http_connections") >= 1


def test_what_a_client_makes_up_adds_no_series(measured: Measured) -> None:
    for path in ("/made-up-1", "/made-up-2", "/v1/tasks/made-up-3"):
        measured.client.get(path)
    measured.client.request("BREW", "/made-up-4")
    measured.client.request("BREWBREW", "/v1/tasks")
    finish(measured.client, submit(measured.client, prompt="made-up-5")["id"])
    shown = set.union(*(page.label_values() for page in [*measured.webs(), measured.worker()]))
    assert not [value for value in shown if "made-up" in value or "BREW" in value or "task-unified" in value]
    eventually(lambda: measured.of_webs("easel_http_requests_total", route="none", method="GET", status="404") >= 2)


def test_a_refused_prompt_is_counted_by_stage_and_outcome(measured: Measured) -> None:
    before = measured.of_webs("easel_moderation_decisions_total", stage="prompt", outcome="refused")
    task = submit(measured.client, prompt=REFUSED)
    assert finish(measured.client, task["id"])["error"]["code"] == "content_policy_violation"
    refused = {"stage": "prompt", "outcome": "refused"}
    eventually(lambda: measured.of_webs("easel_moderation_decisions_total", **refused) == before + 1)
    assert measured.of_webs("easel_tasks_ended_total", status="failed", code="content_policy_violation") >= 1


def test_every_web_process_shows_the_state_of_the_whole_service(measured: Measured) -> None:
    for page in measured.webs():
        assert page.value("easel_database_up") == 1
        assert page.value("easel_workers", state="live") == 1
        assert page.value("easel_queue_tasks", state="taken") >= 0
        assert page.value("easel_credits_available") > 0
        assert page.value("easel_build_info") == 1


def test_a_used_up_limit_is_counted(measured: Measured) -> None:
    before = measured.of_webs("easel_rate_limited_total", limit="create")
    key = measured.service.new_key("limited", "1", "--rate", "1")
    with measured.service.client(key) as client:
        task = submit(client)
        assert client.post(GENERATIONS, json={"model": "z-image-turbo", "prompt": "a cat"}).status_code == 429
        finish(client, task["id"])
    eventually(lambda: measured.of_webs("easel_rate_limited_total", limit="create") == before + 1)


def test_the_services_own_port_shows_metrics_only_to_keys_of_the_scope(measured: Measured) -> None:
    with measured.service.client() as nobody, measured.service.client(measured.service.new_key("plain")) as plain:
        assert nobody.get("/metrics").status_code == 401
        assert plain.get("/metrics").status_code == 403
    answer = measured.client.get("/metrics")
    Contract(document()).assert_kept(answer)
    assert Page(answer.text).value("easel_build_info") == 1


@pytest.mark.parametrize("path", ["/metrics", "/v1/models"])
def test_a_client_that_prefers_openmetrics_gets_it(measured: Measured, path: str) -> None:
    headers = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    measured.client.get(path, headers=headers)
    answer = httpx2.get(f"http://127.0.0.1:{measured.ports[0]}/metrics", headers=headers, trust_env=False, timeout=30)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert list(text_string_to_metric_families(answer.text))  # type: ignore[no-untyped-call]


def test_the_port_of_the_metrics_answers_nothing_else(measured: Measured) -> None:
    base = f"http://127.0.0.1:{measured.ports[-1]}"
    with httpx2.Client(base_url=base, trust_env=False, timeout=30) as client:
        assert (client.get("/healthz").status_code, client.get("/healthz").text) == (200, "ok\n")
        assert client.get("/").status_code == 404
        assert client.post("/metrics").status_code == 405
        assert client.head("/metrics").content == b""
        assert client.get("/metrics", headers={"x-long": "x" * HEAD_BYTES_MAX}).status_code == 431
    with socket.create_connection(("127.0.0.1", measured.ports[-1]), timeout=20) as connection:
        connection.sendall(b"\x16\x03\x01\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 405 ")
    assert scrape(measured.ports[-1]).value("easel_build_info") == 1


def test_every_metric_is_in_the_reference(measured: Measured) -> None:
    reference = (ROOT / "docs/reference/metrics.md").read_text()
    names = {sample.name for page in [*measured.webs(), measured.worker()] for sample in page.samples}
    bare = {re.sub("_(bucket|count|sum|created)$", "", name) for name in names if name.startswith("easel_")}
    assert [name for name in sorted(bare) if f"`{name}`" not in reference] == []


def test_a_port_that_is_taken_stops_the_start_with_a_sentence(data_dir: Path) -> None:
    first = free_ports(2)
    with socket.create_server(("127.0.0.1", first + 1)):
        service = Service(data_dir, metrics_port=str(first))
        service.start(wait=False)
        assert service.process is not None
        assert service.process.wait(60) == 78
    said = service.log_file.read_text()
    assert f"Metrics cannot be served on 127.0.0.1:{first + 1} (Address already in use): choose another" in said
    assert "Traceback" not in said


def test_ports_that_do_not_suffice_stop_the_start_with_a_sentence(data_dir: Path) -> None:
    service = Service(data_dir, metrics_port="65535")
    refused = service.cli("serve", check=False)
    assert (refused.returncode, "choose a lower EASEL_METRICS_PORT" in refused.stderr) == (78, True)
