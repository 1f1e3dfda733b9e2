"""`GET /v1/tasks` and `POST /v1/tasks/batch`: many tasks of one account."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import pytest

from tests.support.data_folders import prepared_folder
from tests.support.faults import another_worker, await_draw
from tests.support.frozen import nobody_draws
from tests.support.running_service import Service, finish, read_task, submit

ENDLESS_S: Final = "60"
UNKNOWN: Final = "task-unified-1763632800-0a1b2c3d"
ODD: Final = (
    "", "%00", "a%00b", "%", "%zz", "%ff%fe", "%ed%a0%80", "%F0%9F%90%88", "é", "'", "%27%20OR%201=1--", "%25", "_", "\\",
    "%5C%5C", "%0d%0a", "&", "=", "+", "x" * 4000, "9" * 400, "%E2%80%AE", "null", "[]", "{}", "NaN", "1e400",
)  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """Tasks of one account in every state, and one of another account, on a service that draws endlessly."""

    service: Service
    key: str
    completed: list[str]
    erased: str
    cancelled: str
    processing: str
    pending: list[str]
    foreign: str

    @property
    def newest_first(self) -> list[str]:
        return [*reversed(self.pending), self.processing, self.cancelled, self.erased, *reversed(self.completed)]


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    with prepared_folder() as folder, Service(folder, workers="1", blank_step_s="0.05") as running:
        key, stranger = running.new_key("lists"), running.new_key("stranger")
        with running.client(key) as client, running.client(stranger) as other:
            completed = [finish(client, submit(client)["id"])["id"] for _ in range(3)]
            erased = finish(client, submit(client)["id"])["id"]
            assert client.delete(f"/v1/tasks/{erased}").status_code == 200
            cancelled = submit(client)["id"]
            assert client.post(f"/v1/tasks/{cancelled}/cancel").status_code == 200
            foreign = finish(other, submit(other)["id"])["id"]
            with nobody_draws(running), another_worker(running, blank_step_s=ENDLESS_S, drain_timeout_s="0"):
                processing = submit(client)["id"]
                await_draw(running, processing)
                pending = [submit(client)["id"] for _ in range(2)]
                assert read_task(client, processing)["status"] == "processing"
                yield Kept(running, key, completed, erased, cancelled, processing, pending, foreign)


@pytest.fixture
def client(kept: Kept) -> Iterator[httpx2.Client]:
    with kept.service.client(kept.key) as client:
        yield client


def page(client: httpx2.Client, query: str = "") -> dict[str, Any]:
    response = client.get(f"/v1/tasks?{query}")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def ids(client: httpx2.Client, query: str = "") -> list[str]:
    return [task["id"] for task in page(client, query)["data"]]


def batch(client: httpx2.Client, task_ids: object) -> httpx2.Response:
    return client.post("/v1/tasks/batch", json={"task_ids": task_ids})


def assert_refused(response: httpx2.Response, param: str, message: str) -> None:
    error = {"code": "invalid_request", "message": message, "param": param, "type": "invalid_request_error"}
    assert (response.status_code, response.json()) == (400, {"error": error})


def test_a_list_shows_tasks_newest_first_without_links_in_exactly_these_bytes(
    kept: Kept, client: httpx2.Client
) -> None:
    item = (
        r'\{"created_at":\d{10},"credits_used":%s,%s"has_error":%s,"has_results":%s,"id":"%s","model":"z-image-turbo",'
        r'"progress":%s,"status":"%s","type":"image"\}'
    )
    states = {
        **dict.fromkeys(kept.completed, (r"0\.026", "false", "true", "100", "completed")),
        **dict.fromkeys(kept.pending, ("0", "false", "false", "0", "pending")),
        kept.erased: (r"0\.026", "false", "false", "100", "completed"),
        kept.cancelled: ("0", "true", "false", "0", "failed"),
        kept.processing: ("0", "false", "false", r"\d{1,2}", "processing"),
    }
    items = []
    for task_id in kept.newest_first:
        used, error, results, progress, status = states[task_id]
        code = '"error_code":"request_cancelled",' if task_id == kept.cancelled else ""
        items.append(item % (used, code, error, results, task_id, progress, status))
    body = rf'\{{"data":\[{",".join(items)}\],"page":1,"page_size":20,"total":{len(items)}\}}'
    response = client.get("/v1/tasks")
    assert re.fullmatch(body, response.text), response.text
    assert response.headers["ratelimit-policy"] == '"read";q=6000;w=60'
    assert "pictures" not in response.text
    created = [read_task(client, task_id)["created"] for task_id in kept.newest_first]
    assert [task["created_at"] for task in response.json()["data"]] == created


def test_a_list_can_be_filtered_by_status(kept: Kept, client: httpx2.Client) -> None:
    completed = [kept.erased, *kept.completed[::-1]]
    assert ids(client, "status=completed") == completed
    assert ids(client, "status=failed") == [kept.cancelled]
    assert ids(client, "status=pending") == kept.pending[::-1]
    assert ids(client, "status=processing") == [*kept.pending[::-1], kept.processing]
    assert ids(client, "status=") == kept.newest_first
    assert page(client, "status=completed&page_size=1")["total"] == len(completed)


@pytest.mark.parametrize(
    "status", ["COMPLETED", "done", "cancelled", " completed", "completed,failed", "%00", "x" * 4000]
)
def test_an_unknown_status_is_refused(client: httpx2.Client, status: str) -> None:
    response = client.get(f"/v1/tasks?status={status}")
    assert_refused(response, "status", "status must be one of pending, processing, completed, failed")


def test_a_list_can_be_filtered_by_type_and_model_and_is_empty_for_unknown_ones(
    kept: Kept, client: httpx2.Client
) -> None:
    assert ids(client, "type=image&model=z-image-turbo") == kept.newest_first
    assert ids(client, "type=image&model=z-image-turbo&status=failed") == [kept.cancelled]
    for query in ("type=video", "model=another", "type=image&model=Z-Image-Turbo", "type=IMAGE", "model=%25"):
        assert page(client, query) == {"data": [], "page": 1, "page_size": 20, "total": 0}


def test_pages_contain_each_task_once_and_are_empty_past_the_last(kept: Kept, client: httpx2.Client) -> None:
    count = len(kept.newest_first)
    for size in (1, 2, 3, count, 50):
        pages = [page(client, f"page={number}&page_size={size}") for number in range(1, count // size + 3)]
        assert [task["id"] for each in pages for task in each["data"]] == kept.newest_first
        assert {(each["total"], each["page_size"]) for each in pages} == {(count, size)}
        assert [each["page"] for each in pages] == list(range(1, len(pages) + 1))
        assert pages[-1]["data"] == []
    assert page(client, "page=10000&page_size=50")["total"] == count


@pytest.mark.parametrize("number", ["0", "-1", "x", "", "1.0", "1e1", "+1", "%201", "９", "9" * 400])
@pytest.mark.parametrize(("param", "above", "most"), [("page", "10001", 10000), ("page_size", "51", 50)])
def test_a_page_out_of_range_is_refused(client: httpx2.Client, param: str, number: str, above: str, most: int) -> None:
    for text in (number, above):
        response = client.get(f"/v1/tasks?{param}={text}")
        assert_refused(response, param, f"{param} must be a whole number from 1 to {most}")


def test_no_account_sees_another_accounts_tasks(kept: Kept, client: httpx2.Client) -> None:
    assert kept.foreign not in ids(client, "page_size=50")
    with kept.service.client(kept.service.new_key("stranger")) as stranger:
        assert ids(stranger) == [kept.foreign]
        assert batch(stranger, kept.newest_first).json() == {"data": []}
    with kept.service.client(kept.service.new_key("newcomer")) as newcomer:
        assert page(newcomer) == {"data": [], "page": 1, "page_size": 20, "total": 0}


def test_listing_requires_the_read_scope(kept: Kept) -> None:
    with kept.service.client(kept.service.new_key("lists", "1", "--scope", "generate")) as writer:
        assert writer.get("/v1/tasks").json()["error"]["code"] == "permission_denied"
        assert batch(writer, kept.completed).status_code == 403
    with kept.service.client() as nobody:
        assert nobody.get("/v1/tasks").status_code == 401
        assert batch(nobody, kept.completed).status_code == 401


@pytest.mark.parametrize("name", ["status", "type", "model", "page", "page_size", "wait", "nothing"])
def test_no_query_causes_a_server_error(kept: Kept, client: httpx2.Client, name: str) -> None:
    for odd in ODD:
        for path in ("/v1/tasks", f"/v1/tasks/{kept.completed[0]}", f"/v1/tasks/{kept.completed[0]}/events"):
            response = client.get(f"{path}?{name}={odd}")
            assert response.status_code in {200, 400}, (path, name, odd)
        assert client.get(f"/v1/tasks?{odd}={name}&{name}").status_code in {200, 400}


@pytest.mark.parametrize("ending", ["", "/cancel", "/events"])
def test_no_task_id_causes_a_server_error(client: httpx2.Client, ending: str) -> None:
    for odd in ODD:
        for task_id in (odd, f"task-unified-{odd}", f"task-unified-1763632800-{odd}"):
            for method in ("GET", "POST", "DELETE"):
                response = client.request(method, f"/v1/tasks/{task_id}{ending}")
                assert 200 <= response.status_code < 500, (method, task_id, ending)


def test_a_batch_returns_each_task_once_in_the_requested_order_as_it_is_read(kept: Kept, client: httpx2.Client) -> None:
    asked = [kept.completed[1], kept.cancelled, kept.completed[0], kept.completed[1], kept.erased, kept.completed[0]]
    response = batch(client, asked)
    read = [client.get(f"/v1/tasks/{task_id}").content for task_id in dict.fromkeys(asked)]
    assert response.content == b'{"data":[' + b",".join(read) + b"]}"
    assert [task["status"] for task in batch(client, [kept.pending[0], kept.processing]).json()["data"]] == [
        "pending", "processing",
    ]  # fmt: skip


def test_a_batch_renews_all_expired_links_in_one_transaction(kept: Kept, client: httpx2.Client) -> None:
    links = {task["id"]: task["results"] for task in batch(client, kept.completed).json()["data"]}
    with kept.service.database() as connection:
        connection.execute(
            "UPDATE tasks SET link_expires_at = link_expires_at - interval '2 days' WHERE id = ANY (%s)",
            (kept.completed,),
        )
    renewed = {task["id"]: task["results"] for task in batch(client, kept.completed).json()["data"]}
    assert all(renewed[task_id] != links[task_id] for task_id in kept.completed)
    with kept.service.database() as connection:
        writers = connection.execute("SELECT DISTINCT xmin::text FROM tasks WHERE id = ANY (%s)", (kept.completed,))
        assert len(kept.completed) > 1 == len(writers.fetchall())


def test_a_batch_omits_unknown_and_malformed_ids_and_other_accounts_tasks(kept: Kept, client: httpx2.Client) -> None:
    others = [kept.foreign, UNKNOWN, "", "x", "task-unified-", "\0", "é", "'", kept.completed[0].upper(), "x" * 10_000]
    assert [task["id"] for task in batch(client, [*others, kept.completed[0]]).json()["data"]] == [kept.completed[0]]
    assert batch(client, others).json() == {"data": []}


def test_a_batch_accepts_up_to_fifty_ids(kept: Kept, client: httpx2.Client) -> None:
    fifty = [UNKNOWN] * 49 + [kept.completed[0]]
    assert [task["id"] for task in batch(client, fifty).json()["data"]] == [kept.completed[0]]
    for too_many in ([UNKNOWN] * 51, [kept.completed[0]] * 51):
        assert_refused(batch(client, too_many), "task_ids", "task_ids must be a list of 1 to 50 task ids")


@pytest.mark.parametrize("task_ids", [None, [], {}, "task", 1, True, [1], [None], [["x"]], [UNKNOWN, 1]])
def test_a_batch_with_anything_but_ids_is_refused(client: httpx2.Client, task_ids: object) -> None:
    assert_refused(batch(client, task_ids), "task_ids", "task_ids must be a list of 1 to 50 task ids")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"\xff", b'{"task_ids":["\\ud800"]}', b"[" * 5000])
def test_a_batch_with_an_invalid_body_is_refused_or_empty(client: httpx2.Client, body: bytes) -> None:
    response = client.post("/v1/tasks/batch", content=body)
    if response.status_code == 200:
        assert response.json() == {"data": []}
    else:
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")
