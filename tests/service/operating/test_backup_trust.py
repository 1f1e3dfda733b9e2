"""What a backup is trusted with: nothing beyond its own database, and to be put to use only when its seal was
checked."""

import io
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from easel.domain.secret import Secret
from easel.outside.backup.archive import BackupReader, BackupWriter
from easel.outside.backup.seal import SealKey
from tests.support.data_folders import reachable_folder
from tests.support.earlier_easel import source_of
from tests.support.faults import assert_nothing_runs
from tests.support.patience import PATIENCE_S, eventually
from tests.support.running_service import Service, finish, submit

BEFORE_SEALS: Final = "c62cec2"
INSUFFICIENT_PRIVILEGE: Final = "42501"
ATTACKS: Final = {
    "program": "EXECUTE 'COPY (SELECT 1) TO PROGRAM ''cat > {mark}''';",
    "write": "EXECUTE 'COPY (SELECT 1) TO ''{mark}''';",
    "read": "PERFORM pg_read_file('/etc/passwd');",
    "folder": "PERFORM pg_ls_dir('/');",
    "role": "EXECUTE 'CREATE ROLE intruder SUPERUSER';",
    "export": "PERFORM lo_export(lo_from_bytea(0, 'x'), '{mark}');",
    "import": "PERFORM lo_import('/etc/passwd');",
    "language": "EXECUTE 'CREATE FUNCTION public.c() RETURNS int LANGUAGE c AS ''libc.so.6'', ''getpid''';",
    "become": "EXECUTE 'SET ROLE easel';",
}


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    with reachable_folder() as folder:
        yield folder
        assert_nothing_runs(folder)


def new_folder(room: Path, name: str) -> Path:
    (room / name).mkdir(mode=0o711)
    return room / name


@pytest.fixture(scope="module")
def quiet(room: Path) -> Service:
    """An installation that does not run, with one account and its key, backed up as `quiet.tar`."""
    service = Service(new_folder(room, "quiet"))
    service.new_key("quiet")
    service.cli("backup", str(room / "quiet.tar"))
    return service


