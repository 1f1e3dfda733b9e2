"""Rate limits and caps on unfinished tasks are exact, whatever the number of concurrent requests and web processes.

The second of the two web processes believes X-Forwarded-For, so that a test can come from any address.
"""

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import httpx2
import pytest

from easel.actions import api_keys
from easel.domain.errors import RateLimitExceeded
from easel.domain.rate import Quota
from easel.live.rate_limiter import REMEMBERED_MAX, OwnTimes, RateLimiter
from tests.support.acting import ACTS_WITHIN_S
from tests.support.patience import eventually
from tests.support.running_fleet import Fleet
from tests.support.running_service import GENERATIONS, ORDER, submit

WINDOW_S = 60
UNKNOWN_KEY = "sk-easel-" + "0" * 38
READS_MAX = 40
FAILURES_MAX = 20


def statuses(responses: list[httpx2.Response]) -> Counter[int]:
    return Counter(response.status_code for response in responses)


def rate_headers(response: httpx2.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if "ratelimit" in name}


def remaining(response: httpx2.Response) -> int:
    return int(response.headers["x-ratelimit-remaining"])


def assert_headers_say_one_thing(response: httpx2.Response, name: str, quota: int) -> None:
    headers = rate_headers(response)
    told = re.fullmatch(rf'"{name}";r=([0-9]+);t=([0-9]+)', headers["ratelimit"])
    assert told is not None, headers
    assert headers == {
        "ratelimit-policy": f'"{name}";q={quota};w={WINDOW_S}',
        "ratelimit": told[0],
        "x-ratelimit-limit": str(quota),
        "x-ratelimit-remaining": told[1],
        "x-ratelimit-reset": told[2],
    }
    # What is used comes back evenly, so the one follows from the other, but for a part of one.
    used = quota - int(told[1])
    assert (used - 1) * WINDOW_S / quota <= int(told[2]) <= math.ceil(used * WINDOW_S / quota)


def assert_used_up(ask: Callable[[], httpx2.Response], started_s: float, per_minute: int) -> httpx2.Response:
    """Ask until it is refused. Fails if more is answered than came back since the start, or than one more."""
    accepted = 0
    while (answer := ask()).status_code != 429:
        accepted += 1
        assert accepted <= (time.monotonic() - started_s) * per_minute / WINDOW_S + 1
    return answer


def test_a_rate_of_20_accepts_exactly_20_concurrent_orders_at_two_web_processes(two_webs: Fleet) -> None:
    key = two_webs.issue(creates_per_minute=20).key
    started_s = time.monotonic()
    found = statuses(two_webs.race(key, 100))
    came_back = int((time.monotonic() - started_s) * 20 / WINDOW_S)
    assert 20 <= found[200] <= 20 + came_back
    assert found[200] + found[429] == 100


def test_a_cap_of_25_unfinished_tasks_accepts_exactly_25_concurrent_orders_at_two_web_processes(
    two_webs: Fleet,
) -> None:
    key = two_webs.issue(unfinished_max=25).key
    accepted = two_webs.race(key, 100)
    assert statuses(accepted) == {200: 25, 429: 75}
    with two_webs.client(key) as client:
        ids = [response.json()["id"] for response in accepted if response.status_code == 200]
        for task_id in ids[:5]:
            assert client.post(f"/v1/tasks/{task_id}/cancel").status_code == 200
    assert statuses(two_webs.race(key, 40)) == {200: 5, 429: 35}


def test_a_key_without_limits_gets_those_of_the_settings(two_webs: Fleet) -> None:
    with two_webs.client(two_webs.issue().key) as client:
        response = client.post(GENERATIONS, json=ORDER)
    assert response.headers["ratelimit-policy"] == '"create";q=600;w=60'
    assert remaining(response) == 599


