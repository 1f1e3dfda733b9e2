"""A service that starts before its database waits for it, and can be stopped meanwhile."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tools.own_server.postgres import OwnPostgres

from tests.support.data_folders import reachable_folder
from tests.support.faults import assert_nothing_runs
from tests.support.patience import PATIENCE_S, eventually
from tests.support.running_service import START_TIMEOUT_S, Service, finish, submit

SECRET: Final = "s" * 40


@pytest.fixture
def away() -> Iterator[OwnPostgres]:
    """A database that is set up, and whose server does not run."""
    with reachable_folder() as folder:
        server = OwnPostgres(folder, connections_max=40)
        server.create()
        server.stop(signal.SIGINT)
        try:
            yield server
        finally:
            server.stop(signal.SIGKILL)


def service_of(server: OwnPostgres, folder: Path, url: str | None = None) -> Service:
    data_dir = folder / "service"
    data_dir.mkdir()
    return Service(data_dir, workers="1", database_url=url or server.url, secret=SECRET, database_wait_s="120")


def is_waiting(service: Service) -> bool:
    return any(line["event"] == "database_awaited" for line in service.log_lines())


def test_a_service_waits_for_a_database_that_starts_after_it(away: OwnPostgres, tmp_path: Path) -> None:
    service = service_of(away, tmp_path)
    service.start(wait=False)
    try:
        eventually(lambda: is_waiting(service))
        away.start()
        eventually(lambda: b" is ready at " in service.log_file.read_bytes(), START_TIMEOUT_S)
        with service.client(service.new_key("late")) as client:
            assert finish(client, submit(client)["id"])["status"] == "completed"
    finally:
        service.stop()


def test_a_service_that_waits_stops_when_asked(away: OwnPostgres, tmp_path: Path) -> None:
    service = service_of(away, tmp_path)
    service.start(wait=False)
    eventually(lambda: is_waiting(service))
    assert service.stop() == 0
    assert_nothing_runs(service.data_dir)


def test_a_server_that_refuses_is_not_waited_for(away: OwnPostgres, tmp_path: Path) -> None:
    away.start()
    service = service_of(away, tmp_path, away.url.replace("/easel?", "/missing?"))
    service.start(wait=False)
    assert service.process is not None
    assert service.process.wait(PATIENCE_S) == os.EX_CONFIG
    assert 'database "missing" does not exist' in service.log_file.read_text()
    assert not is_waiting(service)
