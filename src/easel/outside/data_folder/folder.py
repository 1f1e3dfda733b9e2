"""A data folder as a whole: whether it holds an installation, and filling an empty one so that it appears at once.

What is being prepared lies in a folder `restoring` inside, which nothing else looks into. Its parts are moved up when
they are whole, the secret last: killed between two of these moves, the database stands without its secret, and Easel
refuses to start on it rather than begin anew. The next attempt clears away what an earlier one left.
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
"""What an installation is made of, in the order of the moves."""


class DataFolderUnusable(Unusable):
    """The data folder holds an installation, or cannot; the message is a sentence for the operator."""


def holds_database(data_dir: Path) -> bool:
    """Whether the folder holds a private database, running or not. Raises DataFolderUnusable."""
    try:
        return (data_dir / "postgres" / "data").exists()
    except OSError as error:
        raise DataFolderUnusable(f"{data_dir} cannot be looked into: {error.strerror}.") from None


def is_empty(data_dir: Path) -> bool:
    """Whether there is such a folder and nothing in it yet."""
    try:
        return data_dir.is_dir() and not any(data_dir.iterdir())
    except OSError:
        return False


def require_usable(data_dir: Path) -> None:
    """Raise DataFolderUnusable where the folder can neither be used nor made."""
    fault = access_problem(data_dir)
    if fault is not None:
        raise DataFolderUnusable(fault)


def make_data_folder(data_dir: Path) -> None:
    """Make the folder where it is not there. Raises DataFolderUnusable."""
    require_usable(data_dir)
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DataFolderUnusable(
            f"The data folder {data_dir} cannot be made ({error.strerror}): {NAME_ANOTHER}."
        ) from None


def require_database(data_dir: Path) -> None:
    """Raise DataFolderUnusable where the folder holds no database, for whoever only looks and must not make one."""
    require_usable(data_dir)
    if not holds_database(data_dir):
        what = "Easel database in" if data_dir.exists() else "data folder"
        raise DataFolderUnusable(
            f"There is no {what} {data_dir}: name Easel's data folder with --data-dir or EASEL_DATA_DIR, "
            "or make a new one there with `easel serve`."
        )


@contextlib.contextmanager
def install_into(data_dir: Path, postgres_bin: Path | None, postgres_user: str | None) -> Iterator[Path]:
    """An empty folder to prepare an installation in. At the end of the block it becomes the content of `data_dir`; if
    the block raises, it goes. Meanwhile every other Easel process waits that wants a database in `data_dir`.

    Nothing may run in it any more at the end. Raises DataFolderUnusable, PostgresUnusable.
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
                    # The database's account must pass through, as it will have to afterwards.
                    data_dir.chmod(stat.S_IMODE(data_dir.stat().st_mode) | 0o011)
                yield aside
                _move_up(aside, data_dir)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise DataFolderUnusable(f"{data_dir} cannot be filled: {error.strerror or error}.") from None


def _refuse_installation(data_dir: Path) -> None:
    if holds_database(data_dir):
        running = " and Easel runs on it" if private_postgres.is_in_use(data_dir) else ""
        raise DataFolderUnusable(
            f"{data_dir} holds a database already{running}: name another folder with --data-dir, or move this one away."
        )
    with contextlib.suppress(OSError):
        (data_dir / "pictures").rmdir()  # only when it is empty
    for part in PARTS:
        if (data_dir / part).exists():
            raise DataFolderUnusable(
                f"{data_dir} is not empty, there is {part} in it: name another folder with --data-dir, "
                "or move this one away."
            )


def _move_up(aside: Path, data_dir: Path) -> None:
    for part in PARTS:
        if (aside / part).exists():
            durable_file.move(aside / part, data_dir / part)
