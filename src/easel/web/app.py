"""The web application: its routes, and the handling that all requests share.

Every refusal and fault is answered with the contract's JSON error. Each request is logged in one line, without its
path, because a path may contain a picture link. If the edge (`edge/protocol.py`) refused the request after it was
routed, the line shows the edge's status.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from easel.domain.errors import InternalError, RateLimitExceeded, Refusal, ServiceUnavailable
from easel.live import measured, traces
from easel.outside.pictures.storage import StorageFailed
from easel.store.database import DatabaseUnavailable
from easel.web.account import AccountEndpoints
from easel.web.admin.changing import AdminChangeEndpoints
from easel.web.admin.keys import AdminKeyEndpoints
from easel.web.admin.moderation import AdminModerationEndpoints
from easel.web.admin.reading import AdminReadEndpoints
from easel.web.admin.upkeep import AdminUpkeepEndpoints
from easel.web.answers import SECURITY_HEADERS, rate_headers, refusal_answer, request_id
from easel.web.callbacks import CallbackEndpoints
from easel.web.catalog import CatalogEndpoints
from easel.web.console.files import ConsoleFiles
from easel.web.console.pages import NotFoundPage, RootEndpoint
from easel.web.console.sessions import SessionEndpoints
from easel.web.console.tasks import ConsoleTaskEndpoints
from easel.web.console.thumbnails import ThumbnailEndpoint
from easel.web.events import EventEndpoint
from easel.web.health import HealthEndpoints
from easel.web.metrics.endpoint import MetricsEndpoint
from easel.web.openai.images import OpenaiImageEndpoint
from easel.web.pictures import PictureEndpoint
from easel.web.reference.endpoints import DocumentEndpoints
from easel.web.routing import Handler, Route, Routes
from easel.web.task_lists import TaskListEndpoints
from easel.web.tasks import CreationEndpoint, TaskEndpoints
from easel.web.usage import UsageEndpoints

log = structlog.get_logger(__name__)

Lifespan = Callable[[ASGIApp], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The endpoints of all routes."""

    creation: CreationEndpoint
    tasks: TaskEndpoints
    callbacks: CallbackEndpoints
    task_lists: TaskListEndpoints
    events: EventEndpoint
    account: AccountEndpoints
    catalog: CatalogEndpoints
    usage: UsageEndpoints
    openai_images: OpenaiImageEndpoint
    pictures: PictureEndpoint
    health: HealthEndpoints
    metrics: MetricsEndpoint
    documents: DocumentEndpoints
    root: RootEndpoint


@dataclass(frozen=True, slots=True)
class ConsoleEndpoints:
    """The endpoints of the console's routes."""

    sessions: SessionEndpoints
    tasks: ConsoleTaskEndpoints
    thumbnails: ThumbnailEndpoint
    files: ConsoleFiles


@dataclass(frozen=True, slots=True)
class AdminEndpoints:
    """The endpoints for operators."""

    reads: AdminReadEndpoints
    changes: AdminChangeEndpoints
    keys: AdminKeyEndpoints
    moderation: AdminModerationEndpoints
    upkeep: AdminUpkeepEndpoints


def routes(to: Endpoints) -> list[Route]:
    """All routes of the service, except those of the console."""
    return [
        Route("/", GET=to.root.read),
        Route("/v1/images/generations", POST=to.creation.create),
        Route("/v1/tasks/{task_id}", GET=to.tasks.read, DELETE=to.tasks.erase),
        Route("/v1/tasks", GET=to.task_lists.page),
        Route("/v1/tasks/batch", POST=to.task_lists.batch),
        Route("/v1/tasks/{task_id}/cancel", POST=to.tasks.cancel),
        Route("/v1/tasks/{task_id}/events", GET=to.events.stream),
        Route("/v1/tasks/{task_id}/callback", GET=to.callbacks.read),
        Route("/v1/tasks/{task_id}/callback/redeliver", POST=to.callbacks.redeliver),
        Route("/v1/credits", GET=to.account.credits),
        Route("/v1/usage", GET=to.usage.read),
        Route("/v1/usage.csv", GET=to.usage.read_csv),
        Route("/v1/models", GET=to.account.models),
        Route("/v1/models/{model:path}", GET=to.account.model),
        Route("/v1/catalog/models", GET=to.catalog.models),
        Route("/v1/catalog/pricing", GET=to.catalog.pricing),
        Route("/v1/catalog/health", GET=to.catalog.health),
        Route("/openai/v1/images/generations", POST=to.openai_images.create),
        Route("/openai/v1/images/edits", POST=to.openai_images.refuse_edit),
        Route("/openai/v1/images/variations", POST=to.openai_images.refuse_edit),
        Route("/openai/v1/models", GET=to.account.models),
        Route("/openai/v1/models/{model:path}", GET=to.account.openai_model),
        # The same at Azure's path. Deployments are named after their models.
        Route("/openai/deployments/{model:path}/images/generations", POST=to.openai_images.create),
        Route("/openai/deployments/{model:path}/images/edits", POST=to.openai_images.refuse_edit),
        Route("/pictures/{grant}/{file}", GET=to.pictures.read),
        Route("/healthz", GET=to.health.alive),
        Route("/readyz", GET=to.health.ready),
        Route("/metrics", GET=to.metrics.read),
        Route("/openapi.json", GET=to.documents.openapi_json),
        Route("/docs", GET=to.documents.page),
        Route("/docs/{file}", GET=to.documents.file),
    ]


