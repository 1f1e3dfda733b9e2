"""Where the baseline's processes keep things, as their environment says."""

import os
from pathlib import Path
from typing import Final

import redis
import redis.asyncio

REDIS_URL: Final = os.environ["BASELINE_REDIS_URL"]
PICTURES: Final = Path(os.environ["BASELINE_PICTURES"])
store: Final = redis.Redis.from_url(REDIS_URL, decode_responses=True)
asynchronous_store: Final = redis.asyncio.Redis.from_url(REDIS_URL, decode_responses=True)
