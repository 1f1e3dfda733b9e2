"""`GET /console/tasks`: the account's tasks with their orders, from any task on, filtered by state and words."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import pytest

from easel.domain.task import Status
from easel.outside.postgres import private_postgres
from easel.store import account_history
from easel.store.account_history import LOOKED_AT_MAX, Excerpt, Found
from easel.store.database import Database
from tests.support.console_page import code, page
from tests.support.data_folders import prepared_folder
from tests.support.running_fleet import Fleet
from tests.support.running_service import Service, finish, read_task, submit

MANY: Final = 12_000
ORDER_FIELDS: Final = {"height", "nsfw_check", "output_format", "prompt", "seed", "width"}
ADD_MANY: Final = """
    WITH ended AS (
        INSERT INTO tasks (id, account_id, api_key_id, request_id, public_url, user_group, price_microcredits,
            model, prompt, width_px, height_px, seed, nsfw_check, output_format, estimated_time_s, status,
            created_at, started_at, ended_at, error_code, error_message)
        SELECT 'task-unified-1700000000-' || lpad(number::text, 8, '0'), account_id, api_keys.id, 'req-many',
            'http://127.0.0.1', 'default', 0, 'z-image-turbo',
            CASE WHEN number IN (1, 6500) THEN 'a Rare needle, 100%% _real_ \\ ' ELSE 'one of many' END || number,
            376, 376, number, false, 'webp', 1, 'failed', now(), now(), now(), 'generation_failed_unexpectedly', 'x'
        FROM api_keys, generate_series(1, %s) AS number WHERE api_keys.id = %s ORDER BY number
        RETURNING id, account_id, ended_at
    )
    INSERT INTO holds SELECT id, account_id, 0, 'released', ended_at FROM ended
"""


def listed(client: httpx2.Client, **query: str) -> dict[str, Any]:
    """A page of the list."""
    response = client.get("/console/tasks", params=query)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def followed(client: httpx2.Client, **query: str) -> tuple[list[str], int]:
    """The ids on all pages, and how many pages there are."""
    ids: list[str] = []
    pages = 0
    while True:
        body = listed(client, **query)
        ids += [task["id"] for task in body["data"]]
        pages += 1
        if body["next"] is None:
            return ids, pages
        query["cursor"] = body["next"]


@dataclass(frozen=True)
class Drawn:
    """The ids of an account's tasks, by prompt, on a page that is signed in."""

    client: httpx2.Client
    ids: Mapping[str, str]


@pytest.fixture(scope="module")
def drawn(service: Service) -> Iterator[Drawn]:
    prompts = ("a red fox", "A Red Rose_100%", "blue", "红色的狐狸", "Ärger")
    with page(service, service.new_key("console-tasks")) as client:
        ids = {prompt: submit(client, prompt=prompt)["id"] for prompt in prompts}
        refused = submit(client, prompt="Two naked children having sex")
        erased = submit(client, prompt="a red memory")["id"]
        for task_id in [*ids.values(), erased]:
            finish(client, task_id)
        assert client.delete(f"/v1/tasks/{erased}").status_code == 200
        yield Drawn(client, {**ids, "refused": refused["id"], "erased": erased})


def test_tasks_are_listed_newest_first_as_the_api_reads_them_with_their_orders(drawn: Drawn) -> None:
    body = listed(drawn.client)
    assert [task["id"] for task in body["data"]] == [*drawn.ids.values()][::-1]
    assert body["next"] is None
    for task in body["data"]:
        read = read_task(drawn.client, task["id"])
        assert {name: value for name, value in task.items() if name in read} == read
        assert task.keys() - read.keys() == ORDER_FIELDS | ({"thumbnail_url"} if read.get("results") else set())
        assert drawn.client.get(f"/console/tasks/{task['id']}").json() == task


def test_an_entry_has_what_was_ordered(service: Service, new_key: Callable[..., str]) -> None:
    order = {"prompt": "<b>a cat</b>", "seed": 7, "size": "16:9", "output_format": "png", "nsfw_check": True}
    with page(service, new_key()) as client:
        [task] = [listed(client)["data"][0] for _ in [submit(client, **order)]]
    assert {name: task[name] for name in ORDER_FIELDS} == {
        "height": 720, "nsfw_check": True, "output_format": "png", "prompt": "<b>a cat</b>", "seed": 7, "width": 1280,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("red", ["A Red Rose_100%", "a red fox"]),
        ("RED  fox", ["a red fox"]),
        ("fox red", ["a red fox"]),
        ("red blue", []),
        ("100%", ["A Red Rose_100%"]),
        ("%", ["A Red Rose_100%"]),
        ("_", ["A Red Rose_100%"]),
        ("\\", []),
        ("狐狸", ["红色的狐狸"]),
        ("ärger", ["Ärger"]),
        ("(red|blue)", []),
        ("***=red", []),
        ("[a-z]+", []),
        ("red$", []),
        ("memory", []),
        ("   ", None),
        ("", None),
    ],
)
def test_words_find_prompts_that_contain_all_of_them(drawn: Drawn, words: str, found: list[str] | None) -> None:
    expected = [*drawn.ids.values()][::-1] if found is None else [drawn.ids[prompt] for prompt in found]
    assert [task["id"] for task in listed(drawn.client, words=words)["data"]] == expected


