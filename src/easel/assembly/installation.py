"""An installation: its database, where it runs, and its secret, with the keys derived from it."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from easel.domain import link
from easel.domain.link import LinkKeys
from easel.domain.secret import SECRET_CHARACTERS_MIN, Secret
from easel.outside import private_postgres
from easel.outside.private_postgres import PrivatePostgres
from easel.settings import Settings, SettingsWrong
from easel.store import ownership
from easel.store.database import Database


@dataclass(frozen=True, slots=True)
class Installation:
    """Where an installation's data is, and its secret. `private` is its own database's server, if it has one."""

    database_url: str
    secret: Secret
    private: PrivatePostgres | None


@contextmanager
def installation(settings: Settings) -> Iterator[Installation]:
    """The installation that the settings describe; its private database runs meanwhile.

    Raises SettingsWrong; PostgresUnusable, SchemaUnusable and DatabaseUnavailable where a private database cannot be used.
    """
    if settings.database_url is not None:
        if settings.secret is None:
            raise SettingsWrong(
                "EASEL_SECRET is required with EASEL_DATABASE_URL, the same for every process: "
                "make one with `openssl rand -hex 32`."
            )
        yield Installation(settings.database_url, settings.secret, None)
        return
    with private_postgres.attach(settings.data_dir, settings.postgres_bin, settings.postgres_user) as private:
        ownership.hand_over(private.url, private_postgres.ROLE)
        yield Installation(private.role_url, settings.secret or kept_secret(settings.data_dir), private)


def kept_secret(data_dir: Path) -> Secret:
    """The data folder's own secret, made at first use; only its owner may read it."""
    file = secret_file(data_dir)
    try:
        if not file.exists():
            keep_secret(data_dir, secrets.token_hex(32))
        text = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsWrong(f"The secret in {file} cannot be read or made ({error.strerror}).") from None
    if len(text) < SECRET_CHARACTERS_MIN:
        raise SettingsWrong(f"The secret in {file} is damaged: put it back from a backup.")
    return Secret(text)


def keep_secret(data_dir: Path, text: str) -> None:
    """Write a secret aside and link it into place: of two processes one wins, and no reader ever sees half of it."""
    file = secret_file(data_dir)
    aside = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(aside)
    finally:
        aside.unlink()
    # The database will hold this secret's fingerprint: the file must not be the one of the two that a crash loses.
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def secret_file(data_dir: Path) -> Path:
    """Where the data folder keeps its secret."""
    return data_dir / "secret"


def pepper(secret: Secret) -> bytes:
    """What API keys are digested with."""
    return secret.derive("api keys")


def callback_secrets_root(secret: Secret) -> bytes:
    """What the accounts' secrets for signing callbacks follow from."""
    return secret.derive("callbacks")


def link_keys(secret: Secret) -> LinkKeys:
    """What links are signed with."""
    return link.link_keys(secret.derive("links"))


def database_of(settings: Settings, installed: Installation) -> Database:
    """This process's connections, not yet open."""
    return Database(installed.database_url, settings.database_connections)
