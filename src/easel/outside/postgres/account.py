"""The system account that the private PostgreSQL runs under, and processes started under it.

PostgreSQL refuses to run as root, so root hands over to another account; anybody else runs it as themselves. Every
process starts in its own session, with nothing of the caller's environment, in the root folder. Whether an account
can enter a folder is found out by entering it as that account, so that access lists and read-only mounts count too.

It does not create accounts, and it does not promise that an account which several services share (`nobody`) keeps
them apart.
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
"""A file of passwords that there cannot be. Without one named, libpq looks at ~/.pgpass, and warns of what is wrong there."""
ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/bin:/bin", "PGPASSFILE": NO_PASSFILE, "TZ": "UTC"}
"""All that PostgreSQL's programs see: the caller's PGOPTIONS, PGPORT, LANG and the like must not steer them."""

ACCOUNTS_FOR_ROOT = ("easel", "nobody")
COMMAND_S_MAX = 30.0


class PostgresUnusable(Unusable):
    """The private PostgreSQL cannot be had. The message is one sentence, and where it can says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """A system account. `is_other` says that the caller is root and processes have to change to it."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    is_other: bool

    def start(
        self, command: Sequence[str | Path], output: int = subprocess.DEVNULL, keep_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a process that a Ctrl-C in the caller's terminal does not reach.

        Raises OSError when the account may not run the program or the caller may not change to the account.
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
        """Whether the command, run under this account, ends with 0 within COMMAND_S_MAX."""
        with contextlib.suppress(OSError), self.start(command) as process:
            try:
                return process.wait(COMMAND_S_MAX) == 0
            except subprocess.TimeoutExpired:
                process.kill()
        return False

    def can_enter(self, folder: Path) -> bool:
        """Whether the account can reach a folder, found out by going there as it."""
        return self.succeeds(["/bin/sh", "-c", 'cd -- "$1"', "sh", folder])


def choose_account(run_as: str | None, folder: Path) -> Account:
    """The account for the server whose files lie, or will lie, in `folder`; it belongs to that account already or
    does not exist yet."""
    owner_uid = folder.lstat().st_uid if folder.exists() else None
    account = _for_root(run_as, owner_uid) if os.geteuid() == 0 else _own(run_as)
    if owner_uid not in (None, 0, account.uid):
        raise PostgresUnusable(
            f"{folder} belongs to the account {_name_of(owner_uid)} and PostgreSQL would run as {account.name}: "
            "start Easel as it was first started, or choose another data folder."
        )
    return account


def own_folder(folder: Path, account: Account) -> None:
    """Make `folder`, for the account alone. One that is there already must be a folder of the account's or root's."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise PostgresUnusable(
            f"{folder} is not a folder of {account.name}'s ({error.strerror}): remove it."
        ) from error
    try:
        found = os.fstat(descriptor)
        if found.st_uid == 0 and account.is_other:
            os.fchown(descriptor, account.uid, account.gid)
        elif found.st_uid != account.uid:
            raise PostgresUnusable(f"{folder} belongs to somebody else than {account.name}: remove it.")
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
        "PostgreSQL does not run as root and there is neither an account easel nor nobody: "
        "create one (useradd --system easel), or set EASEL_DATABASE_URL."
    )


def _named(name: str) -> Account:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise PostgresUnusable(
            f"PostgreSQL is to run as {name} and there is no such account: create it, or name another."
        ) from None
    if entry.pw_uid == 0:
        raise PostgresUnusable(f"PostgreSQL does not run as root, and {name} is root: name another account.")
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
            f"User id {uid} has no entry in the password database and PostgreSQL refuses such users: "
            "run Easel under a user that has one, or set EASEL_DATABASE_URL."
        ) from None
    if run_as not in (None, name):
        raise PostgresUnusable(f"Only root can run PostgreSQL as {run_as}, and this is {name}: leave the account out.")
    return Account(name, uid, os.getegid(), (), is_other=False)


def _name_of(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid or 0).pw_name
    except KeyError:
        return str(uid)
