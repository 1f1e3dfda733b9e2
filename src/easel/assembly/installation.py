"""An installation: its database and its secret, with the keys derived from it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog

from easel.domain import link
from easel.domain.link import LinkKeys
from easel.domain.secret import Secret
from easel.outside import open_files
from easel.outside.data_folder.folder import make_data_folder, require_database
from easel.outside.data_folder.secret_file import ensure_secret
from easel.outside.postgres import private_postgres
from easel.outside.postgres.private_postgres import PrivatePostgres
from easel.runtime import process_environment
from easel.settings.settings import Settings, SettingsWrong
from easel.store import ownership, pooled_role, pooled_schema, schema
from easel.store.database import Database
from easel.store.sessions import Sessions

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation's database and secret. `private` is the server of its private database, if it has one, and
    `sessions` says whether a pooler lends the connections."""

    database_url: str
    secret: Secret
    private: PrivatePostgres | None
    sessions: Sessions


@contextmanager
def installation(settings: Settings, *, creates: bool = True) -> Iterator[Installation]:
    """The installation that the settings describe. Its private database runs during the block.

    With `creates`, a missing data folder is created with a secret and a database. Raises SettingsWrong, SecretUnusable,
    DataFolderUnusable and TooFewFiles, and for a private database PostgresUnusable, SchemaUnusable and
    DatabaseUnavailable.
    """
    open_files.require()
    if settings.database_url is not None:
        if settings.secret is None:
            raise SettingsWrong(
                "EASEL_SECRET is required with EASEL_DATABASE_URL, and must be the same for every process: "
                "generate one with `openssl rand -hex 32`."
            )
        yield Installation(settings.database_url, settings.secret, None, _sessions(settings))
        return
    if creates:
        make_data_folder(settings.data_dir)
    else:
        require_database(settings.data_dir)
    secret = settings.secret or ensure_secret(settings.data_dir)
    process_environment.forget_libpq_variables()
    with private_postgres.attach(settings.data_dir, settings.postgres_bin, settings.postgres_user) as private:
        ownership.hand_over(private.url, private_postgres.ROLE)
        yield Installation(private.role_url, secret, private, _own_connections(private.role_url))


async def prepare_database(installed: Installation, *, creates: bool = True) -> None:
    """Bring the database's tables up to date, and the defaults of its role where a pooler lends the connections.

    Where only the pooler can be reached, the tables are checked instead. Raises SchemaUnusable and RoleUnusable with a
    sentence, DatabaseUnavailable.
    """
    sessions, secret = installed.sessions, installed.secret
    if sessions.direct_url is None:
        await pooled_schema.check(installed.database_url, secret)
    else:
        await schema.prepare(sessions.direct_url, secret, creates=creates)
    if sessions.is_pooled:
        if sessions.direct_url is not None:
            # Before the pooler opens a session, which would not get the settings.
            await pooled_role.prepare(sessions.direct_url)
        missing = await pooled_role.prepare(installed.database_url)
        if missing:
            log.warning("pooled_settings_missing", settings=missing, remedy="let the pooler reconnect to the server")


def pepper(secret: Secret) -> bytes:
    """The key for the digests of API keys."""
    return secret.derive("api keys")


def callback_secrets_root(secret: Secret) -> bytes:
    """The key from which each account's secret for signing callbacks is derived."""
    return secret.derive("callbacks")


def link_keys(secret: Secret) -> LinkKeys:
    """The keys that sign links."""
    return link.link_keys(secret.derive("links"))


def _sessions(settings: Settings) -> Sessions:
    assert settings.database_url is not None
    if settings.database_pooler == "none":
        return _own_connections(settings.database_url)
    prepares = settings.database_pooler == "transaction-prepared"
    return Sessions(is_pooled=True, direct_url=settings.database_direct_url, prepares=prepares)


def _own_connections(url: str) -> Sessions:
    return Sessions(is_pooled=False, direct_url=url)


def database_of(settings: Settings, installed: Installation) -> Database:
    """This process's connection pool, not yet open."""
    return Database(installed.database_url, settings.database_connections, installed.sessions)


@asynccontextmanager
async def open_database(settings: Settings, installed: Installation) -> AsyncIterator[Database]:
    """This process's connections, opened for the block and closed after it."""
    database = database_of(settings, installed)
    await database.open()
    try:
        yield database
    finally:
        await database.close()
