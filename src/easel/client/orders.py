"""What a client can order, and the requests for it."""

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final, TypedDict

from easel.client.failures import Refused

DEFAULT_MODEL: Final = "z-image-turbo"
DRAW_TIMEOUT_S: Final = 3600.0
"""How long to wait for a picture unless the caller says otherwise."""
_TASK_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._~-]{0,127}")
_SHOWN_CHARACTERS_MAX: Final = 64
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class OrderFields(TypedDict, total=False):
    """The fields of an order besides its prompt. A field that is None is left out.

    `size` is a ratio such as `16:9`, or `WIDTHxHEIGHT` in pixels. `output_format` is `webp`, `png` or `jpeg`.
    """

    model: str
    size: str | None
    seed: int | None
    output_format: str | None
    nsfw_check: bool | None
    callback_url: str | None


def order_body(prompt: str, fields: OrderFields) -> dict[str, Any]:
    """The body of the request for a picture. Raises Refused for text that cannot be sent, because UTF-8 lacks it."""
    given: Mapping[str, Any] = fields
    body = {"model": DEFAULT_MODEL, "prompt": prompt} | {
        name: value for name, value in given.items() if value is not None
    }
    for name, value in body.items():
        if isinstance(value, str) and _SURROGATE.search(value):
            raise Refused(f"{name} is not text in UTF-8", 400, "invalid_request")
    return body


def new_idempotency_key() -> str:
    """A random idempotency key."""
    return uuid.uuid4().hex


def order_headers(idempotency_key: str | None) -> dict[str, str]:
    """The headers of the request for a picture."""
    return {"idempotency-key": idempotency_key or new_idempotency_key()}


def list_path(status: str | None, page: int, page_size: int) -> str:
    """The path of a page of tasks."""
    wanted = "" if status is None else f"&status={status}"
    return f"/v1/tasks?page={page}&page_size={page_size}{wanted}"


def task_path(task_id: str) -> str:
    """The path of a task. Raises Refused for what would lead elsewhere, such as `../keys`: ids may come from others."""
    if _TASK_ID.fullmatch(task_id) is None:
        raise Refused(f"{task_id[:_SHOWN_CHARACTERS_MAX]!a} is not the id of a task", 400, "invalid_task_id")
    return f"/v1/tasks/{task_id}"
