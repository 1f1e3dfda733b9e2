"""A service whose processes serve their metrics, with something of every kind to measure."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest

from tests.support.callback_receiver import CallbackReceiver, receiving
from tests.support.data_folders import prepared_folder, reachable_folder
from tests.support.patience import eventually
from tests.support.running_service import Service
from tests.support.scraping import Page, free_ports, scrape

WEBS = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """A service with two web processes and a worker, and the first of their ports."""

    service: Service
    receiver: CallbackReceiver
    client: httpx2.Client
    first_port: int

    @property
    def ports(self) -> list[int]:
        """The ports of the metrics of all processes."""
        return [self.first_port + number for number in range(WEBS + 1)]

    def webs(self) -> list[Page]:
        """What the web processes show."""
        return [scrape(port) for port in self.ports[:WEBS]]

    def worker(self) -> Page:
        """What the worker shows."""
        return scrape(self.ports[WEBS])

    def settled_worker(self) -> Page:
        """What the worker shows, once it has counted everything that it has drawn."""

        def settled() -> Page | None:
            with self.service.database() as connection:
                row = connection.execute("SELECT count(*) FROM tasks WHERE status = 'completed'").fetchone()
            page = self.worker()
            return page if row == (page.value("easel_tasks_ended_total", status="completed"),) else None

        page = eventually(settled)
        assert page is not None
        return page

    def of_webs(self, name: str, **labels: str) -> float:
        """The sum over the web processes."""
        return sum(page.value(name, **labels) for page in self.webs())


@pytest.fixture(scope="session")
def measured() -> Iterator[Measured]:
    with reachable_folder() as folder, receiving(folder) as receiver, prepared_folder() as data_dir:
        first = free_ports(WEBS + 1)
        settings = {
            "web_processes": str(WEBS),
            "metrics_port": str(first),
            "engine": "sketch",
            "reads_per_minute": "600",
        }
        with Service(data_dir, **settings, **receiver.settings()) as service:
            scopes = ("--scope", "admin", "--scope", "generate", "--scope", "read")
            with service.client(service.new_key("metered", "10", *scopes)) as client:
                yield Measured(service, receiver, client, first)
