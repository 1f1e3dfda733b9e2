"""Writes numbered events to standard error as Easel's processes do: `python -m tests.support.log_writer NAME COUNT
LENGTH`."""

import logging
import sys

import structlog

from easel.runtime import logs


def write(name: str, count: int, length: int) -> None:
    """Write `count` events of about `length` bytes, every third through the standard library's logging."""
    logs.configure(name, "json", "info")
    log = structlog.get_logger()
    for number in range(count):
        if number % 3 == 2:
            logging.getLogger("other").warning("%s", f"{number} " + "ü" * (length // 2))
        else:
            log.info("numbered", number=number, filling="x" * length)


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
