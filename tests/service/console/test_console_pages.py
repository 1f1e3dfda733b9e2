"""The console's page and its files, and the pages that people get where programs get JSON."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx2
import pytest

from easel.web.console.files import FOLDER
from tests.support.bare_http import asked
from tests.support.console_page import AS_BROWSER, FROM_PAGE, SESSION
from tests.support.data_folders import prepared_folder
from tests.support.ports import free_port
from tests.support.running_fleet import Fleet
from tests.support.running_service import Service, finish, submit

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
FILES: Final = sorted(
    path.relative_to(FOLDER).as_posix()
    for path in FOLDER.rglob("*")
    if path.is_file() and path.suffix in {".js", ".css", ".svg", ".json", ".webp", ".png", ".woff2"}
)
TYPES: Final = {
    ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
    ".json": "application/json", ".webp": "image/webp", ".png": "image/png", ".woff2": "font/woff2",
}  # fmt: skip
SERVICE: Final = {"docs": "/docs", "name": "Easel", "openapi": "/openapi.json"}
BROWSERS: Final = {
    "firefox": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "chromium": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "only text/html": "text/html",
    "any text": "text/*",
    "in capitals": "TEXT/HTML;Q=0.9, */*;q=0.1",
}
PROGRAMS: Final = {
    "curl": "*/*",
    "nothing": "",
    "json": "application/json",
    "json rather": "application/json, text/html;q=0.9",
    "both alike": "text/html, application/json",
    "no html": "text/html;q=0, */*",
    "a malformed quality": "text/html;q=much",
    "another type": "image/png",
    "a stray comma": ",,;q=,",
}


@pytest.fixture
def client(service: Service) -> Iterator[httpx2.Client]:
    """A client whose answers are not decompressed behind the test's back."""
    with service.client() as client:
        client.headers["accept-encoding"] = "identity"
        yield client


@pytest.fixture(scope="module")
def without() -> Iterator[Service]:
    """A service without the console."""
    with prepared_folder() as folder, Service(folder, console="off") as running:
        yield running


@pytest.mark.parametrize("accept", BROWSERS.values(), ids=BROWSERS)
def test_a_browser_gets_the_console_with_the_policy(client: httpx2.Client, accept: str) -> None:
    page = client.get("/", headers={"accept": accept})
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"] == POLICY
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-cache"
    assert "Accept" in page.headers["vary"].split(", ")
    assert page.content == (FOLDER / "index.html").read_bytes()