def admin_routes(to: AdminEndpoints) -> list[Route]:
    """The routes for operators."""
    reads, changes, keys, moderation, upkeep = to.reads, to.changes, to.keys, to.moderation, to.upkeep
    return [
        Route("/admin/v1/overview", GET=reads.overview),
        Route("/admin/v1/doctor", GET=upkeep.doctor),
        Route("/admin/v1/accounts", GET=reads.accounts, POST=changes.open_account),
        Route("/admin/v1/accounts/{account_id}", GET=reads.account),
        Route("/admin/v1/accounts/{account_id}/grants", POST=changes.grant),
        Route("/admin/v1/accounts/{account_id}/adjustments", POST=changes.adjust),
        Route("/admin/v1/accounts/{account_id}/group", POST=changes.assign_group),
        Route("/admin/v1/accounts/{account_id}/keys", POST=keys.create),
        Route("/admin/v1/accounts/{account_id}/callback-secret", GET=keys.callback_secrets),
        Route("/admin/v1/accounts/{account_id}/callback-secret/rotate", POST=keys.rotate_callback_secret),
        Route("/admin/v1/accounts/{account_id}/console-links", POST=keys.link),
        Route("/admin/v1/keys", GET=reads.keys),
        Route("/admin/v1/keys/{key_id}/limits", POST=keys.limit),
        Route("/admin/v1/keys/{key_id}/revoke", POST=keys.revoke),
        Route("/admin/v1/groups", GET=reads.groups, POST=changes.set_price),
        Route("/admin/v1/callbacks", GET=reads.callbacks),
        Route("/admin/v1/callbacks/{task_id}", GET=reads.callback),
        Route("/admin/v1/callbacks/{task_id}/redeliver", POST=changes.redeliver),
        Route("/admin/v1/moderation", GET=moderation.decisions),
        Route("/admin/v1/moderation/counts", GET=moderation.counts),
        Route("/admin/v1/credits/audit", POST=upkeep.audit),
        Route("/admin/v1/credits/repair", POST=upkeep.repair),
        Route("/admin/v1/audit", GET=reads.audit_log),
    ]


def console_routes(to: ConsoleEndpoints) -> list[Route]:
    """The routes of the console. Its page is at `/`."""
    return [
        Route("/console/session", GET=to.sessions.read, POST=to.sessions.sign_in, DELETE=to.sessions.sign_out),
        Route("/console/tasks", GET=to.tasks.page),
        Route("/console/tasks/{task_id}", GET=to.tasks.read),
        Route("/thumbnails/{grant}/{file}", GET=to.thumbnails.read),
        Route("/console/{path:path}", GET=to.files.read),
        Route("/favicon.ico", GET=to.files.read_icon),
    ]


