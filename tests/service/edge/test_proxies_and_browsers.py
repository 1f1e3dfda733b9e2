"""Proxies and browsers: whose forwarding headers the web process trusts, and which origins it allows.

Of the two web processes the first trusts no proxy and serves no page; the second trusts 127.0.0.1, 10.0.0.0/8 and ::1,
and serves https://app.test and http://localhost:5173.
"""

import re
import sys

import httpx2
import pytest

from easel.settings.settings import SettingsWrong, read
from tests.support.running_fleet import Fleet
from tests.support.running_service import GENERATIONS, ORDER, finish

PLAIN, BEHIND = 0, 1
PAGE = "https://app.test"
STRANGER = "https://evil.test"
FAILURES_MAX = 20
UNKNOWN_KEY = "sk-easel-" + "0" * 38
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}


def fails_until_429(fleet: Fleet, web: int, *forwarded_for: str) -> int:
    """The number of 401 answers to requests with a bad key and these headers in turn, before the first 429."""
    with fleet.client(UNKNOWN_KEY, web) as client:
        for times in range(3 * FAILURES_MAX):
            headers = {"x-forwarded-for": forwarded_for[times % len(forwarded_for)]}
            if client.get("/v1/models", headers=headers).status_code == 429:
                return times
    return 3 * FAILURES_MAX


def test_a_trusted_proxy_is_believed_about_its_client(two_webs: Fleet) -> None:
    assert FAILURES_MAX <= fails_until_429(two_webs, BEHIND, "203.0.113.1") < 2 * FAILURES_MAX
    assert fails_until_429(two_webs, BEHIND, *(f"203.0.113.{last}" for last in range(2, 200))) == 3 * FAILURES_MAX


