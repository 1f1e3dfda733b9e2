"""The baseline's HTTP side, as FastAPI's and Celery's own tutorials write it: validate, store, enqueue; read.

Its functions are coroutines, which are faster here than plain functions in FastAPI's threads. `delay` briefly blocks
the loop.
"""

import secrets
import time
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

from bench.baseline.drawing import draw
from bench.baseline.record import key_record, task_record
from bench.baseline.store import asynchronous_store as store


class Order(BaseModel):
    """The body of a request."""

    model: str
    prompt: Annotated[str, Field(min_length=1, max_length=2000)]
    size: Annotated[str, Field(pattern=r"^[1-9][0-9]{2,3}x[1-9][0-9]{2,3}$")] = "1024x1024"
    seed: Annotated[int, Field(ge=1, le=2147483647)] | None = None


class Task(BaseModel):
    """The body of an answer."""

    created: int
    id: str
    model: str
    object: str = "image.generation.task"
    progress: int
    status: str
    results: list[str] | None = None
    duration: int | None = None


async def authorized(authorization: Annotated[str, Header()] = "") -> None:
    """Reject requests without a key."""
    if not await store.exists(key_record(authorization.removeprefix("Bearer "))):
        raise HTTPException(401)


app = FastAPI(dependencies=[Depends(authorized)])


@app.post("/v1/images/generations")
async def create(order: Order) -> Task:
    """Accept an order."""
    created = int(time.time())
    task_id = f"task-unified-{created}-{secrets.token_hex(4)}"
    width, _, height = order.size.partition("x")
    record: dict[str, Any] = {
        "created": created,
        "model": order.model,
        "prompt": order.prompt,
        "width": width,
        "height": height,
        "seed": order.seed or 1 + secrets.randbelow(2147483647),
        "status": "pending",
        "progress": 0,
    }
    await store.hset(task_record(task_id), mapping=record)
    draw.delay(task_id)
    return Task(created=created, id=task_id, model=order.model, progress=0, status="pending")


@app.get("/v1/tasks/{task_id}")
async def read(task_id: str) -> Task:
    """The current state of a task."""
    record: dict[str, Any] = await store.hgetall(task_record(task_id))
    if not record:
        raise HTTPException(404)
    is_completed = record["status"] == "completed"
    return Task(
        created=record["created"],
        id=task_id,
        model=record["model"],
        progress=record["progress"],
        status=record["status"],
        results=[f"http://127.0.0.1/pictures/{task_id}.webp"] if is_completed else None,
        duration=record.get("duration"),
    )
