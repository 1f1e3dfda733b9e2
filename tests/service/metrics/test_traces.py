"""Traces, as a real receiver of OTLP gets them: from the client's request to the callback."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.callback_receiver import CallbackReceiver, receiving
from tests.support.data_folders import prepared_folder, reachable_folder
from tests.support.otlp_receiver import OtlpReceiver, otlp_receiver
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, ORDER, Service, finish

TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
CLIENTS_SPAN: Final = "b7ad6b7169203331"
OF_WORKER: Final = {"task", "draw", "encode", "judge", "store", "settle"}


@pytest.fixture(scope="module")
def collector() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def hooks() -> Iterator[CallbackReceiver]:
    with reachable_folder() as folder, receiving(folder) as running:
        yield running


@pytest.fixture(scope="module")
def traced(collector: OtlpReceiver, hooks: CallbackReceiver) -> Iterator[Service]:
    with prepared_folder() as folder:
        service = Service(folder, traces="on", **hooks.settings())
        service.environment |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }  # fmt: skip
        with service:
            yield service


def test_a_trace_goes_from_the_clients_request_to_the_callback(
    traced: Service, collector: OtlpReceiver, hooks: CallbackReceiver
) -> None:
    with traced.client(traced.new_key("traced")) as client:
        headers = {"traceparent": f"00-{TRACE}-{CLIENTS_SPAN}-01"}
        order = {**ORDER, "prompt": "a secret garden", "callback_url": hooks.url("/traced")}
        task_id = client.post(GENERATIONS, json=order, headers=headers).json()["id"]
        finish(client, task_id)
    [called] = hooks.await_received("/traced")
    request = f"POST {GENERATIONS}"
    spans = eventually(lambda: len(collector.of_trace(TRACE)) == len(OF_WORKER) + 2 and collector.of_trace(TRACE))
    assert spans
    assert spans.keys() == OF_WORKER | {request, "callback"}
    assert spans[request].parent == CLIENTS_SPAN
    assert {spans[name].parent for name in ("task", "callback")} == {spans[request].id}
    assert {spans[name].parent for name in OF_WORKER - {"task"}} == {spans["task"].id}
    assert called.headers["traceparent"] == f"00-{TRACE}-{spans['callback'].id}-01"
    assert (spans[request].service, spans["draw"].service) == ("easel-web", "easel-worker")
    assert spans[request].attributes["http.response.status_code"] == 200
    assert spans["task"].attributes["easel.task_id"] == task_id
    assert spans["callback"].attributes["easel.outcome"] == "delivered"
    assert not any(span.is_error for span in spans.values())
    assert "garden" not in repr(collector.spans)


def test_a_refused_request_is_no_fault(traced: Service, collector: OtlpReceiver) -> None:
    trace = "1" * 32
    with traced.client() as client:
        assert client.get("/v1/models", headers={"traceparent": f"00-{trace}-{CLIENTS_SPAN}-01"}).status_code == 401
    [span] = eventually(lambda: list(collector.of_trace(trace).values()))
    assert (span.is_error, span.attributes["http.response.status_code"]) == (False, 401)


def test_what_is_no_traceparent_begins_a_trace_of_its_own(traced: Service, collector: OtlpReceiver) -> None:
    with traced.client() as client:
        client.get("/docs", headers={"traceparent": "00-made-up-01"})
    [span] = eventually(lambda: [each for each in collector.spans if each.name == "GET /docs"])
    assert span.parent == ""


def test_nothing_is_loaded_unless_it_is_switched_on() -> None:
    check = "import sys, easel.commands.web, easel.commands.worker; print('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], capture_output=True, text=True).stdout == "False\n"


def test_a_missing_extra_is_named(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry/__init__.py").write_text("raise ImportError")
    service = Service(data_dir, traces="on")
    service.environment["PYTHONPATH"] = ":".join([str(tmp_path), *sys.path])
    service.start(wait=False)
    assert service.process is not None
    assert service.process.wait(60) == 78
    assert "EASEL_TRACES=on needs OpenTelemetry's SDK, which is not installed: install Easel's otel extra" in (
        service.log_file.read_text()
    )
