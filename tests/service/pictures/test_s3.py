"""Pictures in a bucket of a real object store, directly and through the whole service."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from easel.assembly.installation import link_keys
from easel.domain import link
from easel.outside.data_folder.secret_file import ensure_secret
from easel.outside.pictures.storage import PICTURE_BYTES_MAX, PictureGone, Pictures, StorageFailed
from tests.outside.test_pictures import Bucket, serving
from tests.support.command_line import environment
from tests.support.data_folders import prepared_folder
from tests.support.faults import assert_nothing_runs, assert_picture_is_there, entries, events
from tests.support.object_store import BUCKET, OWNER, READER, ObjectStore, is_to_be_had
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, read_task, submit

pytestmark = is_to_be_had

NAME = "ab/abcdef0123456789.webp"
PROCESSES_AT_ONCE = 12


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    running = ObjectStore(tmp_path_factory.mktemp("object-store"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def service(store: ObjectStore) -> Iterator[Service]:
    """A service that stores its pictures in the bucket, configured by its environment only."""
    with prepared_folder() as folder:
        running = Service(folder, workers="1", storage_url=f"s3://{BUCKET}/service")
        running.environment |= store.environment()
        with running:
            yield running
        assert_nothing_runs(folder)


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx2.Client]:
    with service.client(service.new_key("s3")) as client:
        yield client


def put(pictures: Pictures, data: bytes, name: str = NAME) -> None:
    asyncio.run(pictures.put(name, data, "image/webp"))


def picture_name(task: dict[str, Any]) -> str:
    return str(task["results"][0]).rpartition("/")[2]


def key_of(task: dict[str, Any]) -> str:
    name = picture_name(task)
    return f"{BUCKET}/service/{name[:2]}/{name}"


def test_a_bucket_stores_a_picture_under_its_prefix_with_its_type_and_serves_ranges(store: ObjectStore) -> None:
    pictures = store.pictures(f"s3://{BUCKET}/deep/prefix")
    put(pictures, b"the first and longer picture")
    put(pictures, b"0123456789")
    held = store.held(f"{BUCKET}/deep/prefix/{NAME}")
    assert held.content == b"0123456789"
    assert held.headers["content-type"] == "image/webp"
    assert asyncio.run(pictures.size_bytes(NAME)) == 10
    assert asyncio.run(pictures.read(NAME, 0, 10)) == b"0123456789"
    assert asyncio.run(pictures.read(NAME, 9, 10)) == b"9"


def test_a_deleted_picture_cannot_be_read_and_can_be_deleted_again(store: ObjectStore) -> None:
    pictures = store.pictures()
    put(pictures, b"a picture")
    asyncio.run(pictures.delete(NAME))
    assert asyncio.run(pictures.size_bytes(NAME)) is None
    with pytest.raises(PictureGone):
        asyncio.run(pictures.read(NAME, 0, 1))
    asyncio.run(pictures.delete(NAME))
    assert store.held(f"{BUCKET}/easel/{NAME}").status_code == 404


def test_the_largest_picture_is_stored_and_read_back(store: ObjectStore) -> None:
    pictures = store.pictures()
    data = bytes(range(256)) * (PICTURE_BYTES_MAX // 256)
    put(pictures, data, "cd/cdef.png")
    assert asyncio.run(pictures.read("cd/cdef.png", 0, len(data))) == data


def test_of_concurrent_puts_of_one_name_one_wins(store: ObjectStore) -> None:
    pictures = store.pictures()
    versions = [bytes([version]) * (300_000 + version) for version in range(12)]

    async def race() -> int | None:
        await asyncio.gather(*(pictures.put(NAME, data, "image/webp") for data in versions))
        return await pictures.size_bytes(NAME)

    size_bytes = asyncio.run(race())
    assert size_bytes is not None
    assert asyncio.run(pictures.read(NAME, 0, size_bytes)) in versions


@pytest.mark.parametrize("start", [5, 11])
def test_a_range_past_the_end_fails_and_is_not_shortened(store: ObjectStore, start: int) -> None:
    put(store.pictures(), b"0123456789", "ef/ef01.webp")
    with pytest.raises(StorageFailed, match="shorter than expected") as failure:
        asyncio.run(store.pictures(deadline_s=1).read("ef/ef01.webp", start, 12))
    assert not isinstance(failure.value, PictureGone)


@pytest.mark.parametrize(
    ("identity", "code"),
    [
        ((OWNER[0], "another-secret"), "SignatureDoesNotMatch"),
        (("AKIANOBODY", OWNER[1]), "InvalidAccessKeyId"),
        (READER, "AccessDenied"),
    ],
)
def test_missing_write_permission_is_reported_without_secrets(
    store: ObjectStore, identity: tuple[str, str], code: str
) -> None:
    with pytest.raises(StorageFailed) as failure:
        put(store.pictures(identity=identity), b"a picture")
    assert f"access is denied (403 {code}); check what these credentials may do" in str(failure.value)
    assert identity[1] not in str(failure.value)


def test_a_missing_bucket_is_a_failure_and_not_a_missing_picture(store: ObjectStore) -> None:
    store.make_bucket("fleeting")
    pictures = store.pictures("s3://fleeting/easel")
    put(pictures, b"a picture")
    store.remove_bucket("fleeting")
    with pytest.raises(StorageFailed, match=r"s3://fleeting/easel: there is no such bucket \(404 NoSuchBucket\)"):
        put(pictures, b"a picture")


def test_reading_from_a_vanished_bucket_is_a_failure() -> None:
    with serving(Bucket(*[(404, "NoSuchBucket")] * 9)) as bucket:
        pictures = bucket.pictures()
        for call in (pictures.size_bytes(NAME), pictures.read(NAME, 0, 1), pictures.delete(NAME)):
            with pytest.raises(StorageFailed, match=r"there is no such bucket \(404 NoSuchBucket\)") as failure:
                asyncio.run(call)
            assert not isinstance(failure.value, PictureGone)


def test_processes_that_exit_right_after_a_call_exit_cleanly(store: ObjectStore) -> None:
    """obstore's coroutines abort such a process now and then, the more so the busier the machine."""
    code = f"import asyncio; from easel.outside.pictures.storage import Pictures as P; asyncio.run(P('s3://{BUCKET}/x').check())"
    running = [
        subprocess.Popen([sys.executable, "-c", code], env=environment(**store.environment()))
        for _ in range(PROCESSES_AT_ONCE)
    ]
    assert [process.wait(60) for process in running] == [0] * PROCESSES_AT_ONCE


