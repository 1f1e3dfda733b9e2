"""Finished pictures in OpenAI's shape: as links, or in the answer itself, in base64.

In base64 an answer can be large: ten pictures of several megabytes. It is read from storage and sent in pieces, so that
an answer under way holds no more than a piece in memory, however slowly it is read. Its length is told beforehand, so a
client notices when storage fails in the middle.
"""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response, StreamingResponse

from easel.domain.picture import object_name
from easel.outside.pictures import Pictures
from easel.store.tasks import Task
from easel.web import wire
from easel.web.answers import json_answer
from easel.web.picture_pieces import PicturePieces

_BEFORE: Final = b'"b64_json":"'
# Where a picture belongs. No text in an answer can hold this, since JSON escapes its quotation marks.
_PLACE: Final = _BEFORE + b'"'


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of an order: the completed tasks, each with the link to its picture, and those that failed."""

    completed: Sequence[tuple[Task, str]]
    failed: Sequence[Task]


def links_answer(finished: Finished, headers: Mapping[str, str]) -> Response:
    """The pictures as links."""
    pictures = [{"seed": task.seed, "url": url} for task, url in finished.completed]
    return json_answer(_body(finished, pictures), headers=headers)


def base64_answer(finished: Finished, pieces: PicturePieces, headers: Mapping[str, str]) -> Response:
    """The pictures themselves."""
    pictures = [{"b64_json": "", "seed": task.seed} for task, _ in finished.completed]
    body = wire.encode(_body(finished, pictures))
    length = len(body) + sum(_base64_length(_size_bytes(task)) for task, _ in finished.completed)
    return StreamingResponse(
        _spelt_out(body, finished, pieces),
        media_type="application/json",
        headers={"cache-control": "no-store", "content-length": str(length), **headers},
    )


def _body(finished: Finished, pictures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    task = finished.completed[0][0]
    body: dict[str, Any] = {
        "created": int(task.created_at.timestamp()),
        "data": pictures,
        "output_format": task.output_format,
        "size": f"{task.width_px}x{task.height_px}",
    }
    if finished.failed:
        body["errors"] = [{"code": each.error_code, "message": each.error_message} for each in finished.failed]
    return body


async def _spelt_out(body: bytes, finished: Finished, pieces: PicturePieces) -> AsyncIterator[bytes]:
    first, *rest = body.split(_PLACE)
    yield first
    for (task, _), after in zip(finished.completed, rest, strict=True):
        yield _BEFORE
        async for piece in pieces.of(_file_name(task), 0, _size_bytes(task)):
            yield base64.b64encode(piece)
        yield b'"' + after


async def is_kept(task: Task, kept: Pictures) -> bool:
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
