"""Backup and restore by the command line: of a busy service, into a fresh folder, and broken off on the way."""

import asyncio
import io
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from procrastinate.schema import SchemaManager

from easel.outside.backup.archive import BackupReader, BackupWriter
from easel.outside.data_folder.secret_file import ensure_secret
from easel.outside.postgres import private_postgres
from easel.store import schema
from easel.store.database import Writer
from easel.store.schema import Step
from tests.support import data_folders
from tests.support.data_folders import reachable_folder
from tests.support.faults import assert_nothing_runs, events, load
from tests.support.frozen import nobody_draws
from tests.support.patience import PATIENCE_S, eventually
from tests.support.running_service import Service, finish, read_task, submit


@dataclass(frozen=True)
class BusyBackup:
    """A backup that was taken of a busy service, and what the service said in the end."""

    file: Path
    service: Service
    key: str
    tasks: dict[str, dict[str, Any]]
    pictures: dict[str, bytes]


def backed_up(service: Service, file: Path, *, check: bool = True) -> str:
    made = service.cli("backup", str(file), check=False)
    assert not check or made.returncode == 0, made.stderr
    return made.stderr


def restored(
    file: Path, data_dir: Path, *options: str, is_verified: bool = False, **settings: str
) -> subprocess.CompletedProcess[str]:
    unverified = [] if is_verified else ["--unverified"]
    return Service(data_dir, **settings).cli("restore", str(file), *unverified, *options, check=False)


def refusal(file: Path, data_dir: Path, *options: str, is_verified: bool = False, **settings: str) -> str:
    """Why a restore was refused; nothing of an installation may be there afterwards."""
    answer = restored(file, data_dir, *options, is_verified=is_verified, **settings)
    assert answer.returncode == 78
    assert answer.stderr.startswith("Error: ")
    assert "Traceback" not in answer.stderr
    assert left_in(data_dir) == []
    return answer.stderr


def left_in(data_dir: Path) -> list[str]:
    """What a folder holds besides the file that is locked while Easel works in it."""
    return [path.name for path in data_dir.iterdir() if path.name != "postgres.start.lock"] if data_dir.exists() else []


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    with reachable_folder() as folder:
        yield folder
        assert_nothing_runs(folder)


def empty_folder(room: Path, name: str) -> Path:
    (room / name).mkdir(mode=0o711)
    return room / name


def new_service(room: Path, name: str, **settings: str) -> Service:
    """A service that does not run, on a data folder with an empty database."""
    folder = empty_folder(room, name)
    data_folders.prepare(folder)
    return Service(folder, **settings)


@pytest.fixture(scope="module")
def busy(room: Path) -> Iterator[BusyBackup]:
    """Taken in the middle of the load, while the worker is frozen: some tasks are done, one is being drawn, others
    wait."""
    with new_service(room, "busy", workers="1", blank_step_s="0.01") as service:
        key = service.new_key("busy", "50")
        with load(service, key, every_s=0.3) as met:
            eventually(lambda: len(events(service, "task_completed")) > 3)
            with nobody_draws(service):
                before = len(met.accepted)
                eventually(lambda: len(met.accepted) > before + 1)
                said = backed_up(service, room / "busy.tar")
            after = len(met.accepted)
            eventually(lambda: len(met.accepted) > after + 3)
        assert " unfinished)" in said
        assert " (0 unfinished)" not in said
        assert set(met.statuses) == {200}
        with service.client(key) as client:
            tasks = {task_id: finish(client, task_id, 60) for task_id in met.accepted}
        yield BusyBackup(room / "busy.tar", service, key, tasks, files_of(service.data_dir / "pictures"))


@pytest.fixture(scope="module")
def again(room: Path, busy: BusyBackup) -> Iterator[Service]:
    """The service that the backup was restored to."""
    answer = restored(busy.file, room / "again")
    assert answer.returncode == 0, answer.stderr
    with Service(room / "again", workers="1") as service:
        yield service


@pytest.fixture(scope="module")
def quiet(room: Path) -> Path:
    """A backup of a service that never ran, with one account and its key."""
    service = new_service(room, "quiet")
    service.new_key("quiet")
    backed_up(service, room / "quiet.tar")
    return room / "quiet.tar"


