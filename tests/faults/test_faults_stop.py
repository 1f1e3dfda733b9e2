"""Interrupted work: a worker without its supervisor, and a request that cannot be finished."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.faults import assert_nothing_runs, postgres_of
from tests.support.frozen import frozen
from tests.support.running_service import GENERATIONS, ORDER, STOP_TIMEOUT_S, Service


def test_a_worker_exits_if_its_supervisor_was_killed_before_it_was_ready(data_dir: Path) -> None:
    with Service(data_dir) as service:
        reader, writer = os.pipe()
        os.close(reader)
        with subprocess.Popen(
            [sys.executable, "-m", "easel", "worker", "--supervised"],
            env=service.environment, stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE,
        ) as orphan:  # fmt: skip
            os.close(writer)
            try:
                assert b"Traceback" not in orphan.communicate(timeout=STOP_TIMEOUT_S)[1]
            finally:
                orphan.kill()
        assert orphan.returncode == 0
    assert_nothing_runs(data_dir)


def test_a_stopping_service_answers_an_order_it_cannot_finish_with_503(data_dir: Path) -> None:
    with Service(data_dir, drain_timeout_s="1") as service:
        key = service.new_key("interrupted")
        with ThreadPoolExecutor(1) as pool, service.client(key) as client:
            assert client.get("/v1/credits").status_code == 200
            with frozen(*postgres_of(data_dir)):
                asked = pool.submit(client.post, GENERATIONS, json=ORDER)
                time.sleep(1.5)
                os.kill(service.child_pid("web"), signal.SIGTERM)
                answer = asked.result(STOP_TIMEOUT_S)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "service_unavailable")
    assert "retry-after" in answer.headers
    assert answer.headers["x-request-id"].startswith("req-")
    assert_nothing_runs(data_dir)