def test_a_clients_own_forwarding_headers_are_ignored(two_webs: Fleet) -> None:
    made_up = [f"203.0.113.{last}, 198.51.100.7" for last in range(200)]
    assert fails_until_429(two_webs, BEHIND, *made_up) < 2 * FAILURES_MAX
    past_two_proxies = [f"203.0.113.{last}, 198.51.100.8, 10.1.2.3" for last in range(200)]
    assert fails_until_429(two_webs, BEHIND, *past_two_proxies) < 2 * FAILURES_MAX


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the whole of 127.0.0.0/8")
def test_forwarding_headers_of_an_untrusted_peer_are_ignored(two_webs: Fleet) -> None:
    issued = two_webs.issue()
    url = f"http://127.0.0.1:{two_webs.ports[BEHIND]}"
    transport = httpx2.HTTPTransport(local_address="127.0.0.2")
    with httpx2.Client(base_url=url, transport=transport, trust_env=False, timeout=30) as client:
        claimed = {"x-forwarded-proto": "https", "authorization": f"Bearer {issued.key}"}
        task = client.post(GENERATIONS, json=ORDER, headers=claimed).json()
        answers = [
            client.get("/v1/models", headers={"x-forwarded-for": f"203.0.113.{last}"}).status_code
            for last in range(100, 100 + 2 * FAILURES_MAX)
        ]
    assert answers[: FAILURES_MAX // 2] == [401] * (FAILURES_MAX // 2)
    assert 429 in answers
    assert base_of_link(two_webs, task["id"]) == url


def base_of_link(fleet: Fleet, task_id: str) -> str:
    with fleet.database() as connection:
        row = connection.execute("SELECT public_url FROM tasks WHERE id = %s", (task_id,)).fetchone()
    assert row is not None
    return str(row[0])


def test_by_default_no_proxy_is_trusted(two_webs: Fleet) -> None:
    with two_webs.client(two_webs.issue().key, PLAIN) as client:
        task = client.post(GENERATIONS, json=ORDER, headers={"x-forwarded-proto": "https"}).json()
    assert base_of_link(two_webs, task["id"]) == f"http://127.0.0.1:{two_webs.ports[PLAIN]}"


def test_links_are_https_if_the_proxy_reports_https(two_webs: Fleet) -> None:
    with two_webs.worker(), two_webs.client(two_webs.issue().key, BEHIND) as client:
        forwarded = {"x-forwarded-proto": "https", "host": "images.your-domain.com"}
        secure = client.post(GENERATIONS, json=ORDER, headers=forwarded).json()
        [link] = finish(client, secure["id"])["results"]
        assert re.fullmatch(r"https://images\.your-domain\.com/pictures/\S+\.webp", link)
        assert client.get(httpx2.URL(link).path).status_code == 200
        odd = client.post(GENERATIONS, json=ORDER, headers={"x-forwarded-proto": "gopher"}).json()
        assert finish(client, odd["id"])["results"][0].startswith("http://127.0.0.1:")


def test_of_several_forwarded_schemes_the_first_is_the_clients(two_webs: Fleet) -> None:
    headers = [("x-forwarded-proto", "HTTPS"), ("x-forwarded-proto", "http"), ("host", "images.your-domain.com")]
    with two_webs.client(two_webs.issue().key, BEHIND) as client:
        task = client.post(GENERATIONS, json=ORDER, headers=[*client.headers.items(), *headers]).json()
    assert base_of_link(two_webs, task["id"]) == "https://images.your-domain.com"


def cors_headers(response: httpx2.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


def test_no_origin_is_allowed_by_default(two_webs: Fleet) -> None:
    with two_webs.client(two_webs.issue().key, PLAIN) as client:
        preflight = client.options(GENERATIONS, headers={"origin": PAGE, **PREFLIGHT})
        assert (preflight.status_code, cors_headers(preflight)) == (405, {})
        assert cors_headers(client.get("/v1/models", headers={"origin": PAGE})) == {}


@pytest.mark.parametrize("origin", [PAGE, "http://localhost:5173"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_preflight_from_an_allowed_origin_permits_what_the_api_offers(
    two_webs: Fleet, origin: str, method: str
) -> None:
    asked = ["authorization", "content-type", "idempotency-key", "last-event-id", "prefer", "x-a-library-of-theirs"]
    headers = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": ",".join(asked),
    }
    with two_webs.client(web=BEHIND) as client:
        answer = client.options("/v1/tasks/task-unified-1757165031-uyujaw3d", headers=headers)
    assert answer.status_code == 200
    told = cors_headers(answer)
    assert told["access-control-allow-origin"] == origin
    assert method in told["access-control-allow-methods"].split(", ")
    assert set(asked) <= {name.strip().lower() for name in told["access-control-allow-headers"].split(",")}
    assert "access-control-allow-credentials" not in told
    assert "Origin" in answer.headers["vary"]
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": STRANGER},
        {"origin": "null"},
        {"origin": f"{PAGE}.evil.test"},
        {"origin": "http://app.test"},
        {"access-control-request-method": "PUT"},
    ],
    ids=lambda changes: " ".join(changes.values()),
)
def test_a_preflight_for_anything_else_is_refused_in_the_usual_format(two_webs: Fleet, changes: dict[str, str]) -> None:
    with two_webs.client(web=BEHIND) as client:
        answer = client.options(GENERATIONS, headers={"origin": PAGE, **PREFLIGHT, **changes})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"]["code"] == "invalid_request"
    if changes.get("origin"):
        assert "access-control-allow-origin" not in answer.headers


def test_an_allowed_origin_can_read_answers_and_refusals_and_their_headers(two_webs: Fleet) -> None:
    readable = {"x-request-id", "retry-after", "ratelimit", "ratelimit-policy", "x-ratelimit-remaining"}
    with two_webs.client(two_webs.issue(unfinished_max=1).key, BEHIND) as client:
        client.headers["origin"] = PAGE
        task = client.post(GENERATIONS, json=ORDER)
        refused = client.post(GENERATIONS, json=ORDER)
        for answer, status in (
            (task, 200),
            (refused, 429),
            (client.get("/v1/models", headers={"authorization": "none"}), 401),
            (client.get("/v1/tasks/task-unified-1-aaaaaaaa"), 404),
            (client.post(GENERATIONS, content=b"{"), 400),
            (client.get("/pictures/1.2.3/4.webp"), 404),
            (client.put(GENERATIONS), 405),
        ):
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert readable <= set(answer.headers["access-control-expose-headers"].split(", "))
            assert "Origin" in answer.headers["vary"]


def test_another_origin_gets_no_permission_to_read(two_webs: Fleet) -> None:
    with two_webs.client(two_webs.issue().key, BEHIND) as client:
        for origin in (STRANGER, "null", f"{PAGE}/"):
            answer = client.get("/v1/models", headers={"origin": origin})
            assert "access-control-allow-origin" not in answer.headers
            assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CORS_ORIGINS", "app.test"),
        ("CORS_ORIGINS", "https://app.test/"),
        ("CORS_ORIGINS", "https://app.test/page"),
        ("CORS_ORIGINS", "https://*.app.test"),
        ("CORS_ORIGINS", "null"),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "proxy.internal"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "10.0.0.0/8;::1"),
    ],
)
def test_an_invalid_proxy_or_origin_is_refused_with_a_message(name: str, value: str) -> None:
    with pytest.raises(SettingsWrong, match=rf"^EASEL_{name} must be .*such as .*\.$"):
        read({f"EASEL_{name}": value})