def test_only_its_owner_can_read_a_backup_and_no_other_file_is_left(busy: BusyBackup) -> None:
    assert stat.S_IMODE(busy.file.stat().st_mode) == 0o600
    beside = [path.name for path in busy.file.parent.iterdir() if path.name.startswith(busy.file.name)]
    assert beside == [busy.file.name]


def test_the_pictures_in_a_backup_are_those_of_its_tasks_byte_for_byte(busy: BusyBackup) -> None:
    with tarfile.open(busy.file) as tar:
        copied = {
            member.name.rpartition("/")[2]: file.read()
            for member in tar
            if member.name.startswith("pictures/") and (file := tar.extractfile(member))
        }
    assert 0 < len(copied) < len(busy.pictures)
    assert copied.items() <= busy.pictures.items()


def test_every_task_of_a_backup_completes_after_a_restore_and_keeps_its_link(busy: BusyBackup, again: Service) -> None:
    known = 0
    with again.client(busy.key) as client:
        for task_id, task in busy.tasks.items():
            if client.get(f"/v1/tasks/{task_id}").status_code == 404:
                continue  # accepted after the backup
            known += 1
            link = urlsplit(finish(client, task_id, 60)["results"][0]).path
            picture = client.get(link)
            assert picture.status_code == 200
            assert picture.content == busy.pictures[link.rpartition("/")[2]]
            if read_task(client, task_id)["results"] == task["results"]:
                assert read_task(client, task_id) == task
    assert 0 < known < len(busy.tasks)


def test_unfinished_tasks_are_drawn_after_a_restore_and_charged_once_without_blame(
    busy: BusyBackup, again: Service
) -> None:
    def unfinished() -> int:
        with again.database() as connection:
            row = connection.execute("SELECT count(*) FROM tasks WHERE ended_at IS NULL").fetchone()
        assert row is not None
        return int(row[0])

    eventually(lambda: unfinished() == 0, 60)
    with again.database() as connection:
        assert connection.execute("SELECT max(worker_deaths) FROM tasks").fetchone() == (0,)
        tasks, charged = connection.execute(
            "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM ledger WHERE kind = 'capture')"
        ).fetchone() or (0, 1)
    assert tasks == charged
    again.audit()


def test_a_restored_service_accepts_the_same_keys_and_records_the_restore(busy: BusyBackup, again: Service) -> None:
    with again.database() as connection:
        noted = connection.execute("SELECT action FROM audit_log ORDER BY id").fetchall()
    assert noted.index(("key_created",)) < noted.index(("installation_restored",))
    with again.client(busy.key) as client:
        assert finish(client, submit(client)["id"])["status"] == "completed"
        used = client.get("/v1/credits").json()["data"]["user"]["used_credits"]
    assert used > 0


def test_a_picture_deleted_during_the_backup_is_left_out_and_counted(room: Path, busy: BusyBackup) -> None:
    link = next(iter(busy.tasks.values()))["results"][0]
    name = link.rpartition("/")[2]
    (busy.service.data_dir / "pictures" / name[:2] / name).unlink()
    said = backed_up(busy.service, room / "gone.tar")
    assert "Deleted meanwhile: 1 picture." in said
    with tarfile.open(room / "gone.tar") as tar:
        names = [member.rpartition("/")[2] for member in tar.getnames() if member.startswith("pictures/")]
    assert set(names) == set(busy.pictures) - {name}


def test_a_folder_with_an_installation_is_refused_and_left_unchanged(room: Path, quiet: Path) -> None:
    before = (room / "quiet" / "secret").read_bytes()
    answer = restored(quiet, room / "quiet")
    assert answer.returncode == 78
    assert "already contains a database: choose another folder with --data-dir" in answer.stderr
    assert (room / "quiet" / "secret").read_bytes() == before


def test_the_folder_of_a_running_service_is_refused(busy: BusyBackup, quiet: Path) -> None:
    answer = restored(quiet, busy.service.data_dir)
    assert answer.returncode == 78
    assert "already contains a database that is in use" in answer.stderr
    with busy.service.client(busy.key) as client:
        assert client.get("/readyz").status_code == 200


