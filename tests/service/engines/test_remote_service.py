"""The remote engine in a running service whose pictures another server draws."""

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from PIL import Image

from tests.support import image_server
from tests.support.data_folders import prepared_folder
from tests.support.image_server import ImageServer, draws, gives, hangs, hangs_up, picture, says
from tests.support.patience import eventually
from tests.support.ports import free_port
from tests.support.running_service import Service, finish, read_task, submit

KEY: Final = "sk-remote-0123456789"
TIMEOUT_S: Final = 6
PAGE: Final = "<html>nginx at 10.0.0.7</html>"


@pytest.fixture(scope="module")
def running() -> Iterator[ImageServer]:
    with image_server.image_server(draws()) as server:
        yield server


@pytest.fixture(scope="module")
def remote_service(running: ImageServer) -> Iterator[Service]:
    with prepared_folder() as folder:
        service = Service(
            folder, engine="remote", remote_url=running.url, remote_api_key=KEY, remote_timeout_s=str(TIMEOUT_S)
        )
        # An unreachable proxy: if it were used, drawing would fail.
        service.environment |= dict.fromkeys(
            ("http_proxy", "https_proxy", "all_proxy"), f"http://127.0.0.1:{free_port()}"
        )
        with service:
            yield service


@pytest.fixture
def server(running: ImageServer) -> ImageServer:
    running.behaves(draws())
    return running


@pytest.fixture(scope="module")
def client(remote_service: Service) -> Iterator[httpx2.Client]:
    with remote_service.client(remote_service.new_key("studio")) as connected:
        yield connected


def used(client: httpx2.Client) -> float:
    """Credits used, once none are held."""
    user: dict[str, Any] = client.get("/v1/credits").json()["data"]["user"]
    assert user["remaining_credits"] + user["used_credits"] == pytest.approx(100)
    return float(user["used_credits"])


def recover(server: ImageServer, client: httpx2.Client) -> None:
    """Draw a picture, because failures in a row, even of several tests, pause the engine."""
    server.behaves(draws())
    assert finish(client, submit(client)["id"])["status"] == "completed"


def test_a_picture_is_drawn_by_the_image_server(server: ImageServer, client: httpx2.Client) -> None:
    before = used(client)
    task = finish(client, submit(client, size="500x376", seed=5, output_format="png")["id"])
    assert task["status"] == "completed", task
    assert task["result_data"][0]["engine"] == "remote"
    image = Image.open(io.BytesIO(client.get(task["results"][0]).content))
    assert (image.size, image.getpixel((0, 0))) == ((500, 376), (5, 0, 7))
    (asked,) = server.asked
    assert (asked.body["size"], asked.body["seed"]) == ("512x384", 5)
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert used(client) - before == pytest.approx(0.026)


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (400, {"error": {"code": "content_policy_violation"}}, "content_policy_violation", "Content policy violation.\n"),
        (422, {"detail": "size is odd"}, "invalid_parameters", "The image server refused this order: size is odd"),
        (401, PAGE, "service_error", "The image server refused Easel"),
        (500, PAGE, "service_unavailable", "The image server failed"),
        (200, PAGE, "generation_failed_no_content", "The image server answered without a picture"),
    ],
)  # fmt: skip
def test_a_failure_of_the_image_server_fails_the_task_without_charge(
    server: ImageServer, client: httpx2.Client, status: int, body: object, code: str, message: str
) -> None:
    before = used(client)
    server.behaves(says(status, body))
    task = finish(client, submit(client)["id"])
    assert task["status"] == "failed"
    assert task["error"]["code"] == code
    assert task["error"]["message"].startswith(message)
    assert used(client) == before
    recover(server, client)


def test_a_picture_of_one_colour_fails_the_task_without_charge(server: ImageServer, client: httpx2.Client) -> None:
    before = used(client)
    server.behaves(gives(picture(384, 384, colour="black", spot="black")))
    task = finish(client, submit(client)["id"])
    assert (task["status"], task["error"]["code"]) == ("failed", "generation_failed_no_content")
    assert used(client) == before
    recover(server, client)


def test_a_server_that_is_too_slow_times_the_task_out(server: ImageServer, client: httpx2.Client) -> None:
    before = used(client)
    server.behaves(hangs)
    assert finish(client, submit(client)["id"])["error"]["code"] == "generation_timeout"
    assert used(client) == before
    recover(server, client)


def test_a_temporary_failure_of_the_image_server_is_not_visible(server: ImageServer, client: httpx2.Client) -> None:
    server.behaves(hangs_up, draws())
    assert finish(client, submit(client)["id"])["status"] == "completed"
    assert len(server.asked) == 2


def test_four_pictures_are_drawn_at_once(server: ImageServer, client: httpx2.Client) -> None:
    server.behaves(draws(after_s=1.0))
    with ThreadPoolExecutor(6) as threads:
        ids = list(threads.map(lambda seed: submit(client, seed=seed)["id"], range(1, 7)))
    assert {finish(client, task_id)["status"] for task_id in ids} == {"completed"}
    assert server.most_at_once == 4
    assert sorted(asked.body["seed"] for asked in server.asked) == [1, 2, 3, 4, 5, 6]


def test_cancelling_a_task_closes_the_connection_to_the_image_server(
    server: ImageServer, client: httpx2.Client
) -> None:
    before = used(client)
    server.behaves(hangs)
    task_id = submit(client)["id"]
    eventually(lambda: server.asked)
    assert read_task(client, task_id)["status"] == "processing"
    cancelled_at_s = time.monotonic()
    assert client.post(f"/v1/tasks/{task_id}/cancel").status_code == 200
    eventually(lambda: server.hung_up_at_s)
    # Nobody would hang up before the limit otherwise.
    assert server.hung_up_at_s[0] - cancelled_at_s < TIMEOUT_S - 1
    assert finish(client, task_id)["error"]["code"] == "request_cancelled"
    assert used(client) == before


def test_a_start_without_the_image_servers_address_is_refused(data_dir: Path) -> None:
    refused = Service(data_dir, engine="remote").cli("serve", check=False)
    assert refused.returncode != 0
    assert "EASEL_REMOTE_URL is required with EASEL_ENGINE=remote" in refused.stderr


def test_the_log_has_hints_for_the_operator_and_nothing_private(
    remote_service: Service, server: ImageServer, client: httpx2.Client
) -> None:
    server.behaves(says(403, PAGE))
    finish(client, submit(client, prompt="a prompt that nobody should log")["id"])
    log = remote_service.log_file.read_text()
    assert "it answered 403: check EASEL_REMOTE_API_KEY" in log
    for private in (KEY, "nobody should log", "nginx"):
        assert private not in log
    remote_service.audit()
