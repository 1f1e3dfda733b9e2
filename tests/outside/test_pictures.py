"""Stored pictures: complete or absent, durable when `put` returns, and a message for the operator on failure."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from easel.outside.pictures.storage import PictureGone, Pictures, StorageFailed

NAME = "ab/abcdef0123456789.webp"
SECRET = "TOPSECRET0123456789"
WAYS_OUT = ["../ab/abcdef.webp", "/ab/abcdef.webp", "ab/../abcdef.webp", ".staging/ab.webp", "ab/abcdef.webp\n", ""]
MISNAMED = [
    "ab/abcdef.gif",
    "ab/abcdef",
    "abcdef.webp",
    "ab/cdef.webp",
    "AB/ABCDEF.webp",
    "ab/ab" + "c" * 127 + ".webp",
]
WRONG_URLS = ["", "folder\0", "file://", "file://relative/path", "ftp://host/path", "memory:///", "s3://"]
TELLING_URLS = ["file:///path?a=" + SECRET, f"https://u:{SECRET}@host", f"s3://k:{SECRET}@b", f"s3://b?sig={SECRET}"]


def put(pictures: Pictures, data: bytes, name: str = NAME) -> None:
    asyncio.run(pictures.put(name, data, "image/webp"))


def whole(pictures: Pictures, name: str = NAME) -> bytes:
    async def read() -> bytes:
        size_bytes = await pictures.size_bytes(name)
        assert size_bytes is not None
        return await pictures.read(name, 0, size_bytes)

    return asyncio.run(read())


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_last_picture_stored_reads_back_and_nothing_else_is_in_the_folder(tmp_path: Path) -> None:
    pictures = Pictures(str(tmp_path))
    put(pictures, b"the first and longer picture")
    put(pictures, b"the second")
    asyncio.run(pictures.check())
    assert whole(pictures) == b"the second"
    assert files(tmp_path) == [NAME]


def test_a_folder_is_given_as_path_or_url_and_created_if_missing(tmp_path: Path) -> None:
    put(Pictures(f"file://{tmp_path}/deep/with%20space"), b"a picture")
    assert whole(Pictures(str(tmp_path / "deep" / "with space"))) == b"a picture"
    assert (tmp_path / "deep").stat().st_mode & 0o077 == 0


def test_of_concurrent_puts_of_one_name_one_wins(tmp_path: Path) -> None:
    pictures = Pictures(str(tmp_path))
    versions = [bytes([version]) * (300_000 + version) for version in range(12)]

    async def race() -> None:
        await asyncio.gather(*(pictures.put(NAME, data, "image/webp") for data in versions))

    asyncio.run(race())
    assert whole(pictures) in versions
    assert files(tmp_path) == [NAME]


def test_a_deleted_picture_cannot_be_read_and_can_be_deleted_again(tmp_path: Path) -> None:
    pictures = Pictures(str(tmp_path))
    put(pictures, b"a picture")
    asyncio.run(pictures.delete(NAME))
    assert files(tmp_path) == []
    assert asyncio.run(pictures.size_bytes(NAME)) is None
    with pytest.raises(PictureGone):
        asyncio.run(pictures.read(NAME, 0, 1))
    asyncio.run(pictures.delete(NAME))


@settings(max_examples=30, deadline=None)
@given(data=st.binary(min_size=1, max_size=5000), ends=st.tuples(st.integers(0, 5000), st.integers(0, 5000)))
def test_a_range_is_a_slice_of_the_picture(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, ends: tuple[int, int]
) -> None:
    pictures = Pictures(str(tmp_path_factory.mktemp("ranges")))
    put(pictures, data)
    start = min(ends) % len(data)
    end = max(start + 1, min(max(ends), len(data)))
    assert asyncio.run(pictures.read(NAME, start, end)) == data[start:end]


def test_a_range_past_the_end_fails_and_is_not_shortened(tmp_path: Path) -> None:
    pictures = Pictures(str(tmp_path))
    put(pictures, b"0123456789")
    with pytest.raises(StorageFailed, match="shorter"):
        asyncio.run(pictures.read(NAME, 5, 11))


@pytest.mark.parametrize("name", [*WAYS_OUT, *MISNAMED])
def test_an_invalid_name_is_an_assertion_error_and_changes_nothing(tmp_path: Path, name: str) -> None:
    pictures = Pictures(str(tmp_path))
    for call in (pictures.put(name, b"x", ""), pictures.size_bytes(name), pictures.read(name, 0, 1)):
        with pytest.raises(AssertionError):
            asyncio.run(call)
    with pytest.raises(AssertionError):
        asyncio.run(pictures.delete(name))
    assert files(tmp_path) == []


def test_a_picture_over_the_limit_is_an_assertion_error(tmp_path: Path) -> None:
    pictures = Pictures(str(tmp_path), picture_bytes_max=10)
    put(pictures, b"0123456789")
    with pytest.raises(AssertionError):
        put(pictures, b"0123456789+")


def test_a_missing_folder_is_a_failure_and_not_a_missing_picture(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    pictures = Pictures(str(folder))
    put(pictures, b"a picture")
    folder.rename(tmp_path / "elsewhere")
    reading = (pictures.size_bytes(NAME), pictures.read(NAME, 0, 1))
    for call in (pictures.put(NAME, b"x", ""), *reading, pictures.delete(NAME), pictures.check()):
        with pytest.raises(StorageFailed, match="the folder is missing") as failure:
            asyncio.run(call)
        assert not isinstance(failure.value, PictureGone)
    assert not folder.exists()


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("a file")
    with pytest.raises(StorageFailed, match="not a folder"):
        Pictures(str(tmp_path / "pictures"))
    with pytest.raises(StorageFailed, match="not a folder"):
        Pictures(str(tmp_path / "pictures" / "below"))


def test_a_folder_without_permission_fails_with_a_message(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    pictures = Pictures(str(tmp_path))
    tmp_path.chmod(0o500)
    with pytest.raises(StorageFailed, match="owner or mode"):
        put(pictures, b"a picture")
    tmp_path.chmod(0o700)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("only root may mount a small file system")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_on_a_full_disk_a_put_fails_keeps_the_old_picture_and_works_again_later(small_disk: Path) -> None:
    pictures = Pictures(str(small_disk))
    put(pictures, b"a small picture")
    with pytest.raises(StorageFailed, match="the disk is full"):
        put(pictures, bytes(2 * 1024 * 1024))
    assert files(small_disk) == [NAME]
    assert whole(pictures) == b"a small picture"
    put(pictures, b"another small picture")
    assert whole(pictures) == b"another small picture"


def test_a_read_only_disk_still_serves_pictures_and_explains_why_it_stores_none(small_disk: Path) -> None:
    put(Pictures(str(small_disk)), b"a picture")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    pictures = Pictures(str(small_disk))
    assert whole(pictures) == b"a picture"
    with pytest.raises(StorageFailed, match="read-only"):
        put(pictures, b"another picture")


LIMITED = """
import asyncio, resource, sys
from easel.outside.pictures.storage import Pictures, StorageFailed
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
pictures = Pictures(sys.argv[1])
try:
    asyncio.run(pictures.put(sys.argv[2], bytes(200_000), "image/webp"))
