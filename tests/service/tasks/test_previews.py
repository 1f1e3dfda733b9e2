"""`preview` events: the picture forming, for whoever asks for it and may see the task."""

import base64
import io
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import pytest
from PIL import Image

from easel.engines.engine import PREVIEW_SIDE_PX_MAX
from easel.live.previews import EVERY_S
from easel.live.task_watcher import LOOK_EVERY_S
from tests.support.data_folders import prepared_folder
from tests.support.event_stream import Event, EventStream
from tests.support.image_server import image_server
from tests.support.moderated import SERVER
from tests.support.running_service import Service, finish, submit
from tests.support.slow_service import cancelling_client

STEP_S: Final = 0.3
SETTINGS: Final = {"engine": "sketch", "workers": "1", "sketch_step_s": str(STEP_S)}
PROMPT: Final = "a red fox in a snowy forest at night"


@pytest.fixture(scope="module")
def sketching() -> Iterator[Service]:
    with prepared_folder() as folder, Service(folder, **SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def key(sketching: Service) -> str:
    return sketching.new_key("previews")


@pytest.fixture
def client(sketching: Service, key: str) -> Iterator[httpx2.Client]:
    with cancelling_client(sketching, key) as client:
        yield client


def order(client: httpx2.Client, **changes: Any) -> str:
    return str(submit(client, prompt=PROMPT, size="768x1024", **changes)["id"])


def followed(client: httpx2.Client, task_id: str, query: str = "?previews=true") -> list[Event]:
    with EventStream(client, task_id, query=query) as stream:
        return list(stream)


def pictures(events: list[Event]) -> list[Image.Image]:
    shown = [json.loads(event.data) for event in events if event.name == "preview"]
    return [Image.open(io.BytesIO(base64.b64decode(preview["b64_json"]))) for preview in shown]


def test_the_picture_is_seen_forming_before_it_is_finished(client: httpx2.Client) -> None:
    task_id = order(client)
    told = followed(client, task_id)
    names = [event.name for event in told]
    assert names[-1] == "completed"
    assert names.count("preview") >= 2
    assert set(names) == {"pending", "processing", "preview", "completed"} - ({"pending"} - set(names))
    for picture in pictures(told):
        assert picture.format == "WEBP"
        assert max(picture.size) <= PREVIEW_SIDE_PX_MAX
        assert picture.width / picture.height == pytest.approx(768 / 1024, rel=0.02)
    shown = [json.loads(event.data) for event in told if event.name == "preview"]
    steps = [preview["steps_done"] for preview in shown]
    assert steps == sorted(set(steps))
    assert all(preview["id"] == task_id and preview["media_type"] == "image/webp" for preview in shown)
    first, last = pictures(told)[0], pictures(told)[-1]
    assert first.tobytes() != last.tobytes()


def test_previews_come_at_most_four_times_a_second(sketching: Service, client: httpx2.Client) -> None:
    task_id = order(client)
    shown = [event for event in followed(client, task_id) if event.name == "preview"]
    with sketching.database() as connection:
        row = connection.execute("SELECT draw_ms FROM tasks WHERE id = %s", (task_id,)).fetchone()
    assert row is not None
    assert 1 <= len(shown) <= 1 + row[0] / 1000 / EVERY_S


def test_who_does_not_ask_for_previews_gets_the_events_of_before(client: httpx2.Client) -> None:
    task_id = order(client)
    with EventStream(client, task_id, query="?previews=true") as watched:
        assert "preview" in (event.name for event in watched)
        plain = followed(client, task_id, "")
        refused = followed(client, task_id, "?previews=false")
    assert {event.name for event in [*plain, *refused]} <= {"pending", "processing", "completed"}


def test_a_preview_has_no_id_so_a_lost_stream_is_resumed_where_it_was(client: httpx2.Client) -> None:
    told = followed(client, order(client))
    for earlier, later in itertools.pairwise(told):
        if later.name == "preview":
            assert later.id == earlier.id


def test_a_watched_drawing_is_cancelled_as_any_other(client: httpx2.Client) -> None:
    task_id = order(client)
    names = []
    with EventStream(client, task_id, query="?previews=true") as stream:
        for event in stream:
            names.append(event.name)
            if names.count("preview") == 1 and event.name == "preview":
                client.post(f"/v1/tasks/{task_id}/cancel")
                at_s = time.time()
    assert names[-1] == "failed"
    assert event.at_s - at_s < LOOK_EVERY_S, "it was told, and not found out"
    assert names.count("preview") <= 2


def test_no_preview_is_stored(sketching: Service, client: httpx2.Client) -> None:
    task_id = order(client)
    shown = [json.loads(event.data) for event in followed(client, task_id) if event.name == "preview"]
    finish(client, task_id)
    with sketching.database() as connection:
        row = connection.execute("SELECT tasks::text FROM tasks WHERE id = %s", (task_id,)).fetchone()
        events = connection.execute("SELECT string_agg(callbacks::text, '') FROM callbacks").fetchone()
    assert row is not None
    for preview in shown:
        assert preview["b64_json"][40:80] not in f"{row[0]}{events}"
        assert preview["b64_json"][40:80] not in sketching.log_file.read_text()


def test_a_strangers_key_gets_no_previews(sketching: Service, client: httpx2.Client) -> None:
    task_id = order(client)
    with sketching.client(sketching.new_key("stranger")) as stranger:
        assert stranger.get(f"/v1/tasks/{task_id}/events?previews=true").status_code == 404
    with sketching.client() as nobody:
        assert nobody.get(f"/v1/tasks/{task_id}/events?previews=true").status_code == 401


def test_where_pictures_are_moderated_nobody_sees_one_before_it_is_judged() -> None:
    with (
        image_server(SERVER) as server,
        prepared_folder() as folder,
        Service(folder, **SETTINGS, moderation_url=server.url) as moderated,
        moderated.client(moderated.new_key("moderated")) as client,
    ):
        names = {event.name for event in followed(client, order(client))}
    assert names <= {"pending", "processing", "completed"}
    assert "completed" in names


def test_the_parameter_is_true_or_false(client: httpx2.Client) -> None:
    refused = client.get(f"/v1/tasks/{order(client)}/events?previews=maybe")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "previews")