class App:
    """The application that the server runs. `on_stop` releases all waiting requests.

    People who open an address that leads nowhere get `not_found_page`, if there is one.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        lifespan: Lifespan,
        on_stop: Callable[[], None],
        not_found_page: NotFoundPage | None = None,
    ) -> None:
        self._routes = Routes(routes)
        self._not_found_page = not_found_page
        self._life = Router(lifespan=lifespan)
        self._on_stop = on_stop
        # Bound once: for each event, structlog would first create a logger.
        self._log: structlog.typing.FilteringBoundLogger = log.bind()

    def stop(self) -> None:
        """Release all waiting requests, because the process is about to stop."""
        self._on_stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or the server's start and stop."""
        if scope["type"] != "http":
            await self._life(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self._not_found_page)
        try:
            exchange.route, scope["path_params"] = self._routes.find(scope["path"])
            handler = exchange.route.handler(scope["method"])
            if traces.are_recorded():
                await self._traced(exchange, exchange.route, handler, receive)
            else:
                response = await handler(Request(scope, receive))
                await response(scope, receive, exchange.send)
        except ClientDisconnect:
            exchange.status = 499  # nginx's status for a disconnected client, which cannot be answered
        except asyncio.CancelledError:
            # The process is stopping and its grace period is over. The request may have taken effect all the same.
            if exchange.status:
                raise
            await exchange.answer_fault(ServiceUnavailable(), receive)
        except Exception as error:  # noqa: BLE001 - the outermost loop of a request: every fault is answered
            await exchange.answer_fault(error, receive)
        finally:
            exchange.note_in(self._log)

    async def _traced(self, exchange: "_Exchange", route: Route, handler: Handler, receive: Receive) -> None:
        """Handle a request in a span, which goes on where the client's trace is."""
        request = Request(exchange.scope, receive)
        name, parent = f"{request.method} {route.shown_path}", request.headers.get("traceparent")
        with traces.span(
            name, parent, "server", {"http.request.method": request.method, "http.route": route.shown_path}
        ):
            try:
                response = await handler(request)
                await response(exchange.scope, receive, exchange.send)
            except Refusal as refusal:  # answered within the span, of which it is no fault
                await exchange.answer_fault(refusal, receive)
            traces.describe({"http.response.status_code": exchange.status})


class _Exchange:
    """One request and its answer."""

    route: Route | None = None
    status = 0

    def __init__(self, scope: Scope, send: Send, not_found_page: NotFoundPage | None) -> None:
        self.scope = scope
        self._not_found_page = not_found_page
        self._send = send
        self._started_s = time.monotonic()
        self._state: dict[str, Any] = scope.setdefault("state", {})
        if "request_id" not in self._state:  # the edge sets it
            self._state["request_id"] = request_id(scope["headers"])

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            standing = self._state.get("standing")
            headers = [
                *message["headers"],
                (b"x-request-id", self._state["request_id"].encode()),
                *(() if standing is None else rate_headers(standing)),
                *SECURITY_HEADERS,
            ]
            message = {"type": "http.response.start", "status": self.status, "headers": headers}
        await self._send(message)

    async def answer_fault(self, error: Exception, receive: Receive) -> None:
        if self.status:
            log.error("answer_cut_off", request_id=self._state["request_id"], exc_info=error)
            return
        await self._answer(error)(self.scope, receive, self.send)

    def _answer(self, error: Exception) -> Response:
        path = self.scope["path"]
        if isinstance(error, Refusal):
            if isinstance(error, RateLimitExceeded):
                measured.RATE_LIMITED.add("other" if error.standing is None else error.standing.quota.name)
                if error.standing is not None:
                    self._state["standing"] = error.standing
            page = None if self._not_found_page is None else self._not_found_page.answer(Request(self.scope), error)
            return page or refusal_answer(error, path)
        if isinstance(error, DatabaseUnavailable | StorageFailed):
            log.warning("dependency_unavailable", request_id=self._state["request_id"], reason=str(error))
            return refusal_answer(ServiceUnavailable(), path)
        log.error("request_failed", request_id=self._state["request_id"], exc_info=error)
        return refusal_answer(InternalError(), path)

    def note_in(self, log: structlog.typing.FilteringBoundLogger) -> None:
        """Write the log line, and count the request."""
        method = self.scope["method"] if self.scope["method"].isalpha() else "?"
        route = None if self.route is None else self.route.shown_path
        status = self._state.get("refused_with", self.status)
        elapsed_s = time.monotonic() - self._started_s
        measured.request(method, route, status, elapsed_s)
        log.info(
            "request",
            method=method,
            route=route,
            status=status,
            ms=round(elapsed_s * 1000, 1),
            request_id=self._state["request_id"],
            account_id=self._state.get("account_id"),
            task_id=self._state.get("task_id"),
        )
