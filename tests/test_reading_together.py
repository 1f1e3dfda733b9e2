"""Many reads at once: they share statements, and each gets what is true."""

import asyncio
import time
from typing import Any

import httpx2

from tests.running_service import Service, finish, submit

TASKS = 20
READS = 600
AT_ONCE = 60
OTHERS_PER_S = 20
"""Transactions that the service makes meanwhile for its own sake: heartbeats, sweeps, looks."""


def transactions(service: Service) -> int:
    with service.database() as connection:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        row = connection.execute(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_reads_at_once_share_statements_and_each_answers_for_its_own_task(service: Service, account: str) -> None:
    key, other = service.new_key(account), service.new_key(f"{account}-other")
    with service.client(key) as client:
        ids = [submit(client, seed=number + 1)["id"] for number in range(TASKS)]
        seeds = {task_id: finish(client, task_id)["result_data"][0]["seed"] for task_id in ids}

    async def read(reader: httpx2.AsyncClient, task_id: str) -> tuple[str, httpx2.Response]:
        return task_id, await reader.get(f"/v1/tasks/{task_id}")

    async def read_all(presented: str) -> list[tuple[str, httpx2.Response]]:
        async with httpx2.AsyncClient(
            base_url=service.url,
            headers={"authorization": f"Bearer {presented}"},
            limits=httpx2.Limits(max_connections=AT_ONCE),
            timeout=60,
            trust_env=False,
        ) as reader:
            return await asyncio.gather(*(read(reader, ids[number % TASKS]) for number in range(READS)))

    before, began_s = transactions(service), time.monotonic()
    answers = asyncio.run(read_all(key))
    shared = transactions(service) - before
    beside = OTHERS_PER_S * (time.monotonic() - began_s)
    assert shared < READS / 2 + beside, f"{shared} transactions for {READS} reads"
    for task_id, response in answers:
        task: dict[str, Any] = response.json()
        assert (task["id"], task["result_data"][0]["seed"]) == (task_id, seeds[task_id])
    # Who asks for another's task in the midst of its owner's reads learns nothing.
    assert {response.status_code for _, response in asyncio.run(read_all(other))} == {404}
