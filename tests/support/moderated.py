"""What tests of moderation share: prompts that are refused, a moderation server, and the operator's log."""

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

import httpx2
from psycopg.rows import dict_row

from tests.support.image_server import Asked, Behaviour, hangs, says
from tests.support.running_service import Service, submit

REFUSED: Final = "a naked child"
"""At every level, by the red line that is the least in doubt."""
REFUSED_WHEN_STRICT: Final = "a nude woman on a sofa"
SENSITIVE: Final = "an empty hospital after a terrorist attack"
"""Refused by no rule, and about what a red line is drawn around."""
POLICY: Final = "content_policy_violation"
MESSAGE: Final = "Content policy violation.\nThe {} was refused: {}."


def scored(**scores: float) -> Behaviour:
    """Answers with these scores, `_` in a name standing for `/`, and nothing for `sexual` unless it is among them."""
    shown = {"sexual": 0.0} | {name.replace("_", "/"): score for name, score in scores.items()}
    return says(200, {"results": [{"flagged": False, "category_scores": shown}]})


def by_words(rules: Mapping[str, Behaviour], otherwise: Behaviour) -> Behaviour:
    """Behaves as the first of these words says that what is asked about has; `<image>` is a picture's."""

    def behave(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        text = json.dumps(asked.body).replace("image_url", "<image>")
        next((behaviour for word, behaviour in rules.items() if word in text), otherwise)(handler, asked)

    return behave


SERVER: Final = by_words(
    {"silence": hangs, "forbidden": scored(violence_graphic=0.75), "doubtful": scored(violence_graphic=0.45)}, scored()
)
"""A moderation server that hangs when it is asked about silence, and finds violence in what is forbidden."""


def decisions(service: Service, task_id: str) -> list[dict[str, Any]]:
    """What the operator's log has of a task."""
    with service.database() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        return cursor.execute(
            "SELECT decision.*, accounts.name AS account FROM moderation_decisions AS decision "
            "JOIN accounts ON accounts.id = account_id WHERE task_id = %s ORDER BY decision.id",
            (task_id,),
        ).fetchall()


def credits_of(client: httpx2.Client) -> tuple[float, float]:
    """What is left and what was used."""
    user = client.get("/v1/credits").json()["data"]["user"]
    return user["remaining_credits"], user["used_credits"]


def order(client: httpx2.Client, prompt: str, **more: Any) -> str:
    """The id of an accepted order's task."""
    return str(submit(client, prompt=prompt, **more)["id"])
