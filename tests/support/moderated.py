"""Shared by tests of moderation: prompts that are refused, a moderation server, and the operator's log."""

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

import httpx2
from psycopg.rows import dict_row

from tests.support.image_server import Asked, Behaviour, hangs, says
from tests.support.running_service import Service, submit

REFUSED: Final = "a naked child"
"""Refused at every level, by the clearest red line."""
REFUSED_WHEN_STRICT: Final = "a nude woman on a sofa"
SENSITIVE: Final = "an empty hospital after a terrorist attack"
"""Refused by no rule, but with a concept of a red line."""
POLICY: Final = "content_policy_violation"
MESSAGE: Final = "Content policy violation.\nThe {} was refused: {}."


def scored(**scores: float) -> Behaviour:
    """Answer with these scores. `_` in a name stands for `/`, and `sexual` is 0 by default."""
    shown = {"sexual": 0.0} | {name.replace("_", "/"): score for name, score in scores.items()}
    return says(200, {"results": [{"flagged": False, "category_scores": shown}]})


def by_words(rules: Mapping[str, Behaviour], otherwise: Behaviour) -> Behaviour:
    """Behave according to the first of these words in the request, in which `<image>` marks a picture."""

    def behave(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        text = json.dumps(asked.body).replace("image_url", "<image>")
        next((behaviour for word, behaviour in rules.items() if word in text), otherwise)(handler, asked)

    return behave


SERVER: Final = by_words(
    {"silence": hangs, "forbidden": scored(violence_graphic=0.75), "doubtful": scored(violence_graphic=0.45)}, scored()
)
"""A moderation server that hangs on "silence", and finds violence in "forbidden"."""


def decisions(service: Service, task_id: str) -> list[dict[str, Any]]:
    """The decisions in the operator's log about a task."""
    with service.database() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        return cursor.execute(
            "SELECT decision.*, accounts.name AS account FROM moderation_decisions AS decision "
            "JOIN accounts ON accounts.id = account_id WHERE task_id = %s ORDER BY decision.id",
            (task_id,),
        ).fetchall()


def credits_of(client: httpx2.Client) -> tuple[float, float]:
    """The remaining and the used credits."""
    user = client.get("/v1/credits").json()["data"]["user"]
    return user["remaining_credits"], user["used_credits"]


def order(client: httpx2.Client, prompt: str, **more: Any) -> str:
    """Place an order, and return the id of its task."""
    return str(submit(client, prompt=prompt, **more)["id"])
