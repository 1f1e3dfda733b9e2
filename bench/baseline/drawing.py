"""The baseline's Celery task: draws with Easel's own blank engine, encodes as Easel does, stores, marks it completed.

The picture is flushed to disk with its name before the task is completed, as Easel's is.
"""

import os
import tempfile
import time
from pathlib import Path

import celery

from bench.baseline.record import task_record
from bench.baseline.store import PICTURES, REDIS_URL, store
from easel.engines import encoding
from easel.engines.blank.engine import Blank
from easel.engines.engine import Drawing

app = celery.Celery("baseline", broker=REDIS_URL)
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
_engine = Blank()


@app.task(name="draw")
def draw(task_id: str) -> None:
    """Draw one task to its end."""
    record = task_record(task_id)
    order = store.hgetall(record)
    began_s = time.monotonic()
    store.hset(record, mapping={"status": "processing", "progress": 0})
    pixels = _engine.draw(
        Drawing(order["prompt"], int(order["width"]), int(order["height"]), int(order["seed"])),
        lambda _done, _total: None,
    )
    write(PICTURES / f"{task_id}.webp", encoding.encode(pixels, "webp", None))
    duration = round(time.monotonic() - began_s)
    store.hset(record, mapping={"status": "completed", "progress": 100, "duration": duration})


def write(target: Path, picture: bytes) -> None:
    """Stage, flush, rename, flush."""
    descriptor, staged = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(picture)
        file.flush()
        os.fsync(descriptor)
    Path(staged).replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