def test_a_service_stores_pictures_in_the_bucket_and_serves_them_from_there(
    service: Service, client: httpx2.Client, store: ObjectStore
) -> None:
    for output_format, type_ in (("webp", "image/webp"), ("png", "image/png"), ("jpeg", "image/jpeg")):
        task = finish(client, submit(client, output_format=output_format)["id"])
        served = client.get(task["results"][0])
        held = store.held(key_of(task))
        assert served.status_code == 200
        assert served.content == held.content
        assert served.headers["content-type"] == held.headers["content-type"] == type_
    assert not (service.data_dir / "pictures").exists()


def test_a_picture_in_the_bucket_supports_head_and_ranges(client: httpx2.Client) -> None:
    url = finish(client, submit(client)["id"])["results"][0]
    whole = client.get(url).content
    head = client.head(url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(whole)))
    part = client.get(url, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    assert client.get(url, headers={"range": "bytes=-5"}).content == whole[-5:]
    assert client.get(url, headers={"range": f"bytes={len(whole)}-"}).status_code == 416
    assert client.get(url, headers={"if-none-match": head.headers["etag"]}).status_code == 304


def test_an_expired_link_answers_410_and_reading_the_task_gives_a_new_one(
    service: Service, client: httpx2.Client
) -> None:
    task = finish(client, submit(client)["id"])
    with service.database() as connection:
        row = connection.execute(
            "UPDATE tasks SET link_expires_at = date_trunc('second', now()) - interval '1 hour' WHERE id = %s "
            "RETURNING extract(epoch FROM link_expires_at)::bigint",
            (task["id"],),
        ).fetchone()
    assert row is not None
    keys = link_keys(ensure_secret(service.data_dir))
    assert client.get(link.path(picture_name(task), int(row[0]), keys)).status_code == 410
    assert client.get(read_task(client, task["id"])["results"][0]).status_code == 200


def test_deleting_a_task_deletes_its_picture_from_the_bucket(client: httpx2.Client, store: ObjectStore) -> None:
    task = finish(client, submit(client)["id"])
    assert store.held(key_of(task)).status_code == 200
    assert client.delete(f"/v1/tasks/{task['id']}").status_code == 200
    eventually(lambda: store.held(key_of(task)).status_code == 404)
    assert client.get(task["results"][0]).status_code == 404


def test_while_the_store_is_down_tasks_fail_refunded_and_links_fail_and_both_work_again_afterwards(
    service: Service, client: httpx2.Client, store: ObjectStore
) -> None:
    kept = finish(client, submit(client)["id"])
    store.kill()
    try:
        unread = client.get(kept["results"][0])
        assert unread.status_code == 503
        assert "retry-after" in unread.headers
        assert unread.json()["error"]["code"] == "service_unavailable"
        eventually(lambda: client.get("/readyz").json()["storage"] == "unavailable")
        task = finish(client, submit(client)["id"])
        assert (task["status"], task["error"]["code"]) == ("failed", "service_error")
        assert entries(service, task["id"]) == ["hold", "release"]
        reason = events(service, "picture_store_failed", task["id"])[0]["reason"]
        assert f"s3://{BUCKET}/service: it cannot be reached" in reason
    finally:
        store.start()
    eventually(lambda: client.get("/readyz").status_code == 200)
    assert_picture_is_there(client, kept)
    assert_picture_is_there(client, finish(client, submit(client)["id"]))
    service.audit()


def test_doctor_writes_reads_and_deletes_in_the_bucket(service: Service) -> None:
    diagnosis = service.cli("doctor")
    assert f"ok       storage    s3://{BUCKET}/service; writing, reading and deleting work" in diagnosis.stdout


@pytest.mark.parametrize(
    ("url", "identity", "sentence"),
    [
        ("s3://no-such-bucket/service", OWNER, "there is no such bucket (404 NoSuchBucket)"),
        (f"s3://{BUCKET}/service", READER, "access is denied (403 AccessDenied); check what these credentials may do"),
    ],
)
def test_doctor_reports_what_is_wrong_with_a_bucket(
    service: Service, store: ObjectStore, url: str, identity: tuple[str, str], sentence: str
) -> None:
    patient = Service(service.data_dir, storage_url=url)
    patient.environment |= store.environment(identity)
    diagnosis = patient.cli("doctor", check=False)
    assert diagnosis.returncode == 78
    assert f"PROBLEM  storage    A picture cannot be written to {url}: {sentence}" in diagnosis.stdout
