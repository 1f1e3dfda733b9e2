"""Renders a task as the JSON that its owner reads, with a working link or an estimate of the time left."""

from typing import Any, Final

from easel.actions.renew_link import renew_expired_link
from easel.domain import link
from easel.domain.credits import credits_shown
from easel.domain.link import LinkKeys
from easel.domain.task import ENDS, Status
from easel.live.forecast import Forecast
from easel.store.database import Database
from easel.store.tasks import Task

BILLING_RULE: Final = "per_call"
TASK_OBJECT: Final = "image.generation.task"
TASK_TYPE: Final = "image"


class TaskView:
    """Renders tasks for one web process."""

    def __init__(self, database: Database, forecast: Forecast, link_keys: LinkKeys) -> None:
        self._database = database
        self._forecast = forecast
        self._link_keys = link_keys

    def as_accepted(self, task: Task) -> dict[str, Any]:
        """The task as it was when it was accepted, whatever has happened to it since."""
        return _unfinished(task, Status.PENDING, 0, task.estimated_time_s)

    async def current(self, task: Task, **more_info: int) -> dict[str, Any]:
        """The task as it is. `more_info` is added to its `task_info`."""
        if task.status in ENDS:
            if task.status is Status.COMPLETED:
                task = await renew_expired_link(self._database, task)
            return ended_task(task, self._link_keys)
        body = _unfinished(task, task.status, task.progress, await self._forecast.of(task))
        body["task_info"] |= more_info
        return body


def ended_task(task: Task, link_keys: LinkKeys) -> dict[str, Any]:
    """A task that has ended."""
    charged_microcredits = task.price_microcredits if task.status is Status.COMPLETED else 0
    body = {
        **_task(task, task.status, task.progress),
        "task_info": {"can_cancel": False},
        "usage": _usage(task) | {"credits_used": credits_shown(charged_microcredits)},
    }
    if task.status is Status.COMPLETED:
        return body | _result(task, link_keys)
    return body | {"error": {"code": task.error_code, "message": task.error_message, "type": "task_error"}}


def _unfinished(task: Task, status: Status, progress: int, estimated_time_s: int) -> dict[str, Any]:
    return {
        **_task(task, status, progress),
        "task_info": {"can_cancel": True, "estimated_time": estimated_time_s},
        "usage": _usage(task) | {"credits_reserved": credits_shown(task.price_microcredits)},
    }


def _task(task: Task, status: Status, progress: int) -> dict[str, Any]:
    return {
        "created": int(task.created_at.timestamp()),
        "id": task.id,
        "model": task.model,
        "object": TASK_OBJECT,
        "progress": progress,
        "status": status,
        "type": TASK_TYPE,
    }


def _usage(task: Task) -> dict[str, Any]:
    return {"billing_rule": BILLING_RULE, "user_group": task.user_group}


def _result(task: Task, link_keys: LinkKeys) -> dict[str, Any]:
    assert task.picture_name is not None and task.link_expires_at is not None  # noqa: PT018 - one fact: it is completed
    assert task.draw_ms is not None
    duration_s = round(task.draw_ms / 1000)
    if task.picture_withdrawn_at is not None:
        return {"duration": duration_s, "result_data": [], "results": []}
    url = task.public_url + link.path(task.picture_name, int(task.link_expires_at.timestamp()), link_keys)
    picture: dict[str, Any] = {"engine": task.engine, "height": task.height_px}
    if task.not_drawn is not None:
        picture["not_drawn"] = task.not_drawn
    picture |= {"seed": task.seed, "url": url, "width": task.width_px}
    return {"duration": duration_s, "result_data": [picture], "results": [url]}
