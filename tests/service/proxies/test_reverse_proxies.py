"""nginx and Caddy with the configurations of `deploy/`: the console, streams, large bodies and clients' addresses."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx2
import pytest

from tests.support.console_page import FROM_PAGE, sign_in, who
from tests.support.data_folders import prepared_folder, reachable_folder
from tests.support.event_stream import EventStream
from tests.support.frozen import nobody_draws
from tests.support.reverse_proxies import CADDY, NGINX, Front, caddy, fronted, nginx, proxy_ports
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, submit

PROXIES = [
    pytest.param("nginx", marks=pytest.mark.skipif(NGINX is None, reason="nginx is not installed")),
    pytest.param("caddy", marks=pytest.mark.skipif(CADDY is None, reason="Caddy is not installed")),
]
SCOPES = ("--scope", "admin", "--scope", "generate", "--scope", "read")


@dataclass(frozen=True, slots=True)
class Site:
    """A service behind a proxy, and a key that may do everything."""

    service: Service
    front: Front
    key: str

    def client(self, key: str | None = None, address: str = "127.0.0.1") -> httpx2.Client:
        """A client of the proxy that comes from this address."""
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        transport = httpx2.HTTPTransport(verify=self.front.trust, local_address=address)
        return httpx2.Client(base_url=self.front.url, headers=headers, transport=transport, timeout=30)


@pytest.fixture(scope="module", params=PROXIES)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    ports = proxy_ports()
    settings = {
        "public_url": f"https://localhost:{ports['tls']}", "trusted_proxies": "127.0.0.1", "blank_step_s": "0.2",
    }  # fmt: skip
    with prepared_folder() as data_dir, Service(data_dir, **settings) as service, reachable_folder() as folder:
        configure = {"nginx": nginx, "caddy": caddy}[request.param]
        with fronted(configure, folder, service.port, ports) as front:
            yield Site(service, front, service.new_key("studio", "100", *SCOPES))


def test_a_picture_is_ordered_awaited_and_fetched_over_tls(site: Site) -> None:
    with site.client(site.key) as client:
        answer = client.post(GENERATIONS, json=ORDER, headers={"prefer": "wait=20"})
        [link] = answer.json()["results"]
        assert link.startswith(f"{site.front.url}/pictures/")
        assert client.get(link, headers={"authorization": ""}).headers["content-type"] == "image/webp"
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert client.get("/thumbnails/grant/file.webp").status_code == 404
    logged = site.front.log.read_text() if site.front.log.exists() else ""
    assert "/pictures/" not in logged
    assert "/thumbnails/" not in logged


def test_the_console_signs_in_with_a_cookie_for_https_alone(site: Site) -> None:
    with site.client() as client:
        client.headers.update(FROM_PAGE)
        assert client.get("/", headers={"accept": "text/html"}).headers["content-type"].startswith("text/html")
        answer = sign_in(client, key=site.key)
        assert answer.status_code in {200, 201}, answer.text
        assert "; Secure" in answer.headers["set-cookie"]
        assert who(client)["signed_in"] is True


def test_events_arrive_as_they_happen(site: Site) -> None:
    with site.client(site.key) as client, ExitStack() as stack:
        with nobody_draws(site.service):
            task = submit(client)
            stream = stack.enter_context(EventStream(client, task["id"]))
            events = iter(stream)
            seen = [next(events)]
        seen += events
    assert len(seen) >= 4
    assert seen[-1].at_s - seen[0].at_s > 0.5  # eight steps of 0.2 s: a proxy that buffers would pass all on at once


def test_bodies_that_are_too_large_get_the_services_own_answer(site: Site) -> None:
    with site.client(site.key) as client:
        long = client.post(GENERATIONS, json={**ORDER, "prompt": "a" * 100_000})
        assert (long.status_code, long.json()["error"]["code"]) == (413, "payload_too_large")
        picture = {"image": ("cat.png", bytes(20_000_000), "image/png")}
        edit = client.post("/openai/v1/images/edits", data={"prompt": "a hat"}, files=picture)
        assert (edit.status_code, "x-request-id" in edit.headers) == (404, True)
        assert edit.json()["error"]["message"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the whole of 127.0.0.0/8")
def test_the_service_sees_the_clients_address_and_not_what_it_claims(site: Site) -> None:
    with site.client(site.key, "127.0.0.5") as client:
        [account] = [each for each in client.get("/admin/v1/accounts").json()["data"] if each["name"] == "studio"]
        claims = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "http", "forwarded": "for=203.0.113.9"}
        client.post(f"/admin/v1/accounts/{account['id']}/grants", json={"credits": 1}, headers=claims)
        entry = client.get("/admin/v1/audit", params={"limit": 1}).json()["data"][0]
        assert entry["details"]["address"] == "127.0.0.5"
        task = client.post(GENERATIONS, json=ORDER, headers={**claims, "prefer": "wait=20"}).json()
        assert task["results"][0].startswith(site.front.url)


def test_metrics_are_not_shown_to_the_world(site: Site) -> None:
    with site.client(site.key) as client:
        assert client.get("/metrics").status_code == 404


def test_plain_http_leads_to_https(site: Site) -> None:
    if not site.front.redirects:
        pytest.skip("Caddy's own redirect needs the ports 80 and 443")
    moved = httpx2.get(
        f"http://127.0.0.1:{site.front.plain_port}/docs", headers={"host": "localhost"}, trust_env=False, timeout=30
    )
    assert (moved.status_code, moved.headers["location"]) == (308, "https://localhost/docs")


def test_a_stopped_service_is_answered_with_a_gateway_error_and_comes_back(site: Site) -> None:
    with site.client(site.key) as client:
        task = submit(client)
        site.service.stop()
        assert client.get(f"/v1/tasks/{task['id']}").status_code in {502, 503}
        site.service.start()
        assert finish(client, task["id"])["status"] == "completed"