except StorageFailed as failure:
    print(failure)
"""

RESTLESS = """
import asyncio, sys
from easel.outside.pictures.storage import Pictures
async def main():
    pictures = Pictures(sys.argv[1])
    for round in range(100_000):
        data = bytes([round % 251]) * 3_000_000
        await pictures.put(f"ab/ab{round % 5}.webp", data, "image/webp")
        print(round, flush=True)
asyncio.run(main())
"""


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # noqa: TID251 - passed on to a child process
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    said, _ = python(LIMITED, str(tmp_path), NAME).communicate(timeout=30)
    assert said.startswith(f"A picture cannot be written to the folder {tmp_path}: the file is larger")
    assert files(tmp_path) == []


def test_a_killed_writer_leaves_no_incomplete_picture(tmp_path: Path) -> None:
    pictures = Pictures(str(tmp_path))
    for delay_ms in (0, 3, 7, 13):
        writer = python(RESTLESS, str(tmp_path))
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(delay_ms / 1000)
        writer.send_signal(signal.SIGKILL)
        writer.communicate(timeout=30)
        assert files(tmp_path / "ab")
        for name in files(tmp_path / "ab"):
            data = whole(pictures, f"ab/{name}")
            assert data == data[:1] * 3_000_000


def test_files_staged_by_a_killed_writer_are_removed_after_an_hour(tmp_path: Path) -> None:
    put(Pictures(str(tmp_path)), b"a picture")
    staging = tmp_path / ".staging"
    for name, age_s in (("old", 4000), ("new", 60)):
        (staging / name).write_bytes(b"half a pict")
        os.utime(staging / name, (staging.stat().st_mtime - age_s,) * 2)
    put(Pictures(str(tmp_path)), b"a picture")
    assert files(tmp_path) == [".staging/new", NAME]


@pytest.mark.parametrize("url", [*WRONG_URLS, *TELLING_URLS])
def test_an_invalid_url_is_refused_with_a_sentence_without_secrets(url: str) -> None:
    with pytest.raises(StorageFailed, match="storage URL") as failure:
        Pictures(url)
    assert SECRET not in str(failure.value)


@pytest.mark.parametrize("option", ["bogus", "endpoint", "aws_bogus", "aws_allow_http", "aws_timeout"])
def test_an_invalid_option_is_refused_with_a_sentence_without_secrets(option: str) -> None:
    with pytest.raises(StorageFailed, match="option") as failure:
        Pictures("s3://bucket", {option: SECRET})
    assert SECRET not in str(failure.value)


def test_every_kind_of_bucket_is_opened_without_network() -> None:
    s3 = Pictures("s3://bucket/some/prefix", {"aws_endpoint": "http://127.0.0.1:9", "aws_region": "eu-west-1"})
    assert s3.place == "s3://bucket/some/prefix"
    gs = Pictures("gs://bucket/prefix", {"google_skip_signature": "true"})
    assert gs.place == "gs://bucket/prefix"
    az = Pictures("az://container/prefix", {"azure_storage_account_name": "account", "azure_skip_signature": "true"})
    assert az.place == "az://container/prefix"


class Bucket(ThreadingHTTPServer):
    """An S3 server with one object, which answers the first few requests with errors."""

    def __init__(self, *errors: tuple[int, str]) -> None:
        super().__init__(("127.0.0.1", 0), BucketRequest)
        self.errors = list(errors)
        self.asked: list[str] = []
        self.content_type = ""
        self.held: bytes | None = None
        self.delay_s = 0.0

    def pictures(self, deadline_s: float = 10) -> Pictures:
        keys = {"aws_region": "us-east-1", "aws_access_key_id": "AKIA" + SECRET, "aws_secret_access_key": SECRET}
        options = {"aws_endpoint": f"http://127.0.0.1:{self.server_port}", **keys}
        return Pictures("s3://bucket/prefix", options, deadline_s=deadline_s)


class BucketRequest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bucket

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(f"{self.command} {self.path}")
        time.sleep(self.server.delay_s)
        if self.server.errors:
            status, code = self.server.errors.pop(0)
            return self.send(status, f"<Error><Code>{code}</Code><Key>{SECRET}</Key></Error>".encode())
        if self.command == "PUT":
            self.server.held, self.server.content_type = body, self.headers["Content-Type"]
            return self.send(200, b"")
        if self.command == "DELETE":
            self.server.held = None
            return self.send(204, b"")
        if self.server.held is None:
            return self.send(404, b"<Error><Code>NoSuchKey</Code></Error>")
        if self.command == "HEAD":
            return self.send(200, self.server.held)
        start, end = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        return self.send(206, self.server.held[start : end + 1], f"bytes {start}-{end}/{len(self.server.held)}")

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = answer  # noqa: N815 (named by the base class)

    def send(self, status: int, body: bytes, content_range: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"tag"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        if content_range is not None:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Do not log."""


