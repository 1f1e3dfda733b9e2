"""Creates pictures as OpenAI does: the answer contains the pictures.

The client does not learn its tasks' ids, so tasks that it can no longer wait for are cancelled. Pictures drawn by then
are charged, and sent if the client is still connected. A client that sends an `Idempotency-Key` can repeat its request,
so its tasks are not cancelled.
"""

from collections.abc import Collection, Sequence
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from easel.actions.abandon import abandon
from easel.actions.submit import Submission, Submit
from easel.domain import openai_order
from easel.domain.api_key import Holder
from easel.domain.errors import EditsNotOffered, ModelNotFound, OrderFailed, ServiceUnavailable, Unauthorized
from easel.domain.openai_order import OpenaiOrder
from easel.domain.task import ErrorCode, Status
from easel.store.database import Database
from easel.store.tasks import Task
from easel.web.auth import Auth
from easel.web.client_limits import Streams
from easel.web.openai.answers import Finished, is_picture_kept, openai_answer, order_failure
from easel.web.openai.attendance import Attendance
from easel.web.picture_pieces import PicturePieces
from easel.web.requests import BaseUrl, discard_body, idempotency_key, json_body
from easel.web.task_view import TaskView

_TOO_LATE: Final = "The pictures were not finished in the time that the client waits"
UPLOAD_BYTES_MAX: Final = 64 * 1024 * 1024
"""How much of an uploaded picture is read before edits are refused. OpenAI's own limit is 50 MB."""
_ERASED: Final = "The picture is no longer kept"


class OpenaiImageEndpoint:
    """`POST /openai/v1/images/generations`, and the same at Azure's path, which contains the model."""

    def __init__(
        self,
        auth: Auth,
        submit: Submit,
        database: Database,
        attendance: Attendance,
        view: TaskView,
        streams: Streams,
        pieces: PicturePieces,
        base_url: BaseUrl,
        model_aliases: Collection[str],
    ) -> None:
        self._auth = auth
        self._submit = submit
        self._database = database
        self._attendance = attendance
        self._view = view
        self._streams = streams
        self._pieces = pieces
        self._base_url = base_url
        self._model_aliases = model_aliases

    async def create(self, request: Request) -> Response:
        """Order the pictures and answer with them: fewer if some failed, or an error if all did."""
        holder = await self._auth.creator(request)
        with self._streams.open(request, holder):
            return await self._create(request, holder)

    async def refuse_edit(self, request: Request) -> Response:
        """Refuse edits and variations. Raises EditsNotOffered."""
        await self._auth.holder(request)
        # A client that is still sending its picture might not read an answer until it has finished.
        await discard_body(request, UPLOAD_BYTES_MAX)
        raise EditsNotOffered

    async def _create(self, request: Request, holder: Holder) -> Response:
        fields, deployment = await json_body(request), request.path_params.get("model")
        order = openai_order.parse(fields, self._model_aliases, deployment)
        if not holder.may_use(order.model):
            raise ModelNotFound(order.model_name)
        key = idempotency_key(request)
        submission = Submission(holder, order.orders, request.state.request_id, self._base_url.of(request), key)
        accepted = await self._submit(submission)
        request.state.task_id = accepted.tasks[0].id
        request.state.standing = accepted.standing
        ended = await self._ended(request, holder, accepted.tasks, is_repeatable=key is not None)
        finished = await self._finished(ended, order)
        headers = {"idempotency-replayed": "true"} if accepted.is_replay else {}
        return openai_answer(finished, order, self._pieces, headers)

    async def _ended(
        self, request: Request, holder: Holder, accepted: Sequence[Task], *, is_repeatable: bool
    ) -> list[Task]:
        """The tasks once all have ended. Raises ClientDisconnect, ServiceUnavailable, Unauthorized or OrderFailed."""
        attended = await self._attendance.attend(holder, request, accepted)
        ended = {task.id: task for task in attended.tasks}
        if attended.unfinished and not is_repeatable:
            ended |= {task.id: task for task in await abandon(self._database, attended.unfinished)}
        if attended.has_disconnected:
            raise ClientDisconnect
        if attended.is_key_good is None:
            raise ServiceUnavailable
        if not attended.is_key_good:
            raise Unauthorized
        if attended.unfinished and not any(task.status is Status.COMPLETED for task in ended.values()):
            # 503 invites a retry, which helps with an idempotency key, or if another process can take over.
            if is_repeatable or attended.is_stopping:
                raise ServiceUnavailable
            raise OrderFailed(ErrorCode.GENERATION_TIMEOUT, _TOO_LATE)
        return [ended[task.id] for task in accepted]

    async def _finished(self, ended: Sequence[Task], order: OpenaiOrder) -> Finished:
        """The tasks whose pictures can be shown, and the failed ones. Raises OrderFailed if there are no pictures."""
        completed = [task for task in ended if task.status is Status.COMPLETED]
        failed = [task for task in ended if task.status is Status.FAILED]
        shown = []
        for task in completed:
            links = (await self._view.current(task))["results"]
            if links and await self._is_kept(task, order):
                shown.append((task, links[0]))
        if shown:
            return Finished(shown, failed)
        if completed:
            raise OrderFailed(ErrorCode.RESOURCE_NOT_FOUND, _ERASED)
        raise order_failure(failed[0])

    async def _is_kept(self, task: Task, order: OpenaiOrder) -> bool:
        # Checked before the answer begins: once it has begun, a missing file can only be reported by cutting it off.
        return not order.has_files or await is_picture_kept(task, self._pieces.pictures)
