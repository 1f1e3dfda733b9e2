"""A seed draws the same picture byte for byte, whatever else the service does."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from tests.support.data_folders import prepared_folder
from tests.support.faults import assert_nothing_runs
from tests.support.paths import ROOT
from tests.support.running_service import Service, finish, submit

WORKERS = 3
SEED = 20251126
BURN = "while True: sum(range(10_000))"


@pytest.fixture(scope="module")
def plain() -> Iterator[Service]:
    """Several workers that draw plain pictures."""
    with prepared_folder() as folder:
        with Service(folder, workers=str(WORKERS), blank_step_s="0.01") as running:
            yield running
        assert_nothing_runs(folder)


@pytest.fixture(scope="module")
def noise() -> Iterator[Service]:
    """The real engine, with a model of random weights."""
    with prepared_folder() as folder:
        model = folder / "model"
        subprocess.run([sys.executable, "-m", "tools.tiny_checkpoint", str(model)], cwd=ROOT, check=True, timeout=60)
        with Service(folder, engine="zimage", model=str(model), device="cpu", workers="2") as running:
            yield running
        assert_nothing_runs(folder)


@contextmanager
def busy_machine() -> Iterator[None]:
    """A process that keeps one core busy until the block ends."""
    burning = subprocess.Popen([sys.executable, "-c", BURN])
    try:
        yield
    finally:
        burning.kill()
        burning.wait()


def picture(client: httpx2.Client, task: dict[str, Any]) -> bytes:
    """Wait for an accepted task, and return its picture."""
    completed = finish(client, task["id"], 60.0)
    assert completed["status"] == "completed", completed
    response = client.get(completed["results"][0])
    assert response.status_code == 200
    return response.content


def drawn_amid_others(client: httpx2.Client, times: int, **order: Any) -> set[bytes]:
    """The different pictures of one order, given `times` times amid orders of other prompts and seeds."""
    same = []
    for number in range(times):
        others = [submit(client, **(order | {"seed": 1 + number})), submit(client, **(order | {"prompt": f"{number}"}))]
        same.append(submit(client, **order))
    pictures = {picture(client, task) for task in same}
    assert not pictures & {picture(client, task) for task in others}, "another order drew the same picture"
    return pictures


@pytest.mark.parametrize("output_format", ["webp", "png", "jpeg"])
def test_a_seed_draws_the_same_bytes_in_any_worker_under_load(plain: Service, output_format: str) -> None:
    order = {"seed": SEED, "size": "400x640", "output_format": output_format}
    with plain.client(plain.new_key(f"plain-{output_format}")) as client:
        alone = picture(client, submit(client, **order))
        with busy_machine():
            assert drawn_amid_others(client, 6, **order) == {alone}
    plain.audit()


def test_a_seed_draws_the_same_bytes_with_the_real_engine_idle_and_under_load(noise: Service) -> None:
    order = {"seed": SEED, "size": "376x400"}
    with noise.client(noise.new_key("noise")) as client:
        alone = picture(client, submit(client, **order))
        with busy_machine():
            assert drawn_amid_others(client, 1, **order) == {alone}
    noise.audit()


def test_tasks_without_a_seed_draw_different_pictures(noise: Service) -> None:
    with noise.client(noise.new_key("unseeded")) as client:
        first, second = submit(client), submit(client)
        assert picture(client, first) != picture(client, second)
