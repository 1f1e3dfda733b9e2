"""The web application: its routes, and the handling that all requests share.

Every refusal and fault is answered with the contract's JSON error. Each request is logged in one line, without its
path, because a path may contain a picture link. If the edge (`edge/protocol.py`) refused the request after it was
routed, the line shows the edge's status.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from easel.domain.errors import (
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NoSuchAddress,
    RateLimitExceeded,
    Refusal,
    ServiceUnavailable,
)
from easel.outside.pictures.storage import StorageFailed
from easel.store.database import DatabaseUnavailable
from easel.web.account import AccountEndpoints
from easel.web.answers import SECURITY_HEADERS, rate_headers, refusal_answer, request_id
from easel.web.callbacks import CallbackEndpoints
from easel.web.events import EventEndpoint
from easel.web.health import HealthEndpoints
from easel.web.openai.images import OpenaiImageEndpoint
from easel.web.pictures import PictureEndpoint
from easel.web.reference.endpoints import DocumentEndpoints
from easel.web.task_lists import TaskListEndpoints
from easel.web.tasks import CreationEndpoint, TaskEndpoints

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
    openai_images: OpenaiImageEndpoint
    pictures: PictureEndpoint
    health: HealthEndpoints
    documents: DocumentEndpoints


def routes(to: Endpoints) -> list[BaseRoute]:
    """All routes of the service."""
    return [
        Route("/v1/images/generations", to.creation.create, methods=["POST"]),
        Route("/v1/tasks", to.task_lists.page, methods=["GET"]),
        _OwnPath("/v1/tasks/batch", to.task_lists.batch, methods=["POST"]),
        # One route for both methods, so that the Allow header of a 405 names both.
        Route("/v1/tasks/{task_id}", _by_method(GET=to.tasks.read, DELETE=to.tasks.erase), methods=["GET", "DELETE"]),
        Route("/v1/tasks/{task_id}/cancel", to.tasks.cancel, methods=["POST"]),
        Route("/v1/tasks/{task_id}/events", to.events.stream, methods=["GET"]),
        Route("/v1/tasks/{task_id}/callback", to.callbacks.read, methods=["GET"]),
        Route("/v1/tasks/{task_id}/callback/redeliver", to.callbacks.redeliver, methods=["POST"]),
        Route("/v1/credits", to.account.credits, methods=["GET"]),
        Route("/v1/models", to.account.models, methods=["GET"]),
        Route("/openai/v1/images/generations", to.openai_images.create, methods=["POST"]),
        Route("/openai/v1/images/edits", to.openai_images.refuse_edit, methods=["POST"]),
        Route("/openai/v1/images/variations", to.openai_images.refuse_edit, methods=["POST"]),
        Route("/openai/v1/models", to.account.models, methods=["GET"]),
        Route("/openai/v1/models/{model:path}", to.account.model, methods=["GET"]),
        # The same at Azure's path. Deployments are named after their models.
        Route("/openai/deployments/{model:path}/images/generations", to.openai_images.create, methods=["POST"]),
        Route("/openai/deployments/{model:path}/images/edits", to.openai_images.refuse_edit, methods=["POST"]),
        Route("/pictures/{grant}/{file}", to.pictures.read, methods=["GET"]),
        Route("/healthz", to.health.alive, methods=["GET"]),
        Route("/readyz", to.health.ready, methods=["GET"]),
        Route("/openapi.json", to.documents.openapi_json, methods=["GET"]),
        Route("/docs", to.documents.page, methods=["GET"]),
        Route("/docs/reference.css", to.documents.style, methods=["GET"]),
    ]


class _OwnPath(Route):
    """A fixed path that takes precedence over later patterns for every method, so a wrong method gets 405."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Called by the router."""
        match, found = super().matches(scope)
        return (Match.NONE if match is Match.NONE else Match.FULL), found


Handler = Callable[[Request], Awaitable[Response]]


def _by_method(**handlers: Handler) -> Handler:
    async def handle(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return handle


class App:
    """The application that the server runs. `on_stop` releases all waiting requests."""

    def __init__(self, routes: Sequence[BaseRoute], lifespan: Lifespan, on_stop: Callable[[], None]) -> None:
        self._router = Router(routes, redirect_slashes=False, lifespan=lifespan)
        self._on_stop = on_stop

    def stop(self) -> None:
        """Release all waiting requests, because the process is about to stop."""
        self._on_stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or the server's start and stop."""
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        try:
            await self._router(scope, receive, exchange.send)
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
            exchange.end()


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.status = 0
        self._scope = scope
        self._send = send
        self._started_s = time.monotonic()
        state = scope.get("state", {})
        self._request_id: str = state.get("request_id") or request_id(scope["headers"])
        # If Starlette finds an app here, it raises exceptions for 404 and 405. Otherwise it answers in plain text.
        scope["app"] = self
        scope["state"] = {**state, "request_id": self._request_id}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message["headers"], (b"x-request-id", self._request_id.encode())]
            standing = self._scope["state"].get("standing")
            if standing is not None:
                headers += rate_headers(standing)
            present = {name for name, _ in headers}
            headers += [header for header in SECURITY_HEADERS if header[0] not in present]
            message = {**message, "headers": headers}
        await self._send(message)

    async def answer_fault(self, error: Exception, receive: Receive) -> None:
        if self.status:
            log.error("answer_cut_off", request_id=self._request_id, exc_info=error)
            return
        await self._answer(error)(self._scope, receive, self.send)

    def _answer(self, error: Exception) -> Response:
        path = self._scope["path"]
        if isinstance(error, Refusal):
            if isinstance(error, RateLimitExceeded) and error.standing is not None:
                self._scope["state"]["standing"] = error.standing
            return refusal_answer(error, path)
        if isinstance(error, HTTPException):
            return refusal_answer(_routing_refusal(error), path, error.headers)
        if isinstance(error, DatabaseUnavailable | StorageFailed):
            log.warning("dependency_unavailable", request_id=self._request_id, reason=str(error))
            return refusal_answer(ServiceUnavailable(), path)
        log.error("request_fault", request_id=self._request_id, exc_info=error)
        return refusal_answer(InternalError(), path)

    def end(self) -> None:
        """Write the log line, and break the reference cycle with the scope."""
        self._log()
        self._scope.pop("app", None)

    def _log(self) -> None:
        route = self._scope.get("route")
        state = self._scope["state"]
        log.info(
            "request",
            method=self._scope["method"] if self._scope["method"].isalpha() else "?",
            route=route.path_format if isinstance(route, Route) else None,
            status=state.get("refused_with", self.status),
            ms=round((time.monotonic() - self._started_s) * 1000, 1),
            request_id=self._request_id,
            account_id=state.get("account_id"),
            task_id=state.get("task_id"),
        )


def _routing_refusal(error: HTTPException) -> Refusal:
    known: dict[int, Callable[[], Refusal]] = {404: NoSuchAddress, 405: MethodNotAllowed}
    return known.get(error.status_code, lambda: InvalidRequest("The request could not be understood"))()
