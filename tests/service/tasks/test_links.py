"""Picture links: whole pictures and ranges, forged links, expired links and renewed ones."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from easel.assembly.installation import link_keys
from easel.domain import link
from easel.domain.link import LinkKeys
from easel.outside.data_folder.secret_file import ensure_secret
from tests.support.running_service import Service, finish, read_task, submit

EXPIRED = (
    b'{"error":{"code":"link_expired","message":"This link has expired; read the task again for a fresh one",'
    b'"type":"invalid_request_error"}}'
)
NOT_FOUND = (
    b'{"error":{"code":"not_found","message":"There is nothing at this address","type":"invalid_request_error"}}'
)


@dataclass(frozen=True)
class Picture:
    """A finished task's picture: its link, and the link's parts."""

    task: dict[str, Any]
    url: str
    content: bytes

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def grant(self) -> str:
        return self.url.split("/")[-2]

    @property
    def expires_s(self) -> int:
        return int(self.grant.partition(".")[0])

    @property
    def etag(self) -> str:
        return f'"{self.name[:32]}"'


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx2.Client]:
    with service.client(service.new_key("links")) as client:
        yield client


@pytest.fixture(scope="module")
def stranger(service: Service) -> Iterator[httpx2.Client]:
    """A client without a key."""
    with service.client() as client:
        yield client


@pytest.fixture(scope="module")
def picture(client: httpx2.Client, stranger: httpx2.Client) -> Picture:
    return drawn(client, stranger)


@pytest.fixture(scope="module")
def keys(service: Service) -> LinkKeys:
    """The keys with which the service signs its links."""
    return link_keys(ensure_secret(service.data_dir))


def drawn(client: httpx2.Client, stranger: httpx2.Client, **order: Any) -> Picture:
    task = finish(client, submit(client, **order)["id"])
    url = task["results"][0]
    return Picture(task, url, stranger.get(url).content)


def expire(service: Service, picture: Picture) -> str:
    """Make a task's link expire an hour ago, and return the old link."""
    with service.database() as connection:
        row = connection.execute(
            "UPDATE tasks SET link_expires_at = date_trunc('second', now()) - interval '1 hour' WHERE id = %s "
            "RETURNING extract(epoch FROM link_expires_at)::bigint",
            (picture.task["id"],),
        ).fetchone()
    assert row is not None
    return link.path(picture.name, int(row[0]), link_keys(ensure_secret(service.data_dir)))


@pytest.mark.parametrize(("output_format", "type_"), [("webp", "webp"), ("png", "png"), ("jpeg", "jpeg")])
def test_a_link_serves_its_picture_with_protective_headers(
    client: httpx2.Client, stranger: httpx2.Client, output_format: str, type_: str
) -> None:
    made = drawn(client, stranger, output_format=output_format)
    response = stranger.get(made.url)
    headers = response.headers
    assert response.status_code == 200
    assert headers["content-type"] == f"image/{type_}"
    assert headers["content-length"] == str(len(response.content))
    assert headers["accept-ranges"] == "bytes"
    assert headers["content-disposition"] == "inline"
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["etag"] == made.etag
    age = re.fullmatch(r"private, max-age=(\d+), immutable", headers["cache-control"])
    assert age is not None
    assert link.LIFETIME_S - 60 <= int(age[1]) <= link.LIFETIME_S


def test_head_returns_the_headers_of_get_without_a_body(stranger: httpx2.Client, picture: Picture) -> None:
    changing = {"date", "x-request-id", "cache-control"}
    for range_ in ({}, {"range": "bytes=5-9"}):
        got, head = stranger.get(picture.url, headers=range_), stranger.head(picture.url, headers=range_)
        assert head.status_code == got.status_code
        assert head.content == b""
        assert {**head.headers, **dict.fromkeys(changing)} == {**got.headers, **dict.fromkeys(changing)}