def test_states_are_filtered_as_in_the_list_of_the_api(drawn: Drawn) -> None:
    by_state = {str(state): [task["id"] for task in listed(drawn.client, status=state)["data"]] for state in Status}
    assert by_state["failed"] == [drawn.ids["refused"]]
    assert len(by_state["completed"]) == 6
    assert by_state["pending"] == by_state["processing"] == []
    for state in Status:
        ids = [task["id"] for task in drawn.client.get("/v1/tasks", params={"status": state}).json()["data"]]
        assert by_state[state] == ids


def test_unfinished_tasks_are_listed_with_their_size(two_webs: Fleet) -> None:
    with page(two_webs, two_webs.issue().key) as client:
        task = submit(client, size="2:1")
        for state in ("pending", "processing"):
            [entry] = listed(client, status=state)["data"]
            assert (entry["id"], entry["status"], entry["width"], entry["height"]) == (task["id"], "pending", 1440, 720)


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_a_cursor_goes_on_where_the_page_ended_whatever_is_added_meanwhile(
    service: Service, new_key: Callable[..., str], limit: int
) -> None:
    with page(service, new_key()) as client:
        ids = [submit(client)["id"] for _ in range(5)]
        first = listed(client, limit=str(limit))
        submit(client)
        rest = followed(client, limit=str(limit), cursor=first["next"])[0] if first["next"] else []
        assert [task["id"] for task in first["data"]] + rest == list(reversed(ids))


