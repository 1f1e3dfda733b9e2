"""`easel tasks …` at a running service."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import Completed, easel, environment
from tests.support.patience import eventually
from tests.support.running_fleet import Fleet
from tests.support.running_service import Service, finish, submit

UNKNOWN = "task-unified-1757165031-uyujaw3d"


class Account:
    """An account at a service, for commands and for requests."""

    def __init__(self, service: Service, key: str) -> None:
        self.settings = {"EASEL_URL": service.url, "EASEL_API_KEY": key}
        self.client = service.client(key)

    def close(self) -> None:
        self.client.close()

    def run(self, *arguments: str, cwd: Path | str = ".", **more: str) -> Completed:
        return easel("tasks", *arguments, cwd=cwd, **self.settings | more)

    def completed(self, **order: Any) -> str:
        task_id: str = submit(self.client, **order)["id"]
        finish(self.client, task_id)
        return task_id


@pytest.fixture
def mine(service: Service, account: str) -> Iterator[Account]:
    with closing(Account(service, service.new_key(account))) as opened:
        yield opened


@pytest.fixture
def waiting(two_webs: Fleet, request: pytest.FixtureRequest) -> Iterator[Account]:
    """An account where tasks are never drawn."""
    with closing(Account(two_webs, two_webs.issue(f"tasks-{request.node.name}").key)) as opened:
        yield opened


def test_tasks_are_listed_newest_first(mine: Account) -> None:
    first, second = mine.completed(), mine.completed()
    listed = mine.run("list").stdout
    assert listed.index(second) < listed.index(first)
    assert "completed" in listed
    (told,) = json.loads(mine.run("list", "--page-size", "1", "--json").stdout)["tasks"]
    assert told["id"] == second
    assert first not in mine.run("list", "--status", "failed").stdout
    assert "Page 1 of 2, 2 tasks in all." in mine.run("list", "--page-size", "1").stderr


@pytest.mark.parametrize("columns", ["80", "40"])
def test_no_line_of_the_list_is_cut_or_too_wide(mine: Account, columns: str) -> None:
    task_id = mine.completed()
    listed = mine.run("list", COLUMNS=columns).stdout
    assert all(len(line.rstrip()) <= int(columns) or task_id in line for line in listed.splitlines())
    assert task_id in listed
    assert "…" not in listed


def test_a_terminal_without_columns_gets_the_list_too(mine: Account) -> None:
    task_id = mine.completed()
    assert task_id in mine.run("list", COLUMNS="0").stdout


def test_a_task_is_shown_with_its_link(mine: Account) -> None:
    task_id = mine.completed(seed=7)
    shown = mine.run("show", task_id).stdout
    assert "Size      376x376" in shown
    assert "Seed      7" in shown
    assert mine.client.get(f"/v1/tasks/{task_id}").json()["results"][0] in shown
    assert json.loads(mine.run("show", task_id, "--json").stdout)["id"] == task_id


def test_waiting_tells_how_tasks_have_ended(mine: Account) -> None:
    done = mine.completed()
    assert f"{done}: completed, 0.026 credits." in mine.run("wait", done).stdout


def test_waiting_for_a_failed_task_has_a_status_of_its_own(waiting: Account) -> None:
    task_id = submit(waiting.client)["id"]
    waiting.client.post(f"/v1/tasks/{task_id}/cancel")
    waited = waiting.run("wait", task_id)
    assert waited.returncode == 1
    assert "request_cancelled" in waited.stdout


def test_giving_up_the_wait_does_not_cancel(waiting: Account) -> None:
    task_id = submit(waiting.client)["id"]
    left = waiting.run("wait", task_id, "--timeout", "1")
    assert left.returncode == 1
    assert "did not end within 1 seconds. It continues." in left.stderr
    assert waiting.client.get(f"/v1/tasks/{task_id}").json()["status"] == "pending"


def has_socket(pid: int) -> bool:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            if "socket" in str(descriptor.readlink()):
                return True
    return False


def test_an_interruption_ends_only_the_wait(waiting: Account) -> None:
    task_id = submit(waiting.client)["id"]
    process = subprocess.Popen(
        [sys.executable, "-m", "easel", "tasks", "wait", task_id],
        env=environment(**waiting.settings), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    eventually(lambda: has_socket(process.pid))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"{task_id} continues" in said
    assert waiting.client.get(f"/v1/tasks/{task_id}").json()["status"] == "pending"


def test_a_picture_is_fetched_and_nothing_is_overwritten(mine: Account, tmp_path: Path) -> None:
    task_id = mine.completed()
    for name in (f"{task_id}.webp", f"{task_id}-2.webp"):
        assert mine.run("fetch", task_id, cwd=tmp_path).stdout.strip() == str(tmp_path / name)
    assert mine.run("fetch", task_id, "-o", "cat.webp", cwd=tmp_path).returncode == 0
    assert "--force" in mine.run("fetch", task_id, "-o", "cat.webp", cwd=tmp_path).stderr
    assert mine.run("fetch", task_id, "-o", "cat.webp", "--force", cwd=tmp_path).returncode == 0
    assert {path.read_bytes()[:4] for path in tmp_path.iterdir()} == {b"RIFF"}
    assert len(list(tmp_path.iterdir())) == 3


def test_an_unfinished_task_has_no_picture_to_fetch(waiting: Account) -> None:
    task_id = submit(waiting.client)["id"]
    refused = waiting.run("fetch", task_id)
    assert refused.returncode == 1
    assert f"`easel tasks wait {task_id}` waits for it" in refused.stderr


def test_cancelling_says_what_became_of_each_task(waiting: Account, mine: Account) -> None:
    task_id = submit(waiting.client)["id"]
    assert "Nothing was charged." in waiting.run("cancel", task_id).stdout
    assert f"{task_id}  cancelled " in waiting.run("list").stdout
    assert "Status    cancelled" in waiting.run("show", task_id).stdout
    done = mine.completed()
    assert mine.run("cancel", done).stdout == f"{done} had already completed and was charged.\n"


def test_a_deleted_picture_cannot_be_fetched(mine: Account) -> None:
    task_id = mine.completed()
    assert mine.run("delete", task_id).returncode == 0
    assert f"Task {task_id} has no picture." in mine.run("fetch", task_id).stderr


@pytest.mark.parametrize("command", ["show", "wait", "fetch", "cancel", "delete"])
def test_an_unknown_task_is_reported(mine: Account, command: str) -> None:
    refused = mine.run(command, UNKNOWN)
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: The requested task could not be found")
