"""Answers with finished pictures as OpenAI does: as links, in base64, or both; in one JSON body, or as events.

An answer in base64 can be large: ten pictures of several megabytes. The pictures are read from storage and sent in
pieces, so that an answer holds only one piece in memory, however slowly the client reads it. The answer states its
length, so that a client notices if storage fails halfway.
"""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response, StreamingResponse

from easel.domain.errors import OrderFailed
from easel.domain.openai_order import OpenaiOrder
from easel.domain.picture import object_name
from easel.domain.task import ErrorCode
from easel.outside.pictures.storage import Pictures
from easel.store.tasks import Task
from easel.web.answers import encode, json_answer
from easel.web.openai.errors import wording
from easel.web.picture_pieces import PicturePieces

COMPLETED_EVENT: Final = "image_generation.completed"
_EVENTS: Final = "text/event-stream"
_NO_TOKENS: Final = {"image_tokens": 0, "text_tokens": 0}
_UNCHOSEN: Final[Mapping[str, Any]] = {
    "background": "opaque",
    "quality": "auto",
    "usage": {"input_tokens": 0, "input_tokens_details": _NO_TOKENS, "output_tokens": 0, "total_tokens": 0},
}
"""Fields that OpenAI's event requires, with fixed values. Easel does not count tokens."""

_BEFORE: Final = b'"b64_json":"'
# Marks where a picture goes. No text in the answer can contain it, because JSON escapes quotation marks.
_EMPTY_PICTURE: Final = _BEFORE + b'"'


@dataclass(frozen=True, slots=True)
class Finished:
    """An order's tasks: those completed, each with the link to its picture, and those that failed."""

    completed: Sequence[tuple[Task, str]]
    failed: Sequence[Task]


def openai_answer(
    finished: Finished, order: OpenaiOrder, pieces: PicturePieces, headers: Mapping[str, str]
) -> Response:
    """The pictures in the form that the order asks for."""
    if order.is_streamed:
        return _with_files(_events(finished), _EVENTS, finished, pieces, headers)
    body = _body(finished, order)
    if order.has_files:
        return _with_files(encode(body), "application/json", finished, pieces, headers)
    return json_answer(body, headers=headers)


def _body(finished: Finished, order: OpenaiOrder) -> dict[str, Any]:
    pictures: list[dict[str, Any]] = []
    for task, url in finished.completed:
        picture: dict[str, Any] = {"seed": task.seed}
        if order.has_files:
            picture["b64_json"] = ""
        if order.has_links:
            picture["url"] = url
        pictures.append(picture)
    return {"data": pictures, **_common(finished.completed[0][0], "created"), **_errors(finished)}


def _events(finished: Finished) -> bytes:
    """One event per picture. The last one lists the failed tasks."""
    tasks = [task for task, _ in finished.completed]
    events = [
        {"b64_json": "", "seed": task.seed, "type": COMPLETED_EVENT, **_common(task, "created_at"), **_UNCHOSEN}
        for task in tasks
    ]
    events[-1] |= _errors(finished)
    return b"".join(b"event: " + COMPLETED_EVENT.encode() + b"\ndata: " + encode(each) + b"\n\n" for each in events)


def _common(task: Task, created: str) -> dict[str, Any]:
    return {
        created: int(task.created_at.timestamp()),
        "output_format": task.output_format,
        "size": f"{task.width_px}x{task.height_px}",
    }


def _errors(finished: Finished) -> dict[str, Any]:
    if not finished.failed:
        return {}
    wordings = [wording(order_failure(task)) for task in finished.failed]
    return {"errors": [{"code": each.code, "message": each.message} for each in wordings]}


def order_failure(task: Task) -> OrderFailed:
    """The refusal that reports why a task failed."""
    return OrderFailed(ErrorCode(task.error_code or ErrorCode.UNKNOWN_ERROR), task.error_message or "")


def _with_files(
    body: bytes, media_type: str, finished: Finished, pieces: PicturePieces, headers: Mapping[str, str]
) -> Response:
    length = len(body) + sum(_base64_length(_size_bytes(task)) for task, _ in finished.completed)
    return StreamingResponse(
        _with_pictures(body, finished, pieces),
        media_type=media_type,
        headers={"cache-control": "no-store", "content-length": str(length), **headers},
    )


async def _with_pictures(body: bytes, finished: Finished, pieces: PicturePieces) -> AsyncIterator[bytes]:
    first, *rest = body.split(_EMPTY_PICTURE)
    yield first
    for (task, _), after in zip(finished.completed, rest, strict=True):
        yield _BEFORE
        async for piece in pieces.of(_file_name(task), 0, _size_bytes(task)):
            yield base64.b64encode(piece)
        yield b'"' + after


async def is_picture_kept(task: Task, kept: Pictures) -> bool:
    """Whether storage still has a completed task's picture. Raises StorageFailed."""
    return await kept.size_bytes(object_name(_file_name(task))) == _size_bytes(task)


def _file_name(task: Task) -> str:
    assert task.picture_name is not None, "it is completed"
    return task.picture_name


def _size_bytes(task: Task) -> int:
    assert task.picture_bytes is not None, "it is completed"
    return task.picture_bytes


def _base64_length(size_bytes: int) -> int:
    return -(-size_bytes // 3) * 4