def test_a_folder_with_part_of_an_installation_is_refused(room: Path, quiet: Path) -> None:
    (room / "part" / "pictures" / "ab").mkdir(parents=True)
    answer = restored(quiet, room / "part")
    assert "is not empty (it contains pictures)" in answer.stderr
    assert left_in(room / "part") == ["pictures"]


def test_a_backup_never_overwrites_a_file(quiet: Path, busy: BusyBackup) -> None:
    before = quiet.read_bytes()
    assert "exists already" in backed_up(busy.service, quiet, check=False)
    assert quiet.read_bytes() == before


def test_backing_up_a_folder_without_a_database_fails_and_creates_none(room: Path) -> None:
    service = Service(empty_folder(room, "nothing"))
    assert "There is no Easel database in" in backed_up(service, room / "nothing.tar", check=False)
    assert left_in(service.data_dir) == []
    assert not (room / "nothing.tar").exists()


@pytest.mark.parametrize("at", [0.001, 0.999])
def test_restoring_a_truncated_backup_leaves_nothing_that_looks_complete(room: Path, quiet: Path, at: float) -> None:
    whole = quiet.read_bytes()
    cut = room / "cut.tar"
    cut.write_bytes(whole[: int(len(whole) * at)])
    assert ("is truncated" if at > 0.1 else "not a backup of Easel") in refusal(cut, room / "cut")


def test_restoring_an_altered_backup_leaves_nothing_that_looks_complete(room: Path, busy: BusyBackup) -> None:
    altered = bytearray(busy.file.read_bytes())
    altered[altered.rindex(b"RIFF") + 100] ^= 1
    (room / "altered.tar").write_bytes(altered)
    assert "damaged" in refusal(room / "altered.tar", room / "altered")


@pytest.mark.parametrize("kind", ["text", "folder"])
def test_a_file_that_is_not_a_backup_is_refused_with_a_message(room: Path, kind: str) -> None:
    said = refusal(Path(__file__) if kind == "text" else room, room / "none")
    assert ("not a backup of Easel" if kind == "text" else "cannot be read") in said


def test_a_secret_from_the_environment_is_not_backed_up_and_is_required_to_restore(room: Path) -> None:
    secret = "g" * 40
    service = new_service(room, "given", secret=secret)
    service.new_key("given")
    backed_up(service, room / "given.tar")
    assert "holds no secret" in refusal(room / "given.tar", room / "given-again")
    assert "Set the right one" in refusal(room / "given.tar", room / "given-again", secret="h" * 40)
    answer = restored(room / "given.tar", room / "given-again", secret=secret)
    assert answer.returncode == 0, answer.stderr
    assert sorted(left_in(room / "given-again")) == ["pictures", "postgres"]


def test_a_secret_that_does_not_match_the_backup_is_refused_before_anything_is_created(room: Path, quiet: Path) -> None:
    assert "Unset it: the backup holds the right one" in refusal(quiet, room / "other", secret="o" * 40)


def test_an_external_database_is_left_to_its_own_tools(room: Path, quiet: Path) -> None:
    service = new_service(room, "own", database_url="postgresql://easel@127.0.0.1:1/easel", secret="o" * 40)
    for command in ("backup", "restore"):
        answer = service.cli(command, str(quiet), check=False)
        assert answer.returncode == 78
        assert "with its own tools, such as pg_dump" in answer.stderr


def test_pictures_in_a_bucket_stay_there(room: Path, quiet: Path) -> None:
    service = Service(room / "quiet", storage_url="s3://somewhere/easel")
    assert "The pictures are not in the backup. They stay in s3://somewhere/easel." in backed_up(
        service, room / "bucket.tar"
    )
    answer = restored(room / "bucket.tar", room / "bucket-again")
    assert answer.returncode == 0, answer.stderr
    assert "set EASEL_STORAGE_URL as before" in answer.stdout


def test_a_backup_of_a_newer_easel_is_refused(room: Path, quiet: Path) -> None:
    service = Service(room / "quiet")
    with service.database() as connection:
        connection.execute("INSERT INTO easel_migrations (name) VALUES ('9999_later.sql')")
    backed_up(service, room / "newer.tar")
    with service.database() as connection:
        connection.execute("DELETE FROM easel_migrations WHERE name = '9999_later.sql'")
    assert "was last used by a newer Easel" in refusal(room / "newer.tar", room / "newer-again")