@pytest.mark.parametrize(
    ("range_", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-9", 0, 10),
        ("bytes=5-99", 5, 100),
        ("bytes=100-", 100, None),
        ("bytes=0-", 0, None),
        ("bytes=-1", -1, None),
        ("bytes=-50", -50, None),
        ("bytes=-999999999", 0, None),
        ("bytes=10-999999999", 10, None),
        ("bytes= 0-9", 0, 10),
    ],
)
def test_a_range_returns_exactly_those_bytes(
    stranger: httpx2.Client, picture: Picture, range_: str, start: int, end: int | None
) -> None:
    response = stranger.get(picture.url, headers={"range": range_})
    part, whole = picture.content[start:end], len(picture.content)
    assert (response.status_code, response.content) == (206, part)
    first = start if start >= 0 else whole + start
    assert response.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{whole}"
    assert response.headers["content-length"] == str(len(part))
    assert response.headers["etag"] == picture.etag


def test_consecutive_ranges_make_up_the_picture(stranger: httpx2.Client, picture: Picture) -> None:
    ranges = [f"bytes={start}-{start + 99}" for start in range(0, len(picture.content), 100)]
    parts = [stranger.get(picture.url, headers={"range": range_}).content for range_ in ranges]
    assert b"".join(parts) == picture.content


@pytest.mark.parametrize("range_", ["bytes=999999999-", "bytes=999999-9999999", "bytes=-0"])
def test_a_range_outside_the_picture_gets_416_with_its_size(
    stranger: httpx2.Client, picture: Picture, range_: str
) -> None:
    response = stranger.get(picture.url, headers={"range": range_})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(picture.content)}"
    assert response.json()["error"]["code"] == "range_not_satisfiable"


@pytest.mark.parametrize(
    "range_", ["bytes=0-1,5-6", "bytes=9-5", "bytes=-", "bytes=", "bytes", "items=0-5", "bytes=a-b", "bytes=0-9x",
               "bytes=--5", "0-9", "bytes=" + "9" * 400 + "-"],
)  # fmt: skip
def test_several_or_malformed_ranges_return_the_whole_picture(
    stranger: httpx2.Client, picture: Picture, range_: str
) -> None:
    response = stranger.get(picture.url, headers={"range": range_})
    assert (response.status_code, response.content) == (200, picture.content)


def test_if_range_returns_the_range_for_this_version_and_the_whole_for_another(
    stranger: httpx2.Client, picture: Picture
) -> None:
    for validator, status in [
        (picture.etag, 206),
        ('"other"', 200),
        (f"W/{picture.etag}", 200),
        ("Fri, 21 Nov 2025 00:00:00 GMT", 200),
    ]:
        headers = {"range": "bytes=0-9", "if-range": validator}
        assert stranger.get(picture.url, headers=headers).status_code == status


def test_if_none_match_saves_sending_a_known_picture(stranger: httpx2.Client, picture: Picture) -> None:
    known = [picture.etag, f"W/{picture.etag}", f'"other", {picture.etag}', "*"]
    for tags in known:
        response = stranger.get(picture.url, headers={"if-none-match": tags})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == picture.etag
        assert "content-type" not in response.headers
    for tags in ("", '"other"', picture.name[:32]):
        assert stranger.get(picture.url, headers={"if-none-match": tags}).status_code == 200


def test_every_read_returns_the_same_link_byte_for_byte(client: httpx2.Client, picture: Picture) -> None:
    path = f"/v1/tasks/{picture.task['id']}"
    assert len({client.get(path).content for _ in range(5)}) == 1
    assert read_task(client, picture.task["id"])["results"] == [picture.url]


def test_a_link_is_valid_for_a_day_after_completion(service: Service, picture: Picture) -> None:
    with service.database() as connection:
        row = connection.execute(
            "SELECT ended_at, link_expires_at FROM tasks WHERE id = %s", (picture.task["id"],)
        ).fetchone()
    assert row is not None
    ended_at, expires_at = row
    assert expires_at == ended_at.replace(microsecond=0) + timedelta(days=1)
    assert picture.expires_s == expires_at.timestamp()


def other_character(character: str) -> str:
    return {"9": "8", "f": "e", "z": "y", "Z": "Y"}.get(character, chr(ord(character) + 1))


def test_a_link_with_any_character_changed_opens_nothing(stranger: httpx2.Client, picture: Picture) -> None:
    start = picture.url.index("/pictures/") + 1
    for place in range(start, len(picture.url)):
        forged = picture.url[:place] + other_character(picture.url[place]) + picture.url[place + 1 :]
        response = stranger.get(forged)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found"), forged