@contextlib.contextmanager
def serving(bucket: Bucket) -> Iterator[Bucket]:
    thread = threading.Thread(target=bucket.serve_forever, args=(0.02,))
    thread.start()
    with bucket:
        try:
            yield bucket
        finally:
            bucket.shutdown()
            thread.join()


def test_a_bucket_stores_serves_and_deletes_a_picture() -> None:
    with serving(Bucket()) as bucket:
        pictures = bucket.pictures()
        asyncio.run(pictures.check())
        put(pictures, b"0123456789")
        assert bucket.content_type == "image/webp"
        assert asyncio.run(pictures.read(NAME, 2, 5)) == b"234"
        assert asyncio.run(pictures.size_bytes(NAME)) == 10
        asyncio.run(pictures.delete(NAME))
        assert asyncio.run(pictures.size_bytes(NAME)) is None
        assert bucket.asked[-3:] == [f"{method} /bucket/prefix/{NAME}" for method in ("DELETE", "HEAD", "GET")]


def test_a_busy_bucket_is_retried() -> None:
    with serving(Bucket((503, "SlowDown"), (500, "InternalError"))) as bucket:
        put(bucket.pictures(), b"a picture")
        assert bucket.held == b"a picture"
        assert len(bucket.asked) == 3


@pytest.mark.parametrize(
    ("status", "code", "asked", "sentence"),
    [
        (403, "AccessDenied", 1, "access is denied"),
        (401, "Unauthorized", 1, "the credentials are not accepted"),
        (404, "NoSuchBucket", 1, "there is no such bucket"),
        (503, "SlowDown", 4, "it answered with an error"),
    ],
)
def test_a_bucket_that_refuses_is_reported_by_its_error(status: int, code: str, asked: int, sentence: str) -> None:
    with serving(Bucket(*[(status, code)] * 9)) as bucket:
        with pytest.raises(StorageFailed) as failure:
            put(bucket.pictures(), b"a picture")
        assert f"s3://bucket/prefix: {sentence} ({status} {code})" in str(failure.value)
        assert SECRET not in "".join(traceback.format_exception(failure.value))
        assert len(bucket.asked) == asked


def test_a_call_to_a_silent_bucket_ends_at_the_deadline() -> None:
    with serving(Bucket()) as bucket:
        bucket.delay_s = 1.5
        started_s = time.monotonic()
        with pytest.raises(StorageFailed, match="no answer within 1 seconds"):
            put(bucket.pictures(deadline_s=1), b"a picture")
        assert time.monotonic() - started_s < 15


def test_an_unreachable_bucket_fails_with_a_message() -> None:
    with serving(Bucket()) as bucket:
        pictures = bucket.pictures()
    with pytest.raises(StorageFailed, match="it cannot be reached"):
        put(pictures, b"a picture")
