"""The life of the private PostgreSQL: real servers are started, shared, killed, taken over and stopped."""

import os
import signal
from pathlib import Path

import psycopg
import pytest

from easel.outside.postgres.account import choose_account
from easel.outside.postgres.binaries import find_binaries
from easel.outside.postgres.log import LOG_BYTES_MAX
from easel.outside.postgres.private_postgres import PostgresUnusable, attach
from tests.support import private_postgres_holder
from tests.support.private_postgres_holder import (
    Hold,
    answers,
    ask,
    mode_of,
    postmaster_pid,
    started_at,
    tell,
    wait_for,
)

room = private_postgres_holder.room
fresh_dir = private_postgres_holder.fresh_dir
data_dir = private_postgres_holder.data_dir
hold = private_postgres_holder.hold
used_room = private_postgres_holder.used_room


def test_a_new_folder_gets_a_durable_utf8_server_that_listens_on_its_socket_only(fresh_dir: Path) -> None:
    with attach(fresh_dir) as server:
        assert ask(server.url, "SHOW server_encoding") == "UTF8"
        assert ask(server.url, "SELECT datcollate FROM pg_database WHERE datname = current_database()") == "C"
        assert ask(server.url, "SHOW fsync") == "on"
        assert ask(server.url, "SHOW data_checksums") == "on"
        assert ask(server.url, "SHOW listen_addresses") == ""
        assert ask(server.url, "SELECT current_user") == "easel"
        assert mode_of(fresh_dir / "postgres") == 0o700


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(data_dir: Path) -> None:
    with attach(data_dir):
        assert os.getsid(postmaster_pid(data_dir)) != os.getsid(0)


def test_data_survives_a_restart(data_dir: Path) -> None:
    with attach(data_dir) as server:
        tell(server.url, "CREATE TABLE kept AS SELECT 'kept' AS body")
    with attach(data_dir) as server:
        assert ask(server.url, "SELECT body FROM kept") == "kept"


def test_a_second_process_shares_the_server_and_leaves_it_running_for_the_first(data_dir: Path, hold: Hold) -> None:
    with attach(data_dir) as server:
        started = started_at(server.url)
        second = hold(data_dir)
        assert started_at(second.says()) == started
        second.leave()
        assert answers(server.url)
    assert not answers(server.url)


def test_the_last_user_stops_the_server_that_another_one_started(data_dir: Path, hold: Hold) -> None:
    first = hold(data_dir)
    url = first.says()
    with attach(data_dir):
        first.leave()
        assert answers(url)
    assert not answers(url)


def test_two_users_in_one_process_share_the_server(data_dir: Path) -> None:
    outer = attach(data_dir)
    first = outer.__enter__()
    with attach(data_dir) as second:
        assert first.url == second.url
        outer.__exit__(None, None, None)
        assert answers(second.url)
    assert not answers(second.url)


def test_ten_processes_that_start_together_start_one_server(fresh_dir: Path, hold: Hold) -> None:
    holders = [hold(fresh_dir) for _ in range(10)]
    urls = {holder.says() for holder in holders}
    assert len({started_at(url) for url in urls}) == 1
    for holder in holders:
        holder.leave()
    assert not answers(urls.pop())
    assert (fresh_dir / "postgres.log").read_text().count("starting PostgreSQL") == 1


def test_a_server_whose_users_were_killed_is_taken_over_and_then_stopped(data_dir: Path, hold: Hold) -> None:
    killed = hold(data_dir)
    started = started_at(killed.says())
    killed.kill()
    with attach(data_dir) as server:
        assert started_at(server.url) == started
    assert not answers(server.url)


def test_a_killed_server_is_restarted_with_everything_that_was_committed(data_dir: Path) -> None:
    with attach(data_dir) as server:
        tell(server.url, "CREATE TABLE note AS SELECT 'committed' AS body")
        os.kill(postmaster_pid(data_dir), signal.SIGKILL)
        server.ensure_running()
        assert ask(server.url, "SELECT body FROM note") == "committed"


def test_a_user_that_has_left_starts_no_server(data_dir: Path) -> None:
    with attach(data_dir) as server:
        pass
    server.ensure_running()
    assert not answers(server.url)


