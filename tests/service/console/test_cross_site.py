"""The session's cookie counts only for requests of the console's own page. Every endpoint is tried."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import httpx2
import pytest

from tests.service.tasks.test_openapi_served import served_routes
from tests.support.console_page import COOKIE, FROM_PAGE, SESSION, code, page, sign_in, who
from tests.support.ports import free_port
from tests.support.running_fleet import Fleet
from tests.support.running_service import GENERATIONS, ORDER, Service, submit

UNSAFE: Final = sorted(
    (method, route.shown_path)
    for route in served_routes()
    for method in route.methods
    if method not in {"GET", "HEAD"} and not route.shown_path.startswith("/openai/")
)
SAFE: Final = ("/v1/tasks", "/v1/credits", "/v1/usage", "/v1/models", "/console/tasks", SESSION)
ELSEWHERE: Final = {
    "another site": {"sec-fetch-site": "cross-site"},
    "another host of the site": {"sec-fetch-site": "same-site"},
    "an unknown word": {"sec-fetch-site": "near"},
    "two words": {"sec-fetch-site": "same-origin, cross-site"},
    "another origin": {"origin": "https://evil.example"},
    "another port": {"origin": "http://127.0.0.1:1"},
    "another scheme": {"origin": "https://{host}"},
    "a longer name": {"origin": "http://{host}.evil.example"},
    "a name in front": {"origin": "http://{host}@evil.example"},
    "an origin that is hidden": {"origin": "null"},
    "an empty origin": {"origin": ""},
    "another origin that the browser takes for ours": {
        "sec-fetch-site": "same-origin",
        "origin": "http://evil.example",
    },
}
"""Headers of requests that pages of others cause, even if they could send the console's own header."""


@pytest.fixture(scope="module")
def signed_in(service: Service) -> Iterator[httpx2.Client]:
    with service.client() as client:
        sign_in(client, key=service.new_key("cross-site"))
        yield client


def told(headers: Mapping[str, str], client: httpx2.Client) -> dict[str, str]:
    return {name: value.format(host=client.base_url.netloc.decode()) for name, value in headers.items()}


def send(client: httpx2.Client, method: str, path: str, headers: Mapping[str, str]) -> httpx2.Response:
    address = path.replace("{task_id}", "task-unified-1757165031-uyujaw3d")
    return client.request(method, address, headers=headers, json=ORDER if method == "POST" else None)


def test_there_are_unsafe_endpoints_to_try() -> None:
    assert ("POST", GENERATIONS) in UNSAFE
    assert ("DELETE", SESSION) in UNSAFE
    assert len(UNSAFE) >= 7


@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=ELSEWHERE)
@pytest.mark.parametrize(("method", "path"), UNSAFE, ids=" ".join)
def test_an_unsafe_request_from_elsewhere_is_refused(
    signed_in: httpx2.Client, method: str, path: str, headers: dict[str, str]
) -> None:
    refused = send(signed_in, method, path, {**FROM_PAGE, **told(headers, signed_in)})
    assert code(refused)[0] == 403
    assert refused.json()["error"]["message"].startswith(
        "The console's session counts only for requests of its own page"
    )


@pytest.mark.parametrize(("method", "path"), [each for each in UNSAFE if each != ("POST", SESSION)], ids=" ".join)
@pytest.mark.parametrize(
    "headers", [{}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"x-easel-console": "0"}]
)
def test_the_cookie_alone_is_not_enough_for_an_unsafe_request(
    signed_in: httpx2.Client, method: str, path: str, headers: dict[str, str]
) -> None:
    assert code(send(signed_in, method, path, headers))[0] == 403


@pytest.mark.parametrize("path", SAFE)
@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_read_from_elsewhere_is_refused(signed_in: httpx2.Client, path: str, headers: dict[str, str]) -> None:
    for own in ({}, FROM_PAGE):
        assert send(signed_in, "GET", path, {**own, **told(headers, signed_in)}).status_code == 403


@pytest.mark.parametrize("path", SAFE)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        (FROM_PAGE, 200),
        ({**FROM_PAGE, "sec-fetch-site": "same-origin", "origin": "http://{host}"}, 200),
        ({**FROM_PAGE, "origin": "HTTP://{host}"}, 200),
        # A proxy that speaks HTTPS, and does not say so.
        ({**FROM_PAGE, "sec-fetch-site": "same-origin", "origin": "https://{host}"}, 200),
    ],
)
def test_a_read_of_the_own_page_shows_that_it_is_one(
    signed_in: httpx2.Client, path: str, headers: dict[str, str], status: int
) -> None:
    assert send(signed_in, "GET", path, told(headers, signed_in)).status_code == status


def test_nothing_changes_by_a_refused_request(service: Service, account: str) -> None:
    with page(service, service.new_key(account)) as client:
        for headers in ELSEWHERE.values():
            assert client.post(GENERATIONS, json=ORDER, headers=told(headers, client)).status_code == 403
            assert client.delete(SESSION, headers=told(headers, client)).status_code == 403
        assert client.get("/console/tasks").json() == {"data": [], "next": None}
        assert who(client)["signed_in"] is True


