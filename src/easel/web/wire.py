"""The exact JSON of every answer: compact, keys in alphabetical order.

Only shapes; what stands in them was decided elsewhere.
"""

from dataclasses import replace
from typing import Any, Final

import msgspec

from easel.domain import link
from easel.domain.credits import Balance, KeySpending, credits_shown
from easel.domain.delivery import State, message_id
from easel.domain.errors import Refusal, Wording
from easel.domain.link import LinkKeys
from easel.domain.order import MODELS
from easel.domain.task import ENDS, Status
from easel.store.callbacks import Callback
from easel.store.task_pages import Page, Query
from easel.store.tasks import Task
from easel.web.openai import errors as openai_errors

_BILLING_RULE: Final = "per_call"
_OBJECT: Final = "image.generation.task"
TASK_TYPE: Final = "image"


def encode(value: object) -> bytes:
    """Compact JSON with sorted keys."""
    return msgspec.json.encode(value, order="sorted")


def decode(body: bytes) -> object:
    """What a body holds. Raises ValueError for whatever is no JSON of a sane depth in UTF-8."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise ValueError from None


def task_body(task: Task, estimated_time_s: int, link_keys: LinkKeys) -> dict[str, Any]:
    """A task as its reader sees it. `estimated_time_s` is shown while it is unfinished."""
    body: dict[str, Any] = {
        "created": int(task.created_at.timestamp()),
        "id": task.id,
        "model": task.model,
        "object": _OBJECT,
        "progress": task.progress,
        "status": task.status,
        "task_info": _task_info(task, estimated_time_s),
        "type": TASK_TYPE,
        "usage": _usage(task),
    }
    if task.status == Status.COMPLETED:
        body |= _result(task, link_keys)
    if task.status == Status.FAILED:
        body["error"] = {"code": task.error_code, "message": task.error_message, "type": "task_error"}
    return body


def creation_body(task: Task, link_keys: LinkKeys) -> dict[str, Any]:
    """A task as creating it answered, whatever has become of it since."""
    return task_body(replace(task, status=Status.PENDING, progress=0), task.estimated_time_s, link_keys)


def callback_body(task: Task, callback: Callback | None) -> dict[str, Any]:
    """A task's callback and what became of it so far; None before the task has ended."""
    attempts = [] if callback is None else callback.attempts
    waits = callback is not None and callback.state == State.DELIVERING and not callback.is_claimed
    return {
        "attempts": [
            {
                "at": int(attempt.began_at.timestamp()),
                "duration_ms": attempt.duration_ms,
                "number": attempt.number,
                "outcome": attempt.outcome,
                "status_code": attempt.status_code,
            }
            for attempt in attempts
        ],
        "id": message_id(task.id),
        "next_attempt_at": int(callback.next_attempt_at.timestamp()) if callback is not None and waits else None,
        "object": "callback",
        "state": State.WAITING if callback is None else callback.state,
        "task_id": task.id,
        "url": task.callback_url,
    }


def deleted_body(task_id: str) -> dict[str, Any]:
    """What tells that a task's picture and prompt are gone."""
    return {"deleted": True, "id": task_id, "object": _OBJECT}


def page_body(page: Page, query: Query) -> dict[str, Any]:
    """A page of tasks, without links."""
    data = [
        {
            "created_at": int(task.created_at.timestamp()),
            "credits_used": credits_shown(task.price_microcredits if task.status == Status.COMPLETED else 0),
            "has_error": task.has_error,
            "has_results": task.has_results,
            "id": task.id,
            "model": task.model,
            "progress": task.progress,
            "status": task.status,
            "type": TASK_TYPE,
        }
        for task in page.tasks
    ]
    return {"data": data, "page": query.page, "page_size": query.page_size, "total": page.total}


def _task_info(task: Task, estimated_time_s: int) -> dict[str, Any]:
    if task.status in ENDS:
        return {"can_cancel": False}
    return {"can_cancel": True, "estimated_time": estimated_time_s}


def _usage(task: Task) -> dict[str, Any]:
    usage: dict[str, Any] = {"billing_rule": _BILLING_RULE, "user_group": task.user_group}
    if task.status in ENDS:
        charged = task.price_microcredits if task.status == Status.COMPLETED else 0
        usage["credits_used"] = credits_shown(charged)
    else:
        usage["credits_reserved"] = credits_shown(task.price_microcredits)
    return usage


def _result(task: Task, link_keys: LinkKeys) -> dict[str, Any]:
    assert task.picture_name is not None and task.link_expires_at is not None  # noqa: PT018 - one fact: it is completed
    assert task.draw_ms is not None
    duration_s = round(task.draw_ms / 1000)
    if task.picture_withdrawn_at is not None:
        return {"duration": duration_s, "result_data": [], "results": []}
    url = task.public_url + link.path(task.picture_name, int(task.link_expires_at.timestamp()), link_keys)
    picture = {
        "engine": task.engine,
        "height": task.height_px,
        "seed": task.seed,
        "url": url,
        "width": task.width_px,
    }
    return {
        "duration": duration_s,
        "result_data": [picture],
        "results": [url],
    }


def credits_body(balance: Balance, spending: KeySpending) -> dict[str, Any]:
    """What an account and one of its keys have left and have used."""
    return {
        "data": {
            "token": {
                "remaining_credits": credits_shown(spending.remaining(balance.available)),
                "unlimited_credits": spending.credit_limit is None,
                "used_credits": credits_shown(spending.used),
            },
            "user": {
                "remaining_credits": credits_shown(balance.available),
                "used_credits": credits_shown(balance.used),
            },
        },
        "message": "",
        "success": True,
    }


def models_body(usable: frozenset[str] | None) -> dict[str, Any]:
    """The models that a key may use, in OpenAI's list shape."""
    models = [model for model in MODELS if usable is None or model in usable]
    return {"data": [model_body(model) for model in models], "object": "list"}


def model_body(name: str) -> dict[str, Any]:
    """One model, in OpenAI's shape."""
    # A model has no moment of creation here, and OpenAI's clients want a number.
    return {"created": 0, "id": name, "object": "model", "owned_by": "easel"}


def error_body(refusal: Refusal, path: str) -> dict[str, Any]:
    """A refusal, worded for the endpoint that was asked."""
    if openai_errors.is_for_openai(path):
        return openai_errors.error_body(refusal)
    wording = _wording(refusal, path)
    error: dict[str, Any] = {"code": wording.code, "message": wording.message, "type": wording.type}
    if path == "/v1/credits":
        error["code"] = refusal.status
    if refusal.param is not None:
        error["param"] = refusal.param
    return {"error": error}


def _wording(refusal: Refusal, path: str) -> Wording:
    return refusal.task if path == "/v1/tasks" or path.startswith("/v1/tasks/") else refusal.generation