def test_forged_links_open_nothing(
    client: httpx2.Client, stranger: httpx2.Client, picture: Picture, keys: LinkKeys
) -> None:
    another = drawn(client, stranger)
    expires, key_id, signature = picture.grant.split(".")
    own_keys = link.link_keys(b"a key of the forger's own")
    borrowed_id = LinkKeys(keys.signing_id, {keys.signing_id: b"a key of the forger's own"})
    forged = [
        f"/pictures/{picture.grant}/{another.name}",
        f"/pictures/{picture.expires_s + 1}.{key_id}.{signature}/{picture.name}",
        f"/pictures/{picture.expires_s + 10**9}.{key_id}.{signature}/{picture.name}",
        f"/pictures/0{expires}.{key_id}.{signature}/{picture.name}",
        f"/pictures/+{expires}.{key_id}.{signature}/{picture.name}",
        f"/pictures/{expires}.{key_id}.{signature}=/{picture.name}",
        f"/pictures/{expires}.{key_id.upper()}.{signature}/{picture.name}",
        f"/pictures/{expires}.{own_keys.signing_id}.{signature}/{picture.name}",
        f"/pictures/{expires}..{signature}/{picture.name}",
        f"/pictures/{expires}.{key_id}/{picture.name}",
        link.path(picture.name, picture.expires_s, own_keys),
        link.path(picture.name, picture.expires_s, borrowed_id),
        *(f"/pictures/{picture.grant}/{picture.name[:32]}{end}" for end in (".png", ".jpg", "", ".webp.png", ".WEBP")),
        f"/pictures/{picture.grant}/{picture.name.upper()}",
        f"/pictures/{picture.grant}/../{picture.name}",
        f"/pictures/{picture.grant}/%2e%2e%2f{picture.name}",
        f"/pictures/{picture.grant}/{picture.name}%00",
        f"/pictures/{picture.grant}/{picture.name}%0A",
        f"/pictures/{picture.grant}/{picture.name}/",
    ]
    for path in forged:
        # A key's id may be all digits, which have no other case.
        assert picture.url.endswith(path) or stranger.get(path).status_code == 404, path


def test_a_signed_link_without_a_picture_opens_nothing(stranger: httpx2.Client, keys: LinkKeys) -> None:
    for name in ("0" * 32 + ".webp", "f" * 32 + ".png"):
        assert stranger.get(link.path(name, int(time.time()) + 60, keys)).status_code == 404


@pytest.mark.parametrize("ago_s", [0, 1, 60, 10**6])
def test_an_expired_link_gets_410_in_the_error_format(
    stranger: httpx2.Client, picture: Picture, keys: LinkKeys, ago_s: int
) -> None:
    path = link.path(picture.name, int(time.time()) - ago_s, keys)
    response = stranger.get(path)
    assert (response.status_code, response.content) == (410, EXPIRED)
    assert response.headers["content-type"] == "application/json"
    head = stranger.head(path)
    assert (head.status_code, head.content) == (410, b"")
    assert stranger.get(path, headers={"if-none-match": picture.etag}).status_code == 410


def test_a_link_works_until_the_second_of_its_expiry(stranger: httpx2.Client, picture: Picture, keys: LinkKeys) -> None:
    expires_s = int(time.time()) + 2
    path = link.path(picture.name, expires_s, keys)
    while True:
        asked_s, status, answered_s = time.time(), stranger.get(path).status_code, time.time()
        if answered_s < expires_s:
            assert status == 200
        if asked_s >= expires_s:
            assert status == 410
            break
        time.sleep(0.05)


def test_a_read_after_expiry_returns_a_new_link_that_stays_the_same(
    service: Service, client: httpx2.Client, stranger: httpx2.Client
) -> None:
    made = drawn(client, stranger)
    old_path = expire(service, made)
    fresh = read_task(client, made.task["id"])
    assert fresh["results"] == [fresh["result_data"][0]["url"]]
    assert not fresh["results"][0].endswith(old_path)
    assert stranger.get(old_path).status_code == 410
    assert stranger.get(fresh["results"][0]).content == made.content
    lives_s = int(fresh["results"][0].split("/")[-2].partition(".")[0]) - time.time()
    assert link.LIFETIME_S - 60 <= lives_s <= link.LIFETIME_S
    assert read_task(client, made.task["id"]) == fresh
