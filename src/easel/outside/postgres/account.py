"""The system account that the private PostgreSQL runs under, and the processes that are started under it.

PostgreSQL refuses to run as root, so root changes to another account; other users run it under their own. Every process
starts in a session of its own, in the root folder, and inherits nothing from the caller's environment. To find out
whether an account can enter a folder, this module enters it as that account, so that access lists and read-only mounts
count too.

It does not create accounts. Services that share an account (`nobody`) are not protected from each other.
"""

import contextlib
import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from easel.domain.errors import Unusable

NO_PASSFILE = "/dev/null/none"
"""A password file that cannot exist. Without one, libpq reads ~/.pgpass and warns about problems with it."""
ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/bin:/bin", "PGPASSFILE": NO_PASSFILE, "TZ": "UTC"}
"""The whole environment of PostgreSQL's programs, so that PGOPTIONS, PGPORT, LANG and the like do not affect them."""

ACCOUNTS_FOR_ROOT = ("easel", "nobody")
COMMAND_S_MAX = 30.0


class PostgresUnusable(Unusable):
    """The private PostgreSQL cannot be used. The message is one sentence, and says what to do if that is known."""


@dataclass(frozen=True, slots=True)
class Account:
    """A system account. `is_other` is True if the caller is root, so its processes must change to this account."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    is_other: bool

    def start(
        self, command: Sequence[str | Path], output: int = subprocess.DEVNULL, keep_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a process that a Ctrl-C in the caller's terminal does not reach.

        Raises OSError when the account may not run the program, or the caller may not change to the account.
        """
        return subprocess.Popen(  # noqa: S603 - a list of arguments, no shell; the programs are ours or the operator's
            [os.fspath(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
            start_new_session=True,
            pass_fds=keep_fds,
            user=self.uid if self.is_other else None,
            group=self.gid if self.is_other else None,
            extra_groups=self.groups if self.is_other else None,
        )

    def succeeds(self, command: Sequence[str | Path]) -> bool:
        """Whether the command, run under this account, exits with status 0 within COMMAND_S_MAX."""
        with contextlib.suppress(OSError), self.start(command) as process:
            try:
                return process.wait(COMMAND_S_MAX) == 0
            except subprocess.TimeoutExpired:
                process.kill()
        return False

    def can_enter(self, folder: Path) -> bool:
        """Whether the account can enter a folder. A process of the account tries to."""
        return self.succeeds(["/bin/sh", "-c", 'cd -- "$1"', "sh", folder])


def choose_account(run_as: str | None, folder: Path) -> Account:
    """The account for a server whose files are, or will be, in `folder`.

    The folder must belong to that account, or to root, or not exist. Raises PostgresUnusable.
    """
    owner_uid = folder.lstat().st_uid if folder.exists() else None
    account = _for_root(run_as, owner_uid) if os.geteuid() == 0 else _own(run_as)
    if owner_uid not in (None, 0, account.uid):
        raise PostgresUnusable(
            f"{folder} belongs to the account {_name_of(owner_uid)}, but PostgreSQL would run as {account.name}: "
            "start Easel as the user who started it first, or choose another data folder."
        )
    return account


def own_folder(folder: Path, account: Account) -> None:
    """Create `folder` for this account alone. A folder that exists must belong to the account or to root."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise PostgresUnusable(
            f"{folder} is not a folder of the account {account.name} ({error.strerror}): remove it."
        ) from error
    try:
        found = os.fstat(descriptor)
        if found.st_uid == 0 and account.is_other:
            os.fchown(descriptor, account.uid, account.gid)
        elif found.st_uid != account.uid:
            raise PostgresUnusable(f"{folder} does not belong to the account {account.name}: remove it.")
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def _for_root(run_as: str | None, owner_uid: int | None) -> Account:
    if run_as is not None:
        return _named(run_as)
    if owner_uid:
        return _named(_name_of(owner_uid))
    for name in ACCOUNTS_FOR_ROOT:
        with contextlib.suppress(KeyError):
            return _other(pwd.getpwnam(name))
    raise PostgresUnusable(
        "PostgreSQL does not run as root, and there is no account named easel or nobody: "
        "create one (useradd --system easel), or set EASEL_DATABASE_URL."
    )


def _named(name: str) -> Account:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise PostgresUnusable(
            f"PostgreSQL is to run as {name}, but there is no such account: create it, or set EASEL_POSTGRES_USER to another."
        ) from None
    if entry.pw_uid == 0:
        raise PostgresUnusable(
            f"PostgreSQL does not run as root, and {name} is root: set EASEL_POSTGRES_USER to another account."
        )
    return _other(entry)


def _other(entry: pwd.struct_passwd) -> Account:
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, is_other=True)


def _own(run_as: str | None) -> Account:
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        raise PostgresUnusable(
            f"User id {uid} has no entry in the password database, and PostgreSQL refuses such users: "
            "run Easel under a user that has one, or set EASEL_DATABASE_URL."
        ) from None
    if run_as not in (None, name):
        raise PostgresUnusable(
            f"Only root can run PostgreSQL as {run_as}, and Easel runs as {name}: unset EASEL_POSTGRES_USER."
        )
    return Account(name, uid, os.getegid(), (), is_other=False)


def _name_of(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid or 0).pw_name
    except KeyError:
        return str(uid)
