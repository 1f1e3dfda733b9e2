"""Names of what the baseline keeps in Redis: a hash for each task, and the digest of the one key that it knows."""

import hashlib


def task_record(task_id: str) -> str:
    """Where a task is kept."""
    return f"task:{task_id}"


def key_record(key: str) -> str:
    """Where a key is kept, by its digest."""
    return f"key:{hashlib.sha256(key.encode()).hexdigest()}"
