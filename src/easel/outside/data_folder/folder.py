"""Checks whether a data folder contains an installation, and puts one into an empty folder.

An installation is prepared in the subfolder `restoring`, which nothing else reads. When it is complete, its parts are
moved up, the secret last: if the process dies between two of these moves, the database has no secret, and Easel refuses
to start rather than begin a new installation. The next attempt removes the remains of an earlier one.
"""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from easel.domain.errors import Unusable
from easel.outside import durable_file
from easel.outside.data_folder.access import NAME_ANOTHER, access_problem
from easel.outside.postgres import private_postgres

PREPARING: Final = "restoring"
PARTS: Final = ("pictures", "postgres-bin", "postgres", "secret")
"""The parts of an installation, in the order of the moves."""


class DataFolderUnusable(Unusable):
    """The data folder cannot be used, or its content is not what the command needs."""


def holds_database(data_dir: Path) -> bool:
    """Whether the folder contains a private database, running or not. Raises DataFolderUnusable."""
    try:
        return (data_dir / "postgres" / "data").exists()
    except OSError as error:
        raise DataFolderUnusable(f"{data_dir} cannot be read: {error.strerror}.") from None


def is_empty(data_dir: Path) -> bool:
    """Whether the folder exists and is empty."""
    try:
        return data_dir.is_dir() and not any(data_dir.iterdir())
    except OSError:
        return False


def require_usable(data_dir: Path) -> None:
    """Raise DataFolderUnusable if the folder can neither be used nor created."""
    problem = access_problem(data_dir)
    if problem is not None:
        raise DataFolderUnusable(problem)


def make_data_folder(data_dir: Path) -> None:
    """Create the folder if it does not exist. Raises DataFolderUnusable."""
    require_usable(data_dir)
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DataFolderUnusable(
            f"The data folder {data_dir} cannot be created ({error.strerror}): {NAME_ANOTHER}."
        ) from None


def require_database(data_dir: Path) -> None:
    """Raise DataFolderUnusable if the folder has no database. For commands that must not create one."""
    require_usable(data_dir)
    if not holds_database(data_dir):
        what = "Easel database in" if data_dir.exists() else "data folder"
        raise DataFolderUnusable(
            f"There is no {what} {data_dir}: name Easel's data folder with --data-dir or EASEL_DATA_DIR, "
            "or create one there with `easel serve`."
        )


@contextlib.contextmanager
def install_into(data_dir: Path, postgres_bin: Path | None, postgres_user: str | None) -> Iterator[Path]:
    """An empty folder in which to prepare an installation. At the end of the block its content moves to `data_dir`; if
    the block raises, it is removed. During the block, other Easel processes that need a database in `data_dir` wait.

    The prepared database must be stopped before the block ends. Raises DataFolderUnusable, PostgresUnusable.
    """
    make_data_folder(data_dir)
    try:
        with private_postgres.nobody_else_starts(data_dir):
            _refuse_installation(data_dir)
            aside = data_dir / PREPARING
            if aside.exists():
                private_postgres.end_left_over(aside, postgres_bin, postgres_user)
                shutil.rmtree(aside)
            aside.mkdir(mode=0o700)
            try:
                if os.geteuid() == 0:
                    # The database's account must be able to enter the folder.
                    data_dir.chmod(stat.S_IMODE(data_dir.stat().st_mode) | 0o011)
                yield aside
                _move_up(aside, data_dir)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise DataFolderUnusable(f"{data_dir} cannot be written: {error.strerror or error}.") from None


def _refuse_installation(data_dir: Path) -> None:
    if holds_database(data_dir):
        running = " that is in use" if private_postgres.is_in_use(data_dir) else ""
        raise DataFolderUnusable(
            f"{data_dir} already contains a database{running}: choose another folder with --data-dir, or move this one away."
        )
    with contextlib.suppress(OSError):
        (data_dir / "pictures").rmdir()  # only when it is empty
    for part in PARTS:
        if (data_dir / part).exists():
            raise DataFolderUnusable(
                f"{data_dir} is not empty (it contains {part}): choose another folder with --data-dir, "
                "or move this one away."
            )


def _move_up(aside: Path, data_dir: Path) -> None:
    for part in PARTS:
        if (aside / part).exists():
            durable_file.move(aside / part, data_dir / part)
