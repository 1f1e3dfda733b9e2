"""Expired data, and nothing else, is deleted by any number of concurrent processes, and the ledger stays right.

Time is made to pass by moving moments in the database back. The hundreds of old pictures are rows and files like those
of drawn ones, put there by statements.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from easel.actions.sweep import BATCH_MAX, Lifetimes, Sweep, Swept
from easel.domain.picture import object_name
from easel.outside.pictures.storage import Pictures
from easel.settings.settings import SettingsWrong, read
from easel.store.database import Database
from tests.support.faults import assert_picture_is_there
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, read_task, submit

LIFETIMES: Final = Lifetimes(queue_timeout_s=86_400, picture_h=168, prompt_h=720, idempotency_h=24, moderation_h=24)
SWEEPERS: Final = 4
ACCOUNT: Final = "retention"


@pytest.fixture(scope="module")
def database_url(service: Service) -> Iterator[str]:
    with service.database() as connection:
        info = connection.info
        yield f"postgresql://{info.user}@/{info.dbname}?host={info.host}&port={info.port}"


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx2.Client]:
    with service.client(service.new_key(ACCOUNT)) as client:
        yield client


def sweep(service: Service, url: str, lifetimes: Lifetimes = LIFETIMES) -> Swept:
    """Run one sweep, as every process of the service does every few seconds."""

    async def run() -> Swept:
        database = Database(url, 2)
        await database.open()
        try:
            return await Sweep(database, Pictures(str(service.data_dir / "pictures")), lifetimes)()
        finally:
            await database.close()

    return asyncio.run(run())


def sweep_until(service: Service, url: str, is_done: Callable[[], bool]) -> None:
    """Sweep until this is so. What the service itself is sweeping at the moment is left to it."""

    def swept() -> bool:
        sweep(service, url)
        return is_done()

    eventually(swept)


def sweep_together(service: Service, url: str) -> list[Swept]:
    """Run concurrent sweeps until none finds anything, and return what each found."""
    found: list[Swept] = []
    with ThreadPoolExecutor(SWEEPERS) as threads:
        while True:
            swept = list(threads.map(lambda _: sweep(service, url), range(SWEEPERS)))
            if all(each.is_nothing for each in swept):
                return found
            found += swept


def grow_old(service: Service, task_ids: Sequence[str], hours: int, *, link: bool = True) -> None:
    with service.database() as connection:
        connection.execute(
            """
            UPDATE tasks SET ended_at = ended_at - make_interval(hours => %s),
                link_expires_at = link_expires_at - make_interval(hours => %s)
            WHERE id = ANY (%s)
            """,
            (hours, hours if link else 0, list(task_ids)),
        )


def kept(service: Service, task_id: str) -> dict[str, Any]:
    """The parts of a task in the database that can expire."""
    with service.database() as connection:
        row = connection.execute(
            "SELECT prompt, callback_url, picture_name, picture_withdrawn_at, picture_gone_at FROM tasks WHERE id = %s",
            (task_id,),
        ).fetchone()
    assert row is not None
    return dict(zip(("prompt", "callback_url", "picture_name", "withdrawn_at", "gone_at"), row, strict=True))


def file_of(service: Service, picture_name: str) -> Path:
    return service.data_dir / "pictures" / object_name(picture_name)


def add_old_pictures(service: Service, count: int) -> list[str]:
    """Add free completed tasks that are a year old, with their files, and return the names of their pictures."""
    names = [f"{secrets.token_hex(16)}.webp" for _ in range(count)]
    for name in names:
        file = file_of(service, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"RIFF")
    with service.database() as connection:
        connection.execute(
            """
            WITH old AS (
                INSERT INTO tasks (id, account_id, api_key_id, request_id, public_url, user_group, price_microcredits,
                    model, prompt, width_px, height_px, seed, nsfw_check, output_format, estimated_time_s, status,
                    progress, created_at, started_at, ended_at, engine, draw_ms, picture_name, picture_bytes,
                    link_expires_at)
                SELECT 'task-unified-1700000000-' || substr(drawn.name, 1, 8), accounts.id, api_keys.id, 'req-old',
                    'http://127.0.0.1', 'default', 0, 'z-image-turbo', 'long ago', 376, 376, 1, false, 'webp', 1,
                    'completed', 100, past, past, past, 'blank', 1, drawn.name, 4, past + interval '1 day'
                FROM unnest(%s::text[]) AS drawn (name), (SELECT now() - interval '1 year' AS past) AS moment,
                    accounts JOIN api_keys ON account_id = accounts.id WHERE accounts.name = %s
                RETURNING id, account_id, ended_at
            )
            INSERT INTO holds SELECT id, account_id, 0, 'captured', ended_at FROM old
            """,
            (names, ACCOUNT),
        )
    return names


def test_an_expired_picture_is_deleted_and_its_task_keeps_its_cost(service: Service, client: httpx2.Client) -> None:
    task = finish(client, submit(client)["id"])
    file = file_of(service, kept(service, task["id"])["picture_name"])
    assert file.exists()
    grow_old(service, [task["id"]], 169)
    eventually(lambda: not file.exists())
    assert read_task(client, task["id"]) == {**task, "results": [], "result_data": []}
    assert client.get(task["results"][0]).status_code == 404
    listed = client.get("/v1/tasks").json()["data"][0]
    assert (listed["id"], listed["has_results"], listed["credits_used"]) == (task["id"], False, 0.026)


def test_pictures_and_prompts_and_keys_are_deleted_after_their_own_lifetimes(
    service: Service, client: httpx2.Client, database_url: str
) -> None:
    old, young = (
        finish(client, submit(client, callback_url="https://hooks.your-domain.com/easel")["id"])["id"] for _ in range(2)
    )
    grow_old(service, [young], 167)
    grow_old(service, [old], 719)
    sweep_until(service, database_url, lambda: kept(service, old)["gone_at"] is not None)
    assert_picture_is_there(client, read_task(client, young))
    found = kept(service, old)
    assert (found["prompt"], found["callback_url"]) == (ORDER["prompt"], "https://hooks.your-domain.com/easel")
    grow_old(service, [old], 2)
    sweep_until(service, database_url, lambda: kept(service, old)["prompt"] == "")
    assert kept(service, old)["callback_url"] is None
    assert kept(service, young)["prompt"] == ORDER["prompt"]


def test_a_picture_is_kept_as_long_as_its_link_is_valid(
    service: Service, client: httpx2.Client, database_url: str
) -> None:
    task = finish(client, submit(client)["id"])
    grow_old(service, [task["id"]], 167)
    renewed = read_task(client, task["id"])
    grow_old(service, [task["id"]], 20, link=False)
    sweep(service, database_url)
    assert_picture_is_there(client, renewed)
    assert read_task(client, task["id"]) == renewed
    grow_old(service, [task["id"]], 25)
    sweep_until(service, database_url, lambda: read_task(client, task["id"])["results"] == [])


def test_an_idempotency_key_is_deleted_after_a_day_and_can_order_again(
    service: Service, client: httpx2.Client, database_url: str
) -> None:
    def order(key: str) -> str:
        response = client.post(GENERATIONS, json=ORDER, headers={"idempotency-key": key})
        return str(response.json()["id"])

    def age(key: str, hours: int) -> None:
        with service.database() as connection:
            connection.execute(
                "UPDATE idempotency_keys SET claimed_at = claimed_at - make_interval(hours => %s) WHERE key = %s",
                (hours, key),
            )

    def has(key: str) -> bool:
        with service.database() as connection:
            return connection.execute("SELECT 1 FROM idempotency_keys WHERE key = %s", (key,)).fetchone() is not None

    unswept, swept = f"unswept-{secrets.token_hex(8)}", f"swept-{secrets.token_hex(8)}"
    first = {key: order(key) for key in (unswept, swept)}
    age(unswept, 23)
    age(swept, 25)
    sweep_until(service, database_url, lambda: not has(swept))
    assert has(unswept)
    assert order(unswept) == first[unswept]
    assert order(swept) != first[swept]
    age(unswept, 2)
    assert order(unswept) != first[unswept], "also where no sweep came by in time"


def test_four_concurrent_sweeps_miss_nothing_and_delete_nothing_twice(
    service: Service, client: httpx2.Client, database_url: str
) -> None:
    count = BATCH_MAX + 130
    young = finish(client, submit(client)["id"])
    names = add_old_pictures(service, count)
    found: list[Swept] = []

    def is_all_deleted() -> bool:
        found.extend(sweep_together(service, database_url))
        with service.database() as connection:
            left = connection.execute(
                "SELECT count(*) FROM tasks WHERE picture_name = ANY (%s) AND (picture_gone_at IS NULL OR prompt <> '')",
                (names,),
            ).fetchone()
        return left == (0,)

    # The service sweeps as well. While it does, the sweepers here may find nothing to do.
    eventually(is_all_deleted)
    assert not [name for name in names if file_of(service, name).exists()]
    assert all(max(each.pictures, each.prompts) <= BATCH_MAX for each in found), "each in bounded batches"
    assert_picture_is_there(client, read_task(client, young["id"]))
    service.audit()


def test_an_undeletable_picture_blocks_no_other_and_is_deleted_later(
    service: Service, client: httpx2.Client, database_url: str
) -> None:
    stuck, *others = add_old_pictures(service, 5)
    file = file_of(service, stuck)
    file.unlink()
    file.mkdir()
    with service.database() as connection:
        # It comes first.
        connection.execute("UPDATE tasks SET ended_at = ended_at - interval '1 day' WHERE picture_name = %s", (stuck,))

    def swept_away(names: list[str]) -> bool:
        sweep(service, database_url)
        return not [name for name in names if file_of(service, name).exists()]

    eventually(lambda: swept_away(others))
    assert file.exists()
    file.rmdir()
    file.write_bytes(b"RIFF")
    eventually(lambda: swept_away([stuck]))


def test_without_a_lifetime_pictures_and_prompts_are_kept(
    service: Service, client: httpx2.Client, database_url: str
) -> None:
    task = finish(client, submit(client)["id"])
    with service.database() as connection:
        # The service itself would remove it: so old that only a sweep with other lifetimes is asked.
        connection.execute("UPDATE tasks SET ended_at = ended_at - interval '100 hours' WHERE id = %s", (task["id"],))
    sweep(service, database_url, Lifetimes(86_400, picture_h=None, prompt_h=None, idempotency_h=24, moderation_h=None))
    assert_picture_is_there(client, read_task(client, task["id"]))
    assert kept(service, task["id"])["prompt"] == ORDER["prompt"]


@pytest.mark.parametrize("hours", ["1", "23", "-1", "soon", "876001"])
def test_a_picture_lifetime_below_the_link_lifetime_is_refused(hours: str) -> None:
    with pytest.raises(SettingsWrong, match="EASEL_PICTURE_RETENTION_H"):
        read({"EASEL_PICTURE_RETENTION_H": hours})


@pytest.mark.parametrize("hours", [0, 24, 876_000])
def test_pictures_can_be_kept_for_a_day_or_longer_or_forever(hours: int) -> None:
    assert read({"EASEL_PICTURE_RETENTION_H": str(hours)}).picture_retention_h == hours
