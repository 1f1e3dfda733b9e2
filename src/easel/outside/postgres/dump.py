"""Dumps a whole database to one file with pg_dump, and loads it with pg_restore. Both are of the server's version.

The file has PostgreSQL's custom format, compressed. It can be loaded into the same or a newer major version. It
contains no roles and no privileges: the role that loads it owns everything.

Loading runs any statements that the file holds, with the rights of the role in the URL, so that role must have no
rights beyond its database. pg_restore talks to the server itself: nothing in the file is a psql command.
"""

import asyncio
import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from easel.outside.postgres.account import ENVIRONMENT, PostgresUnusable
from easel.outside.postgres.binaries import find_binaries

LOCK_WAIT_S_MAX: Final = 60
"""Longest wait for a table whose definition is being changed."""
_CAUSE = re.compile(r"^pg_(?:dump|restore): error: (.*)$", re.MULTILINE)
_CAUSE_CHARACTERS_MAX: Final = 200


async def dump(url: str, bin_dir: Path | None, snapshot_id: str, to: BinaryIO) -> None:
    """Write the database as of a snapshot. The transaction that exported the snapshot must stay open meanwhile.

    `to` is a real file. Raises PostgresUnusable.
    """
    options = [f"--snapshot={snapshot_id}", f"--lock-wait-timeout={LOCK_WAIT_S_MAX}s", "--format=custom"]
    await _run("pg_dump", bin_dir, [*options, *_for_any_owner(url)], output=to)


async def load(url: str, bin_dir: Path | None, dumped: BinaryIO) -> None:
    """Load an empty database, completely or not at all. `dumped` is a real file. Raises PostgresUnusable."""
    options = ["--single-transaction", "--exit-on-error", "--format=custom"]
    await _run("pg_restore", bin_dir, [*options, *_for_any_owner(url)], source=dumped)


def major(bin_dir: Path | None) -> int:
    """The major version of the programs, and of every database that they create. Raises PostgresUnusable."""
    return int(find_binaries(bin_dir).major())


def _for_any_owner(url: str) -> list[str]:
    return ["--no-owner", "--no-privileges", f"--dbname={url}"]


async def _run(
    name: str,
    bin_dir: Path | None,
    arguments: Sequence[str],
    source: BinaryIO | None = None,
    output: BinaryIO | None = None,
) -> None:
    program = find_binaries(bin_dir).bin_dir / name
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=source or asyncio.subprocess.DEVNULL,
            stdout=output or asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=ENVIRONMENT,
        )
    except OSError as error:
        raise PostgresUnusable(
            f"{program} cannot be run ({error.strerror}): it must be in the folder of PostgreSQL's other programs."
        ) from None
    try:
        _, printed = await process.communicate()
    finally:
        # When this is cancelled, the program must not continue on its own.
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode != 0:
        raise PostgresUnusable(f"{name} failed: {_cause(printed.decode(errors='replace'))}")


def _cause(printed: str) -> str:
    """The first line of the first error. Later lines may contain rows of tables."""
    found = _CAUSE.search(printed)
    return found[1][:_CAUSE_CHARACTERS_MAX] if found else "it printed no reason"
