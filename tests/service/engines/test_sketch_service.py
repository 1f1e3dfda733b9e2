"""A whole service with Easel Sketch: the default engine, its steps, and a drawing that is cancelled half-way."""

import io
from collections.abc import Iterator

import httpx2
import pytest
from PIL import Image

from tests.support.data_folders import prepared_folder
from tests.support.event_stream import EventStream
from tests.support.faults import await_draw, entries, events
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, read_task, submit

STEP_S = 0.4
DEFAULT_ENGINE = ""
"""An empty variable counts as unset."""


@pytest.fixture(scope="module")
def sketching() -> Iterator[Service]:
    """A service with one worker of the default engine, which takes its time for every layer."""
    with prepared_folder() as folder, Service(folder, engine=DEFAULT_ENGINE, sketch_step_s=str(STEP_S)) as running:
        yield running


@pytest.fixture(scope="module")
def key(sketching: Service) -> str:
    return sketching.new_key("painter")


@pytest.fixture
def client(sketching: Service, key: str) -> Iterator[httpx2.Client]:
    with sketching.client(key) as client:
        yield client


def picture_of(client: httpx2.Client, **order: str | int) -> tuple[bytes, Image.Image]:
    task = finish(client, submit(client, prompt="a red fox in a forest", **order)["id"])
    assert task["status"] == "completed", task
    assert task["result_data"][0]["engine"] == "sketch"
    file = client.get(task["results"][0]).content
    return file, Image.open(io.BytesIO(file))


@pytest.mark.parametrize(("output_format", "form"), [("webp", "WEBP"), ("png", "PNG")])
def test_the_default_engine_draws_a_picture_that_says_that_an_algorithm_made_it(
    output_format: str, form: str, client: httpx2.Client
) -> None:
    file, picture = picture_of(client, size="512x384", output_format=output_format, seed=5)
    assert (picture.format, picture.size) == (form, (512, 384))
    assert len(picture.convert("RGB").getcolors(512 * 384) or ()) > 100
    assert b"digitalsourcetype/algorithmicMedia<" in file
    assert b"<easel:Engine>sketch<" in file
    assert b"AISystemUsed" not in file


def test_each_layer_is_reported_as_a_step(client: httpx2.Client) -> None:
    task = submit(client, prompt="two cats on a bench in a park")
    with EventStream(client, task["id"]) as stream:
        seen = list(stream)
    assert seen[-1].name == "completed"
    steps = [event.task["task_info"] for event in seen if event.name == "processing"]
    (layers,) = {step["steps_total"] for step in steps} - {0}
    assert layers >= 4
    # Each layer takes long enough to be reported by itself. The last one may be reported with the end.
    assert {step["steps_done"] for step in steps} >= set(range(1, layers - 1))


def test_a_drawing_is_cancelled_between_two_layers(sketching: Service, client: httpx2.Client) -> None:
    task, behind = submit(client, prompt="a castle on a hill"), submit(client)
    await_draw(sketching, task["id"])
    eventually(lambda: read_task(client, task["id"])["progress"] > 0, every_s=0.01)
    cancelled = client.post(f"/v1/tasks/{task['id']}/cancel").json()
    assert (cancelled["status"], cancelled["error"]["code"]) == ("failed", "request_cancelled")
    assert finish(client, behind["id"])["status"] == "completed"
    assert not events(sketching, "task_completed", task["id"])
    assert entries(sketching, task["id"]) == ["hold", "release"]


def test_the_doctor_and_the_start_name_the_engine(sketching: Service) -> None:
    assert "sketch: draws vector scenes by rules, without AI" in sketching.cli("doctor").stdout
    assert "(engine sketch;" in sketching.log_file.read_text()


def test_a_task_that_a_removed_engine_drew_is_read_as_before(sketching: Service, client: httpx2.Client) -> None:
    task = finish(client, submit(client)["id"])
    with sketching.database() as connection:
        connection.execute("UPDATE tasks SET engine = 'nano' WHERE id = %s", (task["id"],))
    read = read_task(client, task["id"])
    assert read["result_data"][0]["engine"] == "nano"
    assert client.get(read["results"][0]).status_code == 200


def test_a_removed_engine_is_refused_at_the_start(sketching: Service) -> None:
    refused = Service(sketching.data_dir, engine="nano").cli("serve", check=False)
    assert refused.returncode != 0
    assert "EASEL_ENGINE can no longer be nano: Easel Nano was removed, and sketch replaces it." in refused.stderr


def test_a_circled_digit_is_told_as_not_drawn(client: httpx2.Client) -> None:
    task = finish(client, submit(client, prompt="➄ cats", size="376x376")["id"])
    assert task["status"] == "completed", task
    assert task["result_data"][0]["not_drawn"] == ["➄"]
