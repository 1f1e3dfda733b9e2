"""A whole database in one file, written by pg_dump and loaded by pg_restore, both of the server's own version.

The file is PostgreSQL's custom format, compressed. It can be loaded into the same or a newer major version. Nothing of
roles and rights is in it: whoever loads it owns everything.

Loading runs whatever statements the file holds, with the rights of the role that the URL names, so that must be one that
may do nothing beyond its database. pg_restore speaks to the server itself: nothing in the file is a command to psql.
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
"""Longest wait for a table that somebody is changing the form of."""
_CAUSE = re.compile(r"^pg_(?:dump|restore): error: (.*)$", re.MULTILINE)
_CAUSE_CHARACTERS_MAX: Final = 200


async def dump(url: str, bin_dir: Path | None, snapshot_id: str, to: BinaryIO) -> None:
    """Write the database as a snapshot shows it. The transaction that exported the snapshot must last meanwhile.

    `to` is a real file. Raises PostgresUnusable.
    """
    options = [f"--snapshot={snapshot_id}", f"--lock-wait-timeout={LOCK_WAIT_S_MAX}s", "--format=custom"]
    await _run("pg_dump", bin_dir, [*options, *_for_any_owner(url)], output=to)


async def load(url: str, bin_dir: Path | None, dumped: BinaryIO) -> None:
    """Fill an empty database, wholly or not at all. `dumped` is a real file. Raises PostgresUnusable."""
    options = ["--single-transaction", "--exit-on-error", "--format=custom"]
    await _run("pg_restore", bin_dir, [*options, *_for_any_owner(url)], source=dumped)


def major(bin_dir: Path | None) -> int:
    """The major version of the programs, and of every database that they make. Raises PostgresUnusable."""
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
            f"{program} cannot be run ({error.strerror}): it must stand beside the other programs of PostgreSQL."
        ) from None
    try:
        _, said = await process.communicate()
    finally:
        # When this is broken off, the program must not go on alone.
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode != 0:
        raise PostgresUnusable(f"{name} failed: {_cause(said.decode(errors='replace'))}")


def _cause(said: str) -> str:
    """The first error's first line; those below it may hold rows."""
    found = _CAUSE.search(said)
    return found[1][:_CAUSE_CHARACTERS_MAX] if found else "it does not say why"