def test_a_stale_pid_file_with_the_id_of_another_live_process_does_not_prevent_a_start(data_dir: Path) -> None:
    with attach(data_dir) as server:
        pid_file = data_dir / "postgres/data/postmaster.pid"
        stale = pid_file.read_text().splitlines()
        os.kill(int(stale[0]), signal.SIGKILL)
        account = choose_account(None, data_dir / "postgres")
        with account.start(["/bin/sleep", "60"]) as unrelated:
            stale[0] = str(unrelated.pid)
            pid_file.write_text("\n".join(stale))
            (data_dir / "postgres/.s.PGSQL.5432.lock").write_text("\n".join(stale))
            server.ensure_running()
            assert answers(server.url)
            assert unrelated.poll() is None
            unrelated.kill()


def test_a_server_that_is_alive_but_silent_is_replaced(data_dir: Path, hold: Hold) -> None:
    killed = hold(data_dir)
    started = started_at(killed.says())
    killed.kill()
    os.kill(postmaster_pid(data_dir), signal.SIGSTOP)
    with attach(data_dir, silence_s_max=0.5) as server:
        assert started_at(server.url) > started


def test_an_unresponsive_server_is_left_alone_while_another_process_uses_it(data_dir: Path, hold: Hold) -> None:
    holder = hold(data_dir)
    started = started_at(url := holder.says())
    pid = postmaster_pid(data_dir)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(PostgresUnusable, match="another Easel process uses it"), attach(data_dir, silence_s_max=0.5):
        pass
    os.kill(pid, signal.SIGCONT)
    assert started_at(url) == started


def test_a_foreign_server_is_neither_used_nor_stopped(data_dir: Path) -> None:
    with attach(data_dir):
        pass
    data = data_dir / "postgres/data"
    elsewhere = data_dir / "postgres/by-hand"
    account = choose_account(None, data_dir / "postgres")
    assert account.succeeds(["/bin/mkdir", "-p", elsewhere])
    options = [f"--unix_socket_directories={elsewhere}", "--listen_addresses="]
    with account.start([find_binaries(None).postgres, "-D", data, *options]) as by_hand:
        wait_for((elsewhere / ".s.PGSQL.5432").exists)
        with pytest.raises(PostgresUnusable, match=f"Process {by_hand.pid}, a PostgreSQL that Easel did not start"):
            attach(data_dir).__enter__()
        assert by_hand.poll() is None
        assert postmaster_pid(data_dir) == by_hand.pid
        by_hand.send_signal(signal.SIGINT)


def test_data_of_another_major_version_is_refused_with_advice(fresh_dir: Path) -> None:
    with attach(fresh_dir):
        pass
    (fresh_dir / "postgres/data/PG_VERSION").write_text("9\n")
    with (
        pytest.raises(PostgresUnusable, match=r"was created by PostgreSQL 9, .* EASEL_POSTGRES_BIN .* `easel backup`"),
        attach(fresh_dir),
    ):
        pass


def test_a_failed_initdb_says_why_and_does_not_prevent_the_next_one(fresh_dir: Path, hold: Hold) -> None:
    refused = hold(fresh_dir, file_bytes_max=1024 * 1024).says()
    assert "could not create its data folder" in refused
    assert "File too large" in refused
    with attach(fresh_dir) as server:
        assert answers(server.url)


def test_an_initdb_whose_parent_was_killed_leaves_nothing_half_made(fresh_dir: Path, hold: Hold) -> None:
    killed = hold(fresh_dir)
    wait_for((fresh_dir / "postgres/initialising").exists)
    killed.kill()
    assert not (fresh_dir / "postgres/data").exists()
    with attach(fresh_dir) as server:
        assert answers(server.url)
    assert not (fresh_dir / "postgres/initialising").exists()


def test_the_log_is_limited_in_size_and_holds_no_statements(data_dir: Path) -> None:
    log = data_dir / "postgres.log"
    with attach(data_dir) as server:
        with psycopg.connect(server.url) as connection, pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT 'a secret prompt' FROM nowhere")
        assert "nowhere" in log.read_text()
        assert "a secret prompt" not in log.read_text()
        os.truncate(log, LOG_BYTES_MAX + 1)
        server.ensure_running()
        assert log.stat().st_size < LOG_BYTES_MAX
        os.kill(postmaster_pid(data_dir), signal.SIGHUP)
        wait_for(lambda: "received SIGHUP" in log.read_text())
        assert log.stat().st_size < LOG_BYTES_MAX