def test_tasks_of_other_accounts_never_appear(service: Service, drawn: Drawn, new_key: Callable[..., str]) -> None:
    theirs = drawn.ids["a red fox"]
    with page(service, new_key()) as client:
        assert listed(client) == {"data": [], "next": None}
        assert listed(client, words="red")["data"] == []
        assert code(client.get("/console/tasks", params={"cursor": theirs})) == (400, "invalid_request")
        assert code(client.get(f"/console/tasks/{theirs}")) == (404, "task_not_found")
        mine = submit(client)["id"]
        assert followed(client)[0] == [mine]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"cursor": "x"}, "cursor"), ({"cursor": "task-unified-1757165031-uyujaw3d"}, "cursor"), ({"cursor": "\0"}, "cursor"),
        ({"limit": "0"}, "limit"), ({"limit": "51"}, "limit"), ({"limit": "1e1"}, "limit"), ({"limit": ""}, "limit"),
        ({"status": "done"}, "status"), ({"words": "x" * 201}, "words"), ({"words": "a\0b"}, "words"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_refused_by_name(drawn: Drawn, query: dict[str, str], param: str) -> None:
    refused = drawn.client.get("/console/tasks", params=query)
    assert code(refused) == (400, "invalid_request")
    assert refused.json()["error"]["param"] == param


def test_a_key_without_the_scope_lists_nothing(service: Service, account: str) -> None:
    with page(service, service.new_key(account, "1", "--scope", "generate")) as client:
        assert code(client.get("/console/tasks")) == (403, "permission_denied")
        assert code(client.get("/console/tasks/task-unified-1757165031-uyujaw3d")) == (403, "permission_denied")


def test_expired_links_are_renewed_and_lead_to_the_address_that_is_open(
    service: Service, new_key: Callable[..., str]
) -> None:
    with page(service, new_key()) as client, service.database() as connection:
        ids = [finish(client, submit(client)["id"])["id"] for _ in range(3)]
        connection.execute(
            "UPDATE tasks SET link_expires_at = now() - interval '1 hour', public_url = 'http://elsewhere.test' WHERE id = ANY (%s)",
            (ids[:2],),
        )
        connection.commit()
        tasks = listed(client)["data"]
        assert [task["id"] for task in tasks] == list(reversed(ids))
        for task in tasks:
            assert task["results"][0].startswith(f"{service.url}/pictures/")
            assert client.get(task["results"][0]).status_code == 200
        assert client.get(f"/console/tasks/{ids[0]}").json() == tasks[2]


class Explaining:
    """A connection that notes how PostgreSQL plans each statement."""

    def __init__(self, connection: Any, plans: list[str], runs: Any = None) -> None:
        self._connection = connection
        self._plans = plans
        self._runs = runs or connection

    async def execute(self, statement: str | bytes, values: Any, **options: Any) -> Any:
        """Note the plan, and run the statement."""
        text = statement.encode() if isinstance(statement, str) else statement
        explained = await self._connection.execute(b"EXPLAIN (FORMAT JSON) " + text, values, prepare=False)
        self._plans.append(json.dumps(await explained.fetchone()))
        return await self._runs.execute(statement, values, **options)

    def cursor(self, **options: Any) -> "Explaining":
        """A cursor that does the same."""
        return Explaining(self._connection, self._plans, self._connection.cursor(**options))

    async def fetchall(self) -> Any:
        """What the statement found."""
        return await self._runs.fetchall()


@dataclass(frozen=True)
class Crowd:
    """A service whose database has many failed tasks of one account, that account's key, and the ids of two
    accounts."""

    service: Service
    key: str
    large: int
    small: int


@pytest.fixture(scope="module")
def crowd() -> Iterator[Crowd]:
    with prepared_folder() as folder, Service(folder, workers="1") as running:
        key, small = running.new_key("large"), running.new_key("small")
        with running.client(small) as client:
            submit(client)
        with running.database() as connection:
            keys = connection.execute("SELECT hint, id, account_id FROM api_keys").fetchall()
            ids = {hint: (api_key_id, account_id) for hint, api_key_id, account_id in keys}
            connection.execute("SET LOCAL session_replication_role = replica")  # triggers would take a minute
            connection.execute(ADD_MANY, (MANY, ids[key[-4:]][0]))
            connection.commit()
            connection.autocommit = True
            connection.execute("VACUUM ANALYZE tasks")
        yield Crowd(running, key, ids[key[-4:]][1], ids[small[-4:]][1])


def test_with_many_tasks_every_page_is_read_from_an_index(crowd: Crowd) -> None:
    cursor = "task-unified-1700000000-00006000"
    asked = [
        Excerpt(account_id, statuses, words, after_id, 50)
        for account_id, after_ids in ((crowd.large, (None, cursor)), (crowd.small, (None,)))
        for after_id in after_ids
        for statuses in (None, [Status.COMPLETED], [Status.FAILED])
        for words in ([], ["many"], ["needle"])
    ]

    async def read_all(url: str) -> tuple[dict[int, list[str]], int]:
        database = Database(url, connections_max=1)
        await database.open()
        plans: dict[int, list[str]] = {crowd.large: [], crowd.small: []}
        try:
            async with database.reading() as connection:
                # Often enough that PostgreSQL could choose a plan that it keeps for all accounts.
                for excerpt in asked * 3:
                    explaining: Any = Explaining(connection, plans[excerpt.account_id])
                    assert isinstance(await account_history.read(explaining, excerpt), Found)
                kept = await connection.execute(
                    "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%ORDER BY position DESC%'"
                )
                row = await kept.fetchone()
        finally:
            await database.close()
        assert row is not None
        return plans, row[0]

    with private_postgres.attach(crowd.service.data_dir) as server:
        plans, kept = asyncio.run(read_all(server.url))
    assert kept == 0
    for plan in [*plans[crowd.large], *plans[crowd.small]]:
        assert "Seq Scan" not in plan
        assert '"Sort"' not in plan
    # Of the many, almost all are the large account's, so the index of all tasks serves it as well.
    assert all("tasks_account" in plan for plan in plans[crowd.small])


def test_with_many_tasks_a_rare_filter_answers_in_bounded_steps(crowd: Crowd) -> None:
    with page(crowd.service, crowd.key) as client:
        ids, pages = followed(client, words="needle rare")
        assert ids == [f"task-unified-1700000000-{number:08}" for number in (6500, 1)]
        assert pages == MANY // LOOKED_AT_MAX + 1
        assert followed(client, status="completed") == ([], MANY // LOOKED_AT_MAX + 1)
        assert followed(client, words="100% _real_ \\")[0] == ids
        first = listed(client, limit="2")
        assert [task["id"][-5:] for task in first["data"]] == ["12000", "11999"]


def test_no_task_is_missing_from_the_pages_of_many(crowd: Crowd) -> None:
    with page(crowd.service, crowd.key) as client:
        ids, _ = followed(client, words="many 99")
        expected = [number for number in range(MANY, 0, -1) if "99" in str(number)]
        assert [int(task_id[-8:]) for task_id in ids] == expected
