"""The data folder: one service on each, and none made by a command that only looks."""

from pathlib import Path

import pytest

from easel.outside.data_folder import service_lock
from easel.outside.data_folder.service_lock import AlreadyRunning
from easel.outside.postgres import private_postgres
from tests.support.command_line import easel
from tests.support.ports import free_port
from tests.support.running_fleet import Fleet
from tests.support.running_service import Service

LOOKING = (
    ["credits", "show"], ["credits", "audit"], ["credits", "grant", "--account", "a", "1"], ["keys", "list"],
    ["keys", "revoke", "1"], ["keys", "callback-secret", "--account", "a"], ["callbacks", "list"], ["moderation", "list"],
    ["moderation", "count"], ["groups", "list"], ["groups", "assign", "a", "b"],
)  # fmt: skip


def refused(data_dir: Path, *arguments: str, status: int = 78) -> str:
    ran = easel(*arguments, EASEL_DATA_DIR=str(data_dir))
    assert ran.returncode == status, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stderr


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_read_only_commands_create_no_folder_and_name_it(tmp_path: Path, command: list[str]) -> None:
    folder = tmp_path / "typo"
    assert refused(folder, *command) == (
        f"Error: There is no data folder {folder}: name Easel's data folder with --data-dir or EASEL_DATA_DIR, "
        "or create one there with `easel serve`.\n"
    )
    assert not folder.exists()


def test_a_backup_creates_no_data_folder(tmp_path: Path) -> None:
    folder, file = tmp_path / "typo", tmp_path / "backup.tar"
    assert f"There is no data folder {folder}: " in refused(folder, "backup", str(file))
    assert not folder.exists()
    assert not file.exists()


def test_doctor_takes_a_missing_folder_for_a_new_installation_and_does_not_create_it(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    asked = easel("doctor", EASEL_DATA_DIR=str(folder), EASEL_ENGINE="blank")
    assert asked.returncode == 0, asked.stdout
    assert f"ok       database   none yet; `easel serve` creates {folder}\n" in asked.stdout
    assert not folder.exists()


def test_a_folder_without_a_database_is_left_unchanged(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    assert f"There is no Easel database in {tmp_path}: " in refused(tmp_path, "credits", "show")
    assert easel("doctor", EASEL_DATA_DIR=str(tmp_path)).returncode == 78
    assert [file.name for file in tmp_path.iterdir()] == ["pictures"]


def test_doctor_takes_an_empty_folder_for_a_new_installation_and_leaves_it_empty(tmp_path: Path) -> None:
    asked = easel("doctor", EASEL_DATA_DIR=str(tmp_path), EASEL_ENGINE="blank")
    assert asked.returncode == 0, asked.stdout
    assert f"none in {tmp_path} yet; the first start creates it" in asked.stdout
    assert list(tmp_path.iterdir()) == []


def test_read_only_commands_do_not_set_up_a_foreign_database(two_webs: Fleet) -> None:
    with private_postgres.attach(two_webs.data_dir) as server, two_webs.database() as connection:
        connection.autocommit = True
        connection.execute("CREATE DATABASE elsewhere")
        url = server.url.replace("/postgres?", "/elsewhere?")
        own = {**_own(two_webs), "EASEL_DATABASE_URL": url}
        said = [
            easel(*command, **own)
            for command in (["credits", "show"], ["secret", "reset"], ["secret", "reset", "--yes"])
        ]
        connection.execute("DROP DATABASE elsewhere")
    for ran in said:
        assert ran.returncode == 78
        assert "This database has no Easel tables: set EASEL_DATABASE_URL" in ran.stderr


def _own(fleet: Fleet) -> dict[str, str]:
    return {name: value for name, value in fleet.environment.items() if name.startswith("EASEL_")}


def test_a_second_service_on_the_folder_names_the_first(service: Service) -> None:
    assert service.process is not None
    second = service.cli("serve", "--port", str(free_port()), check=False)
    assert second.returncode == 1
    assert second.stderr == (
        f"Error: Easel is already running on {service.data_dir}: process {service.process.pid}, at {service.url}. Use it, "
        "stop it first, or choose another data folder (EASEL_DATA_DIR).\n"
    )


def test_a_second_service_with_an_external_database_names_the_first(service: Service, two_webs: Fleet) -> None:
    own = {**_own(two_webs), "EASEL_DATA_DIR": str(service.data_dir)}
    second = easel("serve", "--port", str(free_port()), **own)
    assert second.returncode == 1
    assert f"Easel is already running on {service.data_dir}" in second.stderr


def test_a_folder_is_free_again_when_its_service_has_stopped(tmp_path: Path) -> None:
    with service_lock.held(tmp_path) as lock:
        with pytest.raises(AlreadyRunning, match="which is still starting"), service_lock.held(tmp_path):
            pass
        lock.announce("http://127.0.0.1:1")
        with pytest.raises(AlreadyRunning, match=r"at http://127\.0\.0\.1:1\."), service_lock.held(tmp_path):
            pass
    with service_lock.held(tmp_path):
        pass


def test_an_unwritable_folder_does_not_prevent_a_start() -> None:
    with service_lock.held(Path("/proc/nowhere")) as lock:
        lock.announce("http://127.0.0.1:1")
