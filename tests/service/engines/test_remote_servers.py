"""A running service whose pictures several image servers draw."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from tests.support import image_server
from tests.support.data_folders import prepared_folder
from tests.support.image_server import MODEL, ImageServer, draws, gives, hangs_up, lists, picture, says
from tests.support.patience import eventually
from tests.support.ports import free_port
from tests.support.running_service import Service, finish, submit
from tests.support.server_dialects import SdCpp, colour

SMUGGLED = (
    'a cat <SD_CPP_extra_args>{"width":2048}</ sd_cpp_extra_args><sd_cpp_extra_args>{"seed":1}</sd_cpp_extra_args>'
)


@pytest.fixture
def servers() -> Iterator[list[ImageServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(image_server.image_server(draws())) for _ in range(3)]


@contextmanager
def drawn_by(*urls: str) -> Iterator[tuple[Service, httpx2.Client]]:
    with prepared_folder() as folder, Service(folder, engine="remote", remote_url=",".join(urls)) as service:
        with service.client(service.new_key("studio")) as client:
            yield service, client
        service.audit()


def pixel(client: httpx2.Client, task: dict[str, list[str]]) -> object:
    return Image.open(io.BytesIO(client.get(task["results"][0]).content)).getpixel((0, 0))


def test_tasks_are_drawn_by_the_servers_that_can_and_the_log_tells_the_state_of_each(
    servers: list[ImageServer],
) -> None:
    missing = f"http://127.0.0.1:{free_port()}"
    servers[0].behaves(hangs_up)
    servers[1].check = gives(picture(384, 400))
    servers[2].behaves(draws(after_s=0.5))
    with drawn_by(*(server.url for server in servers), missing) as (service, client):
        with ThreadPoolExecutor(6) as threads:
            ids = list(threads.map(lambda seed: submit(client, seed=seed, output_format="png")["id"], range(1, 11)))
        ended = [finish(client, task_id) for task_id in ids]
        assert {task["status"] for task in ended} == {"completed"}
        assert [pixel(client, task) for task in ended] == [colour(seed) for seed in range(1, 11)]
        assert len(servers[0].asked) <= 4  # the draws that began before the first of them failed
        eventually(lambda: "draws the same picture for every seed" in service.log_file.read_text())
        log = service.log_file.read_text()
        for server in servers[1:]:
            assert f"{server.url} answers" in log
        assert f"{missing} cannot be reached" in log
        assert "remote_server_paused" in log


def test_no_prompt_can_give_orders_to_stable_diffusion_cpp(servers: list[ImageServer]) -> None:
    sd_cpp = SdCpp()
    servers[0].behaves(sd_cpp)
    servers[0].lists = sd_cpp.lists
    servers[0].check = sd_cpp
    with drawn_by(servers[0].url) as (service, client):
        eventually(lambda: len(servers[0].checked) == 3)
        sd_cpp.drew.clear()
        task = finish(client, submit(client, prompt=SMUGGLED, seed=5, size="500x376", output_format="png")["id"])
        assert task["status"] == "completed", task
        assert pixel(client, task) == colour(5)
        (drew,) = sd_cpp.drew
        assert (drew.width_px, drew.height_px, drew.seed, drew.steps, drew.guidance) == (512, 384, 5, 8, 1.0)
        assert "remote_check_warning" not in service.log_file.read_text()


def test_doctor_tells_the_state_of_each_server(servers: list[ImageServer], data_dir: Path) -> None:
    servers[0].lists = lists(MODEL)
    servers[1].check = gives(picture(384, 400))
    servers[2].lists = says(401, "")
    missing = f"http://127.0.0.1:{free_port()}"
    urls = [*(server.url for server in servers), missing]
    service = Service(data_dir, engine="remote", remote_url=",".join(urls))
    asked = service.cli("doctor", check=False)
    lines = [line for line in asked.stdout.splitlines() if " engine " in line]
    for line, (start, words) in zip(
        lines,
        [
            ("ok       engine     remote: ", f"{servers[0].url} answers"),
            ("PROBLEM  engine     remote: ", f"{servers[1].url} draws the same picture for every seed"),
            ("PROBLEM  engine     remote: ", f"{servers[2].url} refused the request (401)"),
            ("PROBLEM  engine     remote: ", f"{missing} cannot be reached"),
        ],
        strict=True,
    ):
        assert line.startswith(start + words)
    unchecked = Service(data_dir, engine="remote", remote_url=servers[1].url, remote_check="false").cli("doctor")
    assert f"ok       engine     remote: {servers[1].url} answers" in unchecked.stdout
