"""Structured logs: one line per event on standard error.

Events identify things by id. Prompts, keys, secrets and signed links are never logged.
"""

import logging
import sys
from typing import Final, Literal

import msgspec
import structlog

from easel.runtime.log_lines import WholeLines

STANDARD_ERROR: Final = 2
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_QUIET_LIBRARIES: Final = ("procrastinate", "psycopg", "uvicorn", "httpx", "httpx2", "asyncio", "PIL")


def configure(process: str, log_format: Literal["auto", "json", "text"], log_level: str) -> None:
    """Send this process's events, and the warnings of its libraries, to standard error."""
    lines = WholeLines(STANDARD_ERROR)
    as_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Without local variables, because they may contain prompts and keys.
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
        if not as_text
        else structlog.processors.format_exc_info,
        _tidied,
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
    structlog.contextvars.bind_contextvars(process=process)
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

    def msg(self, message: str) -> None:
        """Write an event."""
        self._lines.write(f"{message}\n")

    debug = info = warning = error = critical = exception = log = msg


def _json(event: structlog.typing.EventDict, **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def _tidied(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Put the common fields first, and drop empty ones."""
    first = {name: event.get(name) for name in ("timestamp", "level", "process", "event")}
    return {name: value for name, value in {**first, **event}.items() if value is not None}
