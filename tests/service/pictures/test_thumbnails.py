"""Thumbnails: made when they are first fetched, stored beside their pictures, and removed with them."""

import asyncio
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from PIL import Image

from easel.assembly.installation import link_keys
from easel.domain import link
from easel.engines.encoding import thumbnail
from easel.live.picture_reader import PictureReader
from easel.live.thumbnails import Thumbnails
from easel.outside.data_folder.secret_file import ensure_secret
from easel.outside.pictures.storage import PictureGone, Pictures
from easel.store.database import Database
from tests.support.faults import events
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, submit

SIDE_PX: Final = 320


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx2.Client]:
    with service.client(service.new_key("thumbnails")) as client:
        yield client


@pytest.fixture(scope="module")
def stranger(service: Service) -> Iterator[httpx2.Client]:
    """A client without a key."""
    with service.client() as client:
        yield client


def drawn(client: httpx2.Client, **changes: Any) -> dict[str, Any]:
    """A completed task as the console's list has it."""
    task_id = finish(client, submit(client, **changes)["id"])["id"]
    task: dict[str, Any] = client.get(f"/console/tasks/{task_id}").json()
    return task


def stored(service: Service, task: dict[str, Any]) -> list[str]:
    """The files of a task's picture: their names without what they have in common."""
    stem = task["results"][0].rpartition("/")[2][:32]
    return sorted(path.name[32:] for path in (service.data_dir / "pictures" / stem[:2]).glob(f"{stem}*"))


@pytest.mark.parametrize("output_format", ["webp", "png", "jpeg"])
@pytest.mark.parametrize(
    ("size", "width_px", "height_px"), [("1024x1024", 320, 320), ("376x1536", 320, 1307), ("1440x720", 640, 320)]
)
def test_a_thumbnail_is_a_small_webp_file_of_the_pictures_shape(
    client: httpx2.Client, stranger: httpx2.Client, output_format: str, size: str, width_px: int, height_px: int
) -> None:
    task = drawn(client, output_format=output_format, size=size)
    answer = stranger.get(task["thumbnail_url"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["cache-control"].startswith("private, max-age=8")
    image = Image.open(io.BytesIO(answer.content))
    assert (image.format, image.size) == ("WEBP", (width_px, height_px))
    again = stranger.get(task["thumbnail_url"], headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = stranger.head(task["thumbnail_url"])
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])


def test_it_is_made_once_and_only_when_it_is_wanted(
    service: Service, client: httpx2.Client, stranger: httpx2.Client
) -> None:
    task = drawn(client)
    assert stored(service, task) == [".webp"]
    with ThreadPoolExecutor(16) as threads:
        files = set(threads.map(lambda _: stranger.get(task["thumbnail_url"]).content, range(32)))
    assert len(files) == 1
    assert stored(service, task) == ["-webp.webp", ".webp"]
    (service.data_dir / "pictures" / object_path(task)).unlink()
    assert stranger.get(task["thumbnail_url"]).content in files, "the picture was read again"


def object_path(task: dict[str, Any]) -> str:
    name = str(task["results"][0].rpartition("/")[2])
    return f"{name[:2]}/{name}"


def test_only_the_consoles_lists_have_it(client: httpx2.Client) -> None:
    task = drawn(client)
    assert task["thumbnail_url"] == client.get("/console/tasks?limit=1").json()["data"][0]["thumbnail_url"]
    assert "thumbnail_url" not in client.get(f"/v1/tasks/{task['id']}").json()
    assert "thumbnail_url" not in client.get(f"/console/tasks/{submit(client, prompt='a naked child')['id']}").json()


def test_a_link_opens_its_own_file_alone_and_cannot_be_forged(client: httpx2.Client, stranger: httpx2.Client) -> None:
    task, other = drawn(client), drawn(client)
    url, picture = task["thumbnail_url"], task["results"][0]
    grant, name = url.split("/")[-2:]
    wrong = [
        url.replace(name, other["thumbnail_url"].split("/")[-1]),
        url.replace(grant, picture.split("/")[-2]),
        picture.replace(picture.split("/")[-2], grant),
        url.replace("/thumbnails/", "/pictures/"),
        picture.replace("/pictures/", "/thumbnails/"),
        url.replace(grant, f"9{grant}"),
        url.replace("-webp.webp", "-png.webp"),
        url.replace("-webp.webp", ".webp"),
    ]
    assert {stranger.get(address).status_code for address in wrong} == {404}


def test_it_expires_with_its_picture(service: Service, client: httpx2.Client, stranger: httpx2.Client) -> None:
    task = drawn(client)
    name = task["results"][0].rpartition("/")[2]
    expired = link.thumbnail_path(name, int(task["created"]) - 1, link_keys(ensure_secret(service.data_dir)))
    answer = stranger.get(expired)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "link_expired")


def test_it_is_deleted_with_its_picture(service: Service, client: httpx2.Client, stranger: httpx2.Client) -> None:
    task = drawn(client)
    assert stranger.get(task["thumbnail_url"]).status_code == 200
    assert client.delete(f"/v1/tasks/{task['id']}").status_code == 200
    assert stored(service, task) == []
    assert stranger.get(task["thumbnail_url"]).status_code == 404
    assert "thumbnail_url" not in client.get(f"/console/tasks/{task['id']}").json()


def test_it_is_swept_with_its_picture(service: Service, client: httpx2.Client, stranger: httpx2.Client) -> None:
    task = drawn(client)
    assert stranger.get(task["thumbnail_url"]).status_code == 200
    with service.database() as connection:
        connection.execute("UPDATE tasks SET picture_withdrawn_at = now() WHERE id = %s", (task["id"],))
    eventually(lambda: stored(service, task) == [])


def test_one_that_is_made_while_its_picture_is_deleted_does_not_stay(service: Service, client: httpx2.Client) -> None:
    task = drawn(client)
    name = task["results"][0].rpartition("/")[2]

    def reduce_during_deletion(picture: bytes) -> bytes | None:
        assert client.delete(f"/v1/tasks/{task['id']}").status_code == 200
        return thumbnail(picture)

    async def make(url: str) -> None:
        database = Database(url, 2)
        await database.open()
        try:
            pictures = Pictures(str(service.data_dir / "pictures"))
            await Thumbnails(pictures, PictureReader(database), reduce_during_deletion).of(name)
        finally:
            await database.close()

    with service.database() as connection:
        info = connection.info
        url = f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}"
        with pytest.raises(PictureGone):
            asyncio.run(make(url))
    assert stored(service, task) == []


def test_a_damaged_picture_has_none_and_harms_nothing(
    service: Service, client: httpx2.Client, stranger: httpx2.Client
) -> None:
    task = drawn(client)
    path: Path = service.data_dir / "pictures" / object_path(task)
    path.write_bytes(path.read_bytes()[:60])
    assert stranger.get(task["thumbnail_url"]).status_code == 404
    assert events(service, "picture_unreadable")
    assert stored(service, task) == [".webp"]