def test_the_command_line_can_set_a_keys_rate_and_its_cap_on_unfinished_tasks(two_webs: Fleet) -> None:
    key = two_webs.new_key("rates-own", "100", "--rate", "7", "--unfinished", "3")
    with two_webs.client(key) as client:
        answers = [client.post(GENERATIONS, json=ORDER) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [remaining(answer) for answer in answers] == [6, 5, 4, 4], "what is refused uses nothing up"
    for answer in answers:
        assert_headers_say_one_thing(answer, "create", 7)
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_waiting_for_retry_after_is_enough_and_waiting_less_is_not(two_webs: Fleet) -> None:
    key = two_webs.issue(creates_per_minute=30).key
    with two_webs.clients(key) as (here, there):
        while (refused := here.post(GENERATIONS, json=ORDER)).status_code == 200:
            pass
        refused_at_s = time.monotonic()
        assert refused.json()["error"] == {
            "code": "rate_limit_exceeded",
            "message": "Too many requests, please try again later",
            "type": "rate_limit_error",
        }
        assert_headers_say_one_thing(refused, "create", 30)
        assert remaining(refused) == 0
        wait_s = int(refused.headers["retry-after"])
        assert wait_s in {1, 2}
        time.sleep(max(0.0, refused_at_s + wait_s - 1.2 - time.monotonic()))
        too_early = there.post(GENERATIONS, json=ORDER)
        assert too_early.status_code == 429 or time.monotonic() - refused_at_s > 0.5 * wait_s
        if too_early.status_code == 429:
            time.sleep(max(0.0, refused_at_s + wait_s - time.monotonic()))
            assert there.post(GENERATIONS, json=ORDER).status_code == 200


def test_refused_orders_use_up_no_limit(two_webs: Fleet) -> None:
    issued = two_webs.issue(credits=0, creates_per_minute=5)
    with two_webs.client(issued.key) as client:
        for _ in range(10):
            assert client.post(GENERATIONS, json=ORDER).status_code == 402
            assert client.post(GENERATIONS, json={**ORDER, "size": "9x9"}).status_code == 400
            assert client.post(GENERATIONS, json={**ORDER, "model": "another"}).status_code == 403
        two_webs.issue(issued.account, credits=1)
        key = {"idempotency-key": "a-key-that-is-used-again"}
        assert remaining(client.post(GENERATIONS, json=ORDER, headers=key)) == 4
        for _ in range(10):
            assert client.post(GENERATIONS, json=ORDER, headers=key).headers["idempotency-replayed"] == "true"
            assert client.post(GENERATIONS, json={**ORDER, "seed": 1}, headers=key).status_code == 409
        assert remaining(client.post(GENERATIONS, json=ORDER)) == 3


def test_reads_are_limited_by_key_and_separately_from_orders(two_webs: Fleet) -> None:
    busy, calm = two_webs.issue(), two_webs.issue()
    with two_webs.client(busy.key, web=1) as client, two_webs.client(calm.key, web=1) as other:
        task = submit(client)
        started_s = time.monotonic()
        answers = [client.get(f"/v1/tasks/{task['id']}")]
        assert_headers_say_one_thing(answers[0], "read", READS_MAX)
        while answers[-1].status_code == 200:
            answers.append(client.get(f"/v1/tasks/{task['id']}"))
        came_back = (time.monotonic() - started_s) * READS_MAX / WINDOW_S
        assert READS_MAX <= len(answers) - 1 <= READS_MAX + came_back
        refused = answers[-1]
        assert_headers_say_one_thing(refused, "read", READS_MAX)
        assert refused.json()["error"]["type"] == "evo_api_error"
        for path in ("/v1/credits", "/v1/models", "/v1/tasks"):
            assert_used_up(partial(client.get, path), started_s, READS_MAX)
        assert submit(client)["status"] == "pending"
        assert other.get("/v1/credits").status_code == 200
        refused = assert_used_up(partial(client.get, "/v1/credits"), started_s, READS_MAX)
        time.sleep(int(refused.headers["retry-after"]))
        assert client.get("/v1/credits").status_code == 200


_addresses = iter(range(1, 250))


def next_address() -> str:
    """A client address that no other test uses."""
    return f"192.0.2.{next(_addresses)}"


@pytest.fixture
def address() -> str:
    return next_address()


Ask = Callable[..., httpx2.Response]


@pytest.fixture(scope="module")
def ask(two_webs: Fleet) -> Iterator[Ask]:
    """Send a request with a key to the web process behind the proxy, as a client with this address."""
    with two_webs.client(web=1) as client:

        def ask(address: str, key: str | None = UNKNOWN_KEY) -> httpx2.Response:
            headers = {"x-forwarded-for": address}
            if key is not None:
                headers["authorization"] = f"Bearer {key}"
            return client.get("/v1/models", headers=headers)

        yield ask


def fail_until_refused(ask: Ask, address: str) -> httpx2.Response:
    """Fails unless the address can fail exactly as often as the settings allow."""
    started_s = time.monotonic()
    failures = 0
    while (response := ask(address)).status_code == 401:
        failures += 1
    came_back = (time.monotonic() - started_s) * FAILURES_MAX / WINDOW_S
    assert FAILURES_MAX <= failures <= FAILURES_MAX + came_back
    return response


def refused_for_a_while(ask: Ask) -> tuple[str, httpx2.Response]:
    """An address that has failed too often and has more than a second to wait, and the answer that says so."""

    def found() -> tuple[str, httpx2.Response] | None:
        address = next_address()
        refused = fail_until_refused(ask, address)
        return (address, refused) if int(refused.headers["retry-after"]) > 2 else None

    return eventually(found) or ("", httpx2.Response(500))


def test_an_address_with_many_failures_must_wait_but_a_key_known_to_be_valid_still_works_there(
    two_webs: Fleet, ask: Ask
) -> None:
    known, unknown, elsewhere = two_webs.issue().key, two_webs.issue().key, "198.51.100.1"
    assert ask(elsewhere, known).status_code == 200
    address, refused = refused_for_a_while(ask)
    assert refused.status_code == 429
    assert "ratelimit" not in refused.headers, "it says nothing about any key's own limits"
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    for key, status in ((known, 200), (unknown, 429), (None, 429), ("no-key", 429)):
        assert ask(address, key).status_code == status, key
    assert ask(elsewhere).status_code == 401
    time.sleep(int(refused.headers["retry-after"]))
    assert ask(address, unknown).status_code == 200


def test_a_revoked_key_is_no_longer_known_to_be_valid(two_webs: Fleet, ask: Ask, address: str) -> None:
    issued = two_webs.issue()
    assert ask(address, issued.key).status_code == 200
    two_webs.on_database(lambda database: api_keys.revoke(database, issued.id))
    time.sleep(ACTS_WITHIN_S)
    assert ask(address, issued.key).status_code == 401
    for _ in range(FAILURES_MAX):
        ask(address)
    # Had it been known, it would be answered with 200 as often as it asks.
    eventually(lambda: ask(address, issued.key).status_code == 429)


def test_ipv6_clients_are_counted_by_their_64_bit_network(ask: Ask) -> None:
    started_s = time.monotonic()
    answers = [ask(f"2001:db8:0:1::{number:x}") for number in range(FAILURES_MAX)]
    assert statuses(answers) == {401: FAILURES_MAX}
    assert_used_up(lambda: ask("2001:db8:0:1:ffff:ffff:ffff:ffff"), started_s, FAILURES_MAX)
    assert_used_up(lambda: ask("[2001:db8:0:1::1]:5432"), started_s, FAILURES_MAX)
    assert ask("2001:db8:0:2::1").status_code == 401


def test_an_ipv4_address_counts_as_the_same_in_every_notation(ask: Ask, address: str) -> None:
    started_s = time.monotonic()
    fail_until_refused(ask, address)
    assert_used_up(lambda: ask(f"::ffff:{address}"), started_s, FAILURES_MAX)
    assert_used_up(lambda: ask(f"{address}:5432"), started_s, FAILURES_MAX)


def test_clients_without_an_address_share_one_count(ask: Ask) -> None:
    started_s = time.monotonic()
    for number in range(FAILURES_MAX + 2):
        ask(f"_hidden-{number}")
    for other in ("unknown", "x" * 20_000):
        assert_used_up(partial(ask, other), started_s, FAILURES_MAX)


def test_a_limiter_remembers_a_limited_number_of_clients_and_forgets_the_oldest_first() -> None:
    times = OwnTimes()
    limiter = RateLimiter(Quota("failures", 1), times=times)
    limiter.take("first")
    for number in range(REMEMBERED_MAX - 1):
        limiter.take(number)
    with pytest.raises(RateLimitExceeded):
        limiter.take("first")
    limiter.take("one too many")
    assert len(times._used_until_s) == REMEMBERED_MAX
    assert limiter.take("first").remaining == 0
    for known in ("first", "one too many", REMEMBERED_MAX - 2):
        with pytest.raises(RateLimitExceeded):
            limiter.take(known)
