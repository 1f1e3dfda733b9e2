"""Runs `easel doctor` in a process of its own, so that the web process loads no drawing library to look at one.

It looks at the machine of the calling process, with the same environment. Does not promise that workers on other
machines find the same.
"""

import asyncio
import contextlib
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import structlog

from easel.domain.errors import EaselError
from easel.runtime import process_environment

log = structlog.get_logger(__name__)

TIMEOUT_S: Final = 150.0
"""Longer than the doctor waits for PyTorch to list devices."""


class DoctorFailed(EaselError):
    """It did not answer. The log has the details."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    subject: str
    is_ok: bool
    words: str


async def examine(data_dir: Path, without: Collection[str] = ()) -> Sequence[Finding]:
    """What `easel doctor` finds with this data folder. Its environment lacks the variables in `without`.

    Raises DoctorFailed.
    """
    environment = {name: value for name, value in process_environment.copy().items() if name not in without}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "easel", "doctor", "--json", "--data-dir", str(data_dir),
        env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(TIMEOUT_S):
            output, complaint = await process.communicate()
    except TimeoutError:
        log.warning("doctor_failed", reason=f"no answer within {TIMEOUT_S:g} seconds")
        raise DoctorFailed("easel doctor did not answer") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    try:
        return msgspec.json.decode(output, type=list[Finding])
    except msgspec.DecodeError:
        log.warning("doctor_failed", reason=complaint.decode(errors="replace")[-1000:])
        raise DoctorFailed("easel doctor did not answer") from None