def restore(file: Path, data_dir: Path, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return Service(data_dir, **settings).cli("restore", str(file), *options, check=False)


def assert_refused(answer: subprocess.CompletedProcess[str], reason: str, data_dir: Path) -> None:
    assert answer.returncode == 78
    assert reason in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not data_dir.exists()


def rewritten(source: Path, target: Path, key: SealKey | None, **changes: Any) -> None:
    """A backup written anew by somebody who has read it and has that key."""
    with source.open("rb") as original, target.open("wb") as file:
        reader, writer, dump = BackupReader(original), BackupWriter(file, key), io.BytesIO()
        manifest = reader.manifest()
        writer.manifest(msgspec.structs.replace(manifest, **changes))
        writer.secret(reader.secret())
        reader.seal(None)
        writer.seal()
        reader.dump(manifest, dump)
        dump.seek(0)
        writer.dump(dump, manifest.dump_bytes)
        writer.end(0, 0)


def test_code_in_a_restored_database_reaches_nothing_outside_it(room: Path) -> None:
    marks = new_folder(room, "marks")
    marks.chmod(0o777)
    mark = marks / "touched"
    service = Service(new_folder(room, "hostile"))
    service.new_key("hostile")
    blocks = "".join(
        f"BEGIN {attack.format(mark=mark)} INSERT INTO public.outcomes VALUES ('{name}', 'worked');"
        f"EXCEPTION WHEN OTHERS THEN INSERT INTO public.outcomes VALUES ('{name}', SQLSTATE); END;"
        for name, attack in ATTACKS.items()
    )
    with service.database() as connection:
        connection.execute("CREATE TABLE outcomes (attack text, outcome text)")
        connection.execute(
            "CREATE FUNCTION attack() RETURNS boolean LANGUAGE plpgsql AS "
            f"$$ BEGIN {blocks} RETURN true; END $$; "
            "CREATE TABLE bait (number int CHECK (attack())); INSERT INTO bait VALUES (1)".encode()
        )
        worked = connection.execute("SELECT attack FROM outcomes WHERE outcome = 'worked'").fetchall()
        connection.execute("TRUNCATE outcomes")
        connection.execute("DROP ROLE intruder; DROP FUNCTION IF EXISTS public.c()")
        connection.execute("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
    assert ("program",) in worked, "a superuser may do it, so that the attack is one"
    mark.unlink()
    service.cli("backup", str(room / "hostile.tar"))

    answer = restore(room / "hostile.tar", new_folder(room, "attacked"), "--unverified")
    assert answer.returncode == 0, answer.stderr
    with Service(room / "attacked").database() as connection:
        outcomes = dict(connection.execute("SELECT attack, outcome FROM outcomes").fetchall())
    assert outcomes == dict.fromkeys(ATTACKS, INSUFFICIENT_PRIVILEGE)
    assert not mark.exists()


def test_the_service_uses_a_role_that_owns_its_database_and_has_no_other_rights(service: Service) -> None:
    with service.database() as connection:
        connected = connection.execute(
            """
            SELECT DISTINCT usename, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
            FROM pg_stat_activity JOIN pg_roles ON rolname = usename
            WHERE application_name = 'easel' AND pid <> pg_backend_pid()
            """
        ).fetchall()
        owners = connection.execute(
            """
            SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace
            UNION SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
            UNION SELECT pg_get_userbyid(typowner) FROM pg_type WHERE typnamespace = 'public'::regnamespace
            UNION SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()
            """
        ).fetchall()
        members = connection.execute(
            "SELECT count(*) FROM pg_auth_members WHERE member = 'easel_service'::regrole"
        ).fetchone()
    assert connected == [("easel_service", False)]
    assert owners == [("easel_service",)]
    assert members == (0,)


def test_a_backup_is_restored_if_its_seal_matches_a_separately_given_secret(room: Path, quiet: Service) -> None:
    answer = restore(room / "quiet.tar", room / "checked", "--secret-file", str(quiet.data_dir / "secret"))
    assert answer.returncode == 0, answer.stderr
    assert (room / "checked" / "secret").read_bytes() == (quiet.data_dir / "secret").read_bytes()


def test_an_unverifiable_backup_is_restored_only_on_request(room: Path, quiet: Service) -> None:
    answer = restore(room / "quiet.tar", room / "unchecked")
    assert_refused(
        answer, "cannot be checked, because it is sealed with a secret that was not given", room / "unchecked"
    )
    assert "--secret-file" in answer.stderr
    assert "--unverified" in answer.stderr


@pytest.mark.parametrize("change", ["another's seal", "other content", "no seal"])
def test_a_forged_backup_is_refused_before_any_of_it_runs(room: Path, quiet: Service, change: str) -> None:
    forged = room / "forged.tar"
    theirs = SealKey.from_secret(Secret("x" * 64))
    if change == "another's seal":
        rewritten(room / "quiet.tar", forged, theirs)
    elif change == "no seal":
        rewritten(room / "quiet.tar", forged, None, format=1, sealed_with=None)
    else:
        forged.write_bytes((room / "quiet.tar").read_bytes().replace(b'"tasks": 0', b'"tasks": 9'))
    answer = restore(forged, room / "forged", "--secret-file", str(quiet.data_dir / "secret"))
    reason = "has no seal" if change == "no seal" else "The backup's seal does not match this secret"
    assert_refused(answer, reason, room / "forged")


def test_a_passphrase_seals_a_backup_and_is_required_to_restore_it(room: Path, quiet: Service) -> None:
    for name, text in {
        "right": "correct horse battery staple\n",
        "wrong": "incorrect horse battery",
        "short": "x",
    }.items():
        (room / name).write_text(text)
    sealed = room / "sealed.tar"
    short = quiet.cli("backup", str(sealed), "--passphrase-file", str(room / "short"), check=False)
    assert short.returncode == 78
    assert "contains fewer than 12 characters" in short.stderr
    quiet.cli("backup", str(sealed), "--passphrase-file", str(room / "right"))
    secret_file = str(quiet.data_dir / "secret")
    for options, reason in (
        (["--secret-file", secret_file], "sealed with a passphrase that was not given"),
        (["--passphrase-file", str(room / "wrong")], "The backup's seal does not match this passphrase"),
        (["--passphrase-file", str(room / "nowhere")], "--passphrase-file"),
    ):
        assert_refused(restore(sealed, room / "phrase", *options), reason, room / "phrase")
    answer = restore(sealed, room / "phrase", "--passphrase-file", str(room / "right"))
    assert answer.returncode == 0, answer.stderr


def test_an_earlier_easels_data_folder_is_adopted_and_its_backup_restored(room: Path) -> None:
    service = Service(new_folder(room, "earlier"))
    service.environment["PYTHONPATH"] = str(source_of(BEFORE_SEALS, room / "source"))
    this = Service(service.data_dir)
    service.start()
    try:
        key = service.cli("keys", "create", "--account", "earlier", "--credits", "5", "--json")
        text = msgspec.json.decode(key.stdout)["key"]
        with service.client(text) as client:
            finish(client, submit(client)["id"])
            service.cli("backup", str(room / "earlier.tar"))
            this.audit()
            # The earlier service accepts it, and this version's worker draws it.
            waiting = submit(client)["id"]
    finally:
        service.stop()
    with this, this.client(text) as client:
        assert finish(client, waiting)["status"] == "completed"
    with this.database() as connection:
        owner = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'tasks'").fetchone()
    assert owner == ("easel_service",)
    this.audit()

    assert_refused(
        restore(room / "earlier.tar", room / "again"), "has no seal, because an earlier Easel", room / "again"
    )
    answer = restore(room / "earlier.tar", room / "again", "--unverified")
    assert answer.returncode == 0, answer.stderr
    Service(room / "again").audit()


def is_waited_for(connection: Connection[TupleRow]) -> bool:
    waiting = connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'easel_migrations'::regclass")
    return waiting.fetchone() is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_aborted_backup_leaves_no_file_with_its_name(room: Path, quiet: Service, number: signal.Signals) -> None:
    file = room / f"broken-off-{number.name}.tar"
    with quiet.database() as connection:
        # pg_dump waits for this.
        connection.execute("LOCK TABLE easel_migrations IN ACCESS EXCLUSIVE MODE")
        making = subprocess.Popen(
            [sys.executable, "-m", "easel", "backup", str(file)],
            env=quiet.environment,
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: is_waited_for(connection))
        making.send_signal(number)
        assert making.wait(PATIENCE_S) != 0
    assert list(room.glob(f"{file.name}*")) == []


def test_a_backup_whose_process_was_killed_has_no_name(room: Path, quiet: Service) -> None:
    folder = new_folder(room, "killed")
    assert left_by_a_killed_writer(folder, quiet, may_be_nameless=True) == []


def test_without_unnamed_files_a_killed_backup_leaves_no_secret_and_the_next_one_cleans_up(
    room: Path, quiet: Service
) -> None:
    folder = new_folder(room, "named")
    for _ in range(2):
        (left,) = left_by_a_killed_writer(folder, quiet, may_be_nameless=False)
        assert stat.S_IMODE(left.stat().st_mode) == 0o600
        assert left.stat().st_size > 0
        assert (quiet.data_dir / "secret").read_bytes() not in left.read_bytes()
    quiet.cli("backup", str(folder / "a.tar"))
    assert [path.name for path in folder.iterdir()] == ["a.tar"]


KILLED_WRITER: Final = """
import datetime, pathlib, sys
from easel.outside.backup import backup_file
from easel.outside.backup.archive import BackupReader, BackupWriter
whole, target, secret, may_be_nameless = sys.argv[1:]
manifest = BackupReader(open(whole, "rb")).manifest()
with backup_file.created(pathlib.Path(target), may_be_nameless=may_be_nameless == "True") as output:
    writer = BackupWriter(output.file, is_secret_last=output.is_secret_last)
    writer.manifest(manifest)
    writer.secret(secret)
    output.file.flush()
    print("written", flush=True)
    sys.stdin.read()
"""


def left_by_a_killed_writer(folder: Path, quiet: Service, *, may_be_nameless: bool) -> list[Path]:
    """What is beside a backup whose process was killed when it had written the secret."""
    secret = (quiet.data_dir / "secret").read_text()
    arguments = [str(quiet.data_dir.parent / "quiet.tar"), str(folder / "a.tar"), secret, str(may_be_nameless)]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED_WRITER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writing:
        assert writing.stdout is not None
        assert writing.stdout.readline() == b"written\n"
        writing.kill()
    return list(folder.iterdir())
