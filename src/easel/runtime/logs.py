"""Structured logs: one line per event on standard error.

Events identify things by id. Prompts, keys, secrets and signed links are never logged.

In an event loop, ordinary events are written together at the end of the loop's turn, in their order. Warnings and
errors are written at once, after the events before them. A process that is killed may lose the ordinary events of one
turn.
"""

import asyncio
import contextlib
import logging
import sys
from collections import deque
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
import structlog

from easel.runtime.log_lines import WholeLines

STANDARD_ERROR: Final = 2
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_LEVEL_OF_METHOD: Final = {"warn": "warning", "exception": "error"}
_QUIET_LIBRARIES: Final = ("psycopg", "uvicorn", "httpx", "httpx2", "asyncio", "PIL")


def configure(process: str, log_format: Literal["auto", "json", "text"], log_level: str) -> None:
    """Send this process's events, and the warnings of its libraries, to standard error."""
    lines = WholeLines(STANDARD_ERROR)
    as_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        # Without local variables, because they may contain prompts and keys.
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
        if not as_text
        else structlog.processors.format_exc_info,
        _tidied_for(process),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if as_text
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[log_level]),
        logger_factory=lambda *_: _LineLogger(lines),
    )
    handler = logging.StreamHandler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger("easel").setLevel(_LEVELS[log_level])
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


class _LineLogger:
    """Receives the rendered events from structlog."""

    def __init__(self, lines: WholeLines) -> None:
        self._lines = lines
        self._waiting: deque[str] = deque()
        self._writes_in: asyncio.AbstractEventLoop | None = None

    def info(self, message: str) -> None:
        """Write an event at the end of the event loop's turn, or at once outside a loop."""
        self._waiting.append(f"{message}\n")
        if self._writes_in is None or self._writes_in.is_closed():
            self._writes_in = _running_loop()
            if self._writes_in is None:
                self._write_waiting()
            else:
                self._writes_in.call_soon(self._write_waiting)

    def msg(self, message: str) -> None:
        """Write an event at once."""
        self._waiting.append(f"{message}\n")
        self._write_waiting()

    def _write_waiting(self) -> None:
        # In this order, an event that another thread adds meanwhile is written here or by that thread.
        self._writes_in = None
        lines = []
        with contextlib.suppress(IndexError):
            while True:
                lines.append(self._waiting.popleft())
        if lines:
            self._lines.write("".join(lines))

    debug = warning = error = critical = exception = log = msg


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _json(event: structlog.typing.EventDict, **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def _tidied_for(process: str) -> structlog.typing.Processor:
    """Puts the common fields first, and drops empty ones. One step, because each request writes a line."""

    def tidied(
        _logger: structlog.typing.WrappedLogger, method: str, event: structlog.typing.EventDict
    ) -> dict[str, Any]:
        line = {
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "level": _LEVEL_OF_METHOD.get(method, method),
            "process": process,
            "event": event.pop("event"),
        }
        line |= {name: value for name, value in event.items() if value is not None}
        return line

    return tidied
