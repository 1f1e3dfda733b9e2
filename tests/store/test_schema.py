"""The schema is complete in the end, whatever happens on the way."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from easel.domain.secret import Secret
from easel.outside.postgres import private_postgres
from easel.store import schema
from easel.store.database import DatabaseUnavailable, Writer
from easel.store.schema import SchemaUnusable
from tests.support.data_folders import prepared_folder
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, submit

SECRET = Secret("s" * 32)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    """A server without Easel's tables."""
    with prepared_folder() as folder, private_postgres.attach(folder) as server:
        yield server.url


@pytest.fixture
def url(server_url: str) -> str:
    """An empty database of this test's own."""
    name = f"empty_{next(_numbers)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server_url.replace("/postgres?", f"/{name}?")


def prepare(url: str, secret: Secret = SECRET) -> None:
    asyncio.run(schema.prepare(url, secret))


def describe(url: str) -> list[tuple[str, ...]]:
    """Every column and trigger."""
    with psycopg.connect(url) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
        triggers = connection.execute(
            "SELECT event_object_table, trigger_name, event_manipulation FROM information_schema.triggers"
        ).fetchall()
    return sorted(columns + triggers)


def test_an_empty_database_is_prepared_and_preparing_it_again_changes_nothing(url: str) -> None:
    prepare(url)
    first = describe(url)
    prepare(url)
    assert describe(url) == first
    assert ("tasks", "prompt", "text") in first


@pytest.mark.parametrize("done", range(len(list(schema.steps()))))
def test_a_migration_killed_between_two_steps_is_finished_by_the_next_start(
    url: str, server_url: str, done: int
) -> None:
    async def begin() -> None:
        async with await Writer.connect(url, autocommit=True) as connection:
            await connection.execute("CREATE TABLE easel_migrations (name text PRIMARY KEY, applied_at timestamptz)")
            for step in itertools.islice(schema.steps(), done):
                await schema.apply(connection, step)

    asyncio.run(begin())
    prepare(url)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM workers").fetchone() == (0,)


def test_a_step_that_waits_for_a_table_does_not_block_others_and_is_applied_when_the_table_is_free(url: str) -> None:
    async def begin() -> None:
        async with await Writer.connect(url, autocommit=True) as connection:
            await connection.execute("CREATE TABLE easel_migrations (name text PRIMARY KEY, applied_at timestamptz)")
            for step in itertools.takewhile(lambda step: step.name != "0005_counts.sql", schema.steps()):
                await schema.apply(connection, step)

    asyncio.run(begin())
    with psycopg.connect(url) as reader, psycopg.connect(url, autocommit=True) as other:
        reader.execute("SELECT FROM api_keys")
        preparing = threading.Thread(target=prepare, args=(url,))
        preparing.start()
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'api_keys'::regclass"
        eventually(lambda: other.execute(waiting).fetchone())
        other.execute("SELECT FROM api_keys")
        reader.rollback()
        preparing.join(60)
        applied = other.execute("SELECT count(*) FROM easel_migrations WHERE name = '0005_counts.sql'").fetchone()
    assert applied == (1,)


def test_a_database_that_a_newer_version_used_is_refused(url: str) -> None:
    prepare(url)
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO easel_migrations (name) VALUES ('9999_from_the_future.sql')")
    with pytest.raises(SchemaUnusable, match="newer Easel"):
        prepare(url)


def test_the_secret_of_another_installation_is_refused(url: str) -> None:
    prepare(url)
    with pytest.raises(SchemaUnusable, match="EASEL_SECRET is not the secret"):
        prepare(url, Secret("t" * 32))


def test_a_database_with_foreign_tables_is_refused(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE tasks (id int)")
    with pytest.raises(SchemaUnusable, match="database of its own"):
        prepare(url)


def test_the_error_names_the_missing_right_to_create_tables(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS visitor")
        connection.execute("CREATE ROLE visitor LOGIN")
    with pytest.raises(SchemaUnusable, match="grant it CREATE"):
        prepare(url.replace("easel@", "visitor@"))


@pytest.mark.parametrize("bad", ["postgresql://u:hunter2%zz@h/d", "postgresql://h/d?hunter2=1"])
def test_the_error_for_a_malformed_url_does_not_repeat_it(bad: str) -> None:
    with pytest.raises(SchemaUnusable, match="is not a valid URL") as told:
        prepare(bad)
    assert "hunter2" not in str(told.value)


def test_a_missing_server_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable):
        prepare("postgresql://u@127.0.0.1:9/d")


def test_a_running_version_keeps_working_with_a_newer_versions_columns(data_dir: Path) -> None:
    with Service(data_dir) as service, service.client(service.new_key("studio")) as client:
        assert finish(client, submit(client)["id"])["status"] == "completed"
        with service.database() as connection:
            connection.execute("ALTER TABLE tasks ADD COLUMN of_a_newer_version text")
            connection.execute("ALTER TABLE accounts ADD COLUMN of_a_newer_version text")
        for _ in range(5):
            assert finish(client, submit(client)["id"])["status"] == "completed"