@pytest.mark.parametrize("accept", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_gets_json_that_names_the_documents(client: httpx2.Client, accept: str) -> None:
    answer = client.get("/", headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == SERVICE
    assert answer.headers["vary"] == "Accept"
    assert client.get(SERVICE["docs"]).status_code == client.get(SERVICE["openapi"]).status_code == 200


def test_the_page_runs_nothing_of_its_own_and_loads_only_files_that_are_served(client: httpx2.Client) -> None:
    for name in ("index.html", "not-found.html"):
        text = (FOLDER / name).read_text(encoding="utf-8").replace("{base}", "")
        assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\bstyle=|\bon[a-z]+=|javascript:|https?://", text)
        loaded = re.findall(r'<(?:script|link)[^>]*(?:src|href)="([^"]+)"', text)
        for address in loaded:
            assert not address.startswith("/"), "addresses are relative, so that the page works below a path"
            assert client.get(f"/{address}").status_code == 200, address


@pytest.mark.parametrize("path", FILES)
def test_each_file_has_its_type_the_policy_and_a_tag(client: httpx2.Client, path: str) -> None:
    answer = client.get(f"/console/{path}")
    assert answer.content == (FOLDER / path).read_bytes()
    assert answer.headers["content-type"] == TYPES[Path(path).suffix]
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "no-cache"
    assert re.fullmatch('"[0-9a-f]{32}"', answer.headers["etag"])
    head = client.head(f"/console/{path}")
    assert head.headers["content-length"] == str(len(answer.content))
    assert head.content == b""


@pytest.mark.parametrize("tag", ["{}", "W/{}", '"other", {}', "*"])
def test_a_file_that_the_browser_has_is_not_sent_again(client: httpx2.Client, tag: str) -> None:
    for path, accept in (("/", AS_BROWSER), ("/favicon.ico", {})):
        etag = client.get(path, headers=accept).headers["etag"]
        again = client.get(path, headers={**accept, "if-none-match": tag.format(etag)})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert client.get(path, headers={**accept, "if-none-match": '"other"'}).status_code == 200


def test_files_are_compressed_for_those_who_take_it() -> None:
    with prepared_folder() as folder, Service(folder) as running, running.client() as client:
        large = [path for path in FILES if path.endswith((".js", ".css")) and (FOLDER / path).stat().st_size >= 512]
        for path in large or ["favicon.svg"]:
            plain = (FOLDER / path).read_bytes()
            for accepted in ("gzip", "br;q=1.0, gzip;q=0.8, *;q=0.1", "*"):
                with client.stream("GET", f"/console/{path}", headers={"accept-encoding": accepted}) as answer:
                    raw = b"".join(answer.iter_raw())
                if len(plain) < 512:
                    assert raw == plain
                    continue
                assert answer.headers["content-encoding"] == "gzip"
                assert answer.headers["vary"] == "Accept-Encoding"
                assert answer.headers["etag"].endswith('-gzip"')
                assert gzip.decompress(raw) == plain
                assert len(raw) < len(plain)
                known = {"accept-encoding": accepted, "if-none-match": answer.headers["etag"]}
                assert client.get(f"/console/{path}", headers=known).status_code == 304
            for refused in ("", "identity", "gzip;q=0", "gzip;q=0.000, *", "br"):
                with client.stream("GET", f"/console/{path}", headers={"accept-encoding": refused}) as answer:
                    assert b"".join(answer.iter_raw()) == plain
                    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "target",
    [
        "/console/../pyproject.toml", "/console/%2e%2e/files.py", "/console/..%2ffiles.py", "/console/..%2f..%2fauth.py",
        "/console//etc/passwd", "/console/%2fetc%2fpasswd", "/console/app/../../files.py", "/console/.", "/console/",
        "/console/..", "/console/favicon.svg/", "/console/favicon.svg%00", "/console/%00", "/console/FAVICON.SVG",
        "/console/favicon.svg%2f..%2ffavicon.svg", "/console/./favicon.svg", "/console//favicon.svg", "/console/c:%5cwindows",
        "/console/..%5cfiles.py", "/console/files.py", "/console/__init__.py", "/console/%252e%252e/files.py",
        "/console/index.html", "/console/not-found.html", "/console",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_list(service: Service, target: str) -> None:
    [answer] = asked(service, f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    assert answer.status == 404
    assert json.loads(answer.body)["error"]["code"] == "not_found"


def test_the_icon_is_served(client: httpx2.Client) -> None:
    icon = client.get("/favicon.ico")
    assert icon.headers["content-type"] == "image/svg+xml"
    assert icon.content == (FOLDER / "favicon.svg").read_bytes()


@pytest.mark.parametrize("path", ["/nowhere", "/v1", "/v1/other/a", "/docs/", "/console/app/none.js", "/pictures/a/b"])
def test_people_get_a_page_for_an_unknown_address_and_programs_get_json(client: httpx2.Client, path: str) -> None:
    for method in ("GET", "HEAD"):
        page = client.request(method, path, headers=AS_BROWSER)
        assert page.status_code == 404
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["content-security-policy"] == POLICY
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["vary"] == "Accept"
    assert "{base}" not in client.get(path, headers=AS_BROWSER).text
    for headers in (
        {},
        {"accept": "*/*"},
        {"accept": "application/json"},
        {"accept": "image/avif,image/webp,*/*;q=0.8"},
    ):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert client.post(path, headers=AS_BROWSER).headers["content-type"] == "application/json"


def test_people_get_a_page_for_a_picture_that_is_gone_and_json_for_every_other_refusal(service: Service) -> None:
    with service.client(service.new_key("gone-pictures")) as client:
        task = finish(client, submit(client)["id"])
        client.delete(f"/v1/tasks/{task['id']}")
        gone = client.get(task["results"][0], headers=AS_BROWSER)
        assert (gone.status_code, gone.headers["content-type"]) == (404, "text/html; charset=utf-8")
        for path in ("/v1/tasks/task-unified-1757165031-uyujaw3d", "/v1/tasks/x", "/v1/tasks?page=0"):
            assert client.get(path, headers=AS_BROWSER).headers["content-type"] == "application/json"
        assert client.put("/v1/tasks", headers=AS_BROWSER).headers["content-type"] == "application/json"


def test_below_a_path_the_page_of_unknown_addresses_leads_back_there(two_webs: Fleet) -> None:
    port = free_port()
    with (
        two_webs.web({"public_url": 'https://images.test/a"b/easel'}, port),
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=AS_BROWSER, trust_env=False, timeout=30) as client,
    ):
        page = client.get("/deep/in/nowhere").text
    leads = re.findall(r'<a [^>]*href="([^"]+)"', page)
    assert leads
    assert all(lead.startswith("/a&quot;b/easel/") for lead in leads)


def test_without_the_console_nothing_of_it_is_served(without: Service) -> None:
    key = without.new_key("without")
    with without.client() as client:
        for headers in (AS_BROWSER, {}):
            assert client.get("/", headers=headers).json() == SERVICE
            for path in ("/console/favicon.svg", "/favicon.ico", SESSION, "/console/tasks", "/nowhere"):
                answer = client.get(path, headers={**headers, **FROM_PAGE})
                assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
        assert client.post(SESSION, json={"key": key}).status_code == 404
        cookie = {**FROM_PAGE, "cookie": f"easel_session={'A' * 43}"}
        assert client.get("/v1/tasks", headers=cookie).status_code == 401
    refused = without.cli("console", check=False)
    assert refused.returncode == 1
    assert "unset EASEL_CONSOLE" in refused.stderr


@pytest.mark.parametrize("value", ["yes", "true", "1"])
def test_the_switch_has_two_positions(service: Service, value: str) -> None:
    environment = service.environment
    service.environment = {**environment, "EASEL_CONSOLE": value}
    try:
        refused = service.cli("console", check=False)
    finally:
        service.environment = environment
    assert refused.returncode != 0
    assert "EASEL_CONSOLE" in refused.stderr