def test_a_page_of_others_cannot_sign_its_visitor_in(service: Service, new_key: Callable[..., str]) -> None:
    key = new_key()
    with service.client() as client:
        for headers in ELSEWHERE.values():
            refused = client.post(SESSION, json={"key": key}, headers=told(headers, client))
            assert refused.status_code == 403
            assert "set-cookie" not in refused.headers


def test_a_key_wins_over_the_cookie(service: Service, account: str) -> None:
    mine, other = service.new_key(account), service.new_key(f"{account}-other")
    with page(service, mine) as client:
        submit(client)
        by_key = {"authorization": f"Bearer {other}", "sec-fetch-site": "cross-site"}
        assert client.get("/console/tasks", headers=by_key).json()["data"] == []
        assert client.get(SESSION, headers=by_key).json()["account"] == f"{account}-other"
        assert client.delete(SESSION, headers={"authorization": f"Bearer {other}"}).json() == {"signed_in": False}
        for wrong in ("Bearer", "Bearer wrong", "bearer sk-easel-0000000000000000000000000000000000000001n7GQL"):
            assert code(client.get("/console/tasks", headers={"authorization": wrong}))[0] == 401
        assert who(client)["account"] == account


def test_another_scheme_of_authorization_does_not_hide_the_cookie(service: Service, account: str) -> None:
    # A proxy in front may ask for a password, which the browser then sends with every request.
    with page(service, service.new_key(account)) as client:
        assert client.get(SESSION, headers={"authorization": "Basic dXNlcjpwYXNz"}).json()["account"] == account


def test_the_cookie_means_nothing_to_openai_clients(signed_in: httpx2.Client) -> None:
    for method, path in (("GET", "/openai/v1/models"), ("POST", "/openai/v1/images/generations")):
        refused = signed_in.request(method, path, headers=FROM_PAGE, json=ORDER if method == "POST" else None)
        assert code(refused) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    "cookie",
    [
        "", "=", ";", f"{COOKIE}", f"{COOKIE}=", f"{COOKIE}=x", f'{COOKIE}="', f"{COOKIE}={'A' * 42}", f"{COOKIE}={'A' * 44}",
        f"{COOKIE}={'A' * 42}%", f"other={'A' * 43}", f"x{COOKIE}={'A' * 43}", "a=b; ; =; c", f"{COOKIE}={'é' * 43}",
        ";".join(f"{COOKIE}=x{number}" for number in range(500)),
    ],
)  # fmt: skip
def test_an_odd_cookie_signs_nobody_in(service: Service, cookie: str) -> None:
    with service.client() as client:
        headers = httpx2.Headers([(b"cookie", cookie.encode()), (b"x-easel-console", b"1")])
        assert client.get(SESSION, headers=headers).json() == {"signed_in": False}
        assert code(client.get("/console/tasks", headers=headers)) == (401, "unauthorized")


def test_pages_of_allowed_origins_get_no_use_of_the_cookie(two_webs: Fleet) -> None:
    key = two_webs.issue().key
    with page(two_webs, key) as client:
        cookie = {"cookie": f"{COOKIE}={client.cookies[COOKIE]}", **FROM_PAGE}
    allowed = {"origin": "https://app.test"}
    with two_webs.client(web=1) as behind:
        preflight = behind.options(
            GENERATIONS,
            headers={
                **allowed,
                "access-control-request-method": "POST",
                "access-control-request-headers": "x-easel-console",
            },
        )
        refused = behind.post(GENERATIONS, json=ORDER, headers={**cookie, **allowed})
        with_key = behind.get("/v1/credits", headers={**allowed, "authorization": f"Bearer {key}"})
    assert preflight.status_code == 200
    assert refused.status_code == 403
    assert with_key.status_code == 200
    for answer in (preflight, refused, with_key):
        assert "access-control-allow-credentials" not in answer.headers


def test_the_page_at_the_public_url_may_sign_in_although_its_proxy_changes_the_host(two_webs: Fleet) -> None:
    port, key = free_port(), two_webs.issue().key
    with two_webs.web({"public_url": "https://images.test/easel"}, port):
        base = {"host": "10.0.0.7:8000"}
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=base, trust_env=False, timeout=30) as client:
            origins = {
                "https://images.test": 200, "https://images.test:443": 200, "http://10.0.0.7:8000": 200,
                "http://images.test": 403, "https://images.test:8443": 403, "https://images.test.evil": 403,
            }  # fmt: skip
            for origin, status in origins.items():
                answer = client.post(SESSION, json={"key": key}, headers={"origin": origin})
                assert answer.status_code == status, origin
                assert status == 403 or answer.headers["set-cookie"].endswith("; Secure")