def test_a_backup_of_a_newer_postgresql_is_refused(room: Path, quiet: Path) -> None:
    with quiet.open("rb") as source, (room / "later.tar").open("wb") as target:
        reader, writer, dump = BackupReader(source), BackupWriter(target), io.BytesIO()
        manifest = reader.manifest()
        writer.manifest(msgspec.structs.replace(manifest, postgres_major=99))
        writer.secret(reader.secret())
        reader.seal(None)
        writer.seal()
        reader.dump(manifest, dump)
        dump.seek(0)
        writer.dump(dump, manifest.dump_bytes)
        writer.end(0, 0)
    said = refusal(room / "later.tar", room / "later")
    assert "comes from PostgreSQL 99" in said
    assert "Set EASEL_POSTGRES_BIN" in said


def test_a_backup_of_an_older_easel_is_migrated(room: Path) -> None:
    async def prepare_as_of_old(url: str, fingerprint: bytes) -> None:
        async with await Writer.connect(url, autocommit=True) as connection:
            await connection.execute("CREATE TABLE easel_migrations (name text PRIMARY KEY, applied_at timestamptz)")
            await schema.apply(connection, Step("queue/schema.sql", SchemaManager.get_schema()))
            await schema.apply(connection, next(schema.steps()))
            await connection.execute("INSERT INTO installation (secret_fingerprint) VALUES (%s)", (fingerprint,))
            await connection.execute("INSERT INTO accounts (name) VALUES ('of old')")

    service = Service(empty_folder(room, "old"))
    fingerprint = ensure_secret(service.data_dir).fingerprint
    with private_postgres.attach(service.data_dir) as server:
        asyncio.run(prepare_as_of_old(server.url, fingerprint))
    backed_up(service, room / "old.tar")
    assert restored(room / "old.tar", room / "old-again").returncode == 0
    with Service(room / "old-again").database() as connection:
        assert connection.execute("SELECT name FROM accounts").fetchall() == [("of old",)]
        assert connection.execute("SELECT count(*) FROM idempotency_keys").fetchone() == (0,)


def piped(service: Service, command: str) -> "subprocess.Popen[bytes]":
    """A command that reads its standard input, or writes its standard output."""
    return subprocess.Popen(
        [sys.executable, "-m", "easel", command, "-", *(["--unverified"] if command == "restore" else [])],
        env=service.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_backup_can_go_through_a_pipe(room: Path, busy: BusyBackup) -> None:
    (room / "piped").mkdir(mode=0o711)
    with piped(busy.service, "backup") as source, piped(Service(room / "piped"), "restore") as target:
        said = target.communicate(source.communicate()[0])
    assert (source.returncode, target.returncode) == (0, 0), said
    assert sorted(left_in(room / "piped")) == ["pictures", "postgres", "secret"]


def break_off_a_restore(busy: BusyBackup, data_dir: Path, number: signal.Signals) -> None:
    """In the middle of the pictures, when the database is there already."""
    data_dir.mkdir(mode=0o711)
    whole = busy.file.read_bytes()
    with piped(Service(data_dir), "restore") as half:
        assert half.stdin is not None
        half.stdin.write(whole[: whole.rindex(b"RIFF")])
        half.stdin.flush()
        eventually(lambda: files_of(data_dir / "restoring" / "pictures"))
        half.send_signal(number)
        assert half.wait(PATIENCE_S) != 0


def test_an_interrupted_restore_leaves_nothing(room: Path, busy: BusyBackup) -> None:
    break_off_a_restore(busy, room / "stopped", signal.SIGTERM)
    assert left_in(room / "stopped") == []
    assert_nothing_runs(room / "stopped")


def test_a_killed_restore_leaves_nothing_that_looks_complete_and_can_be_repeated(room: Path, busy: BusyBackup) -> None:
    break_off_a_restore(busy, room / "killed", signal.SIGKILL)
    assert left_in(room / "killed") == ["restoring"]
    answer = restored(busy.file, room / "killed")
    assert answer.returncode == 0, answer.stderr
    assert sorted(left_in(room / "killed")) == ["pictures", "postgres", "secret"]
    assert_nothing_runs(room / "killed")
