"""The command line as an operator uses it, beside a running service."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from easel.__main__ import main
from easel.domain import api_key
from tests.support import command_line
from tests.support.command_line import easel, environment
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, read_task, submit


@pytest.mark.parametrize(
    "arguments", [["--version"], ["keys", "create", "--help"], ["keys"], ["credits", "show"]], ids=" ".join
)
def test_the_forks_that_other_tests_run_behave_like_processes_of_their_own(
    tmp_path: Path, arguments: list[str]
) -> None:
    settings = environment(EASEL_DATA_DIR=str(tmp_path / "none"))
    started = subprocess.run([sys.executable, "-m", "easel", *arguments], env=settings, capture_output=True, text=True)
    forked = command_line.run(tuple(arguments), settings)
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


def test_a_new_key_is_printed_once_and_listed_by_its_last_characters(service: Service, account: str) -> None:
    made = service.cli("keys", "create", "--account", account, "--credits", "2.5", "--name", "site", "--json")
    key = json.loads(made.stdout)["key"]
    assert api_key.is_well_formed(key)
    listed = service.cli("keys", "list", "--account", account).stdout
    assert key[-4:] in listed
    assert key not in listed
    assert "site" in listed


def test_granted_credits_are_shown(service: Service, account: str) -> None:
    service.new_key(account, "1")
    service.cli("credits", "grant", "--account", account, "12.5")
    row = next(line for line in service.cli("credits", "show").stdout.splitlines() if line.startswith(f"{account} "))
    assert row.split() == [account, "13.5", "0", "0"]


def test_invalid_amounts_and_names_are_refused(service: Service, account: str) -> None:
    service.new_key(account)
    for amount in ("0", "0.0000001", "NaN", "1e99", "ten"):
        refused = service.cli("credits", "grant", "--account", account, amount, check=False)
        assert refused.returncode == 2, amount
        assert "at most six decimal places" in refused.stderr
    assert service.cli("credits", "grant", "--account", account, "--", "-5", check=False).returncode == 2
    assert service.cli("credits", "grant", "--account", "nobody-of-that-name", "5", check=False).returncode == 1
    assert service.cli("keys", "create", "--account", "", check=False).returncode == 2
    assert service.cli("keys", "create", "--account", "x" * 65, check=False).returncode == 2


def test_revoking_an_unknown_key_says_so(service: Service) -> None:
    refused = service.cli("keys", "revoke", "999999", check=False)
    assert refused.returncode == 1
    assert "easel keys list" in refused.stderr


def test_doctor_finds_no_fault_in_a_healthy_installation(service: Service) -> None:
    said = service.cli("doctor").stdout
    for subject in ("settings", "secret", "database", "workers", "storage", "engine"):
        assert re.search(rf"^ok +{subject}", said, flags=re.MULTILINE), said
    assert "1 running" in said


def test_doctor_names_what_is_missing(data_dir: Path) -> None:
    ill = easel("doctor", EASEL_DATA_DIR=str(data_dir), EASEL_ENGINE="zimage", EASEL_MODEL="/nowhere/at/all",
                EASEL_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none", EASEL_STORAGE_URL="/proc/nowhere")  # fmt: skip
    assert ill.returncode == 78
    for subject in ("secret", "database", "storage", "engine"):
        assert re.search(rf"^PROBLEM +{subject}", ill.stdout, flags=re.MULTILINE), ill.stdout
    assert "Traceback" not in ill.stdout + ill.stderr


def test_doctor_checks_the_lora(data_dir: Path) -> None:
    pytest.importorskip("torch", reason="the gpu extra is not installed")
    ill = easel("doctor", EASEL_DATA_DIR=str(data_dir), EASEL_ENGINE="zimage", EASEL_LORA="/nowhere/ink.safetensors:0.5",
                EASEL_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none", EASEL_SECRET="s" * 32)  # fmt: skip
    assert "the LoRA file /nowhere/ink.safetensors does not exist (EASEL_LORA)" in ill.stdout


def test_doctor_reports_a_wrong_setting(data_dir: Path) -> None:
    ill = easel("doctor", EASEL_DATA_DIR=str(data_dir), EASEL_PORT="many")
    assert ill.returncode == 78
    assert "EASEL_PORT" in ill.stdout


def test_only_its_owner_can_read_the_secret(service: Service) -> None:
    file = service.data_dir / "secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_text()) >= 32


def test_logs_contain_no_prompt_key_or_link(service: Service, account: str) -> None:
    key = service.new_key(account)
    prompt = "a prompt that nobody else writes 4711"
    with service.client(key) as client:
        link = finish(client, submit(client, prompt=prompt)["id"])["results"][0]
        client.get(link)
        client.get("/v1/tasks/task-unified-1-abcdefgh", headers={"authorization": f"Bearer {key}x"})
        task = read_task(client, submit(client, prompt=prompt)["id"])
    log = service.log_file.read_text()
    assert task["id"] in log
    for secret in (prompt, key, link.split("/")[-2], link.split("/")[-1], (service.data_dir / "secret").read_text()):
        assert secret not in log


def test_a_request_id_appears_in_the_logs_of_web_and_worker(service: Service, account: str) -> None:
    with service.client(service.new_key(account)) as client:
        response = client.post("/v1/images/generations", json={"model": "z-image-turbo", "prompt": "x"},
                               headers={"x-request-id": "trace-me-1"})  # fmt: skip
        assert response.headers["x-request-id"] == "trace-me-1"
        finish(client, response.json()["id"])
    expected = {("web", "request"), ("worker", "draw_started"), ("worker", "task_completed")}

    def told() -> set[tuple[str, str]]:
        lines = [line for line in service.log_lines() if line.get("request_id") == "trace-me-1"]
        return {(line["process"], line["event"]) for line in lines}

    # The end of a task is logged after it can be read.
    eventually(lambda: expected <= told())


@pytest.mark.parametrize(
    "group", [[], ["keys"], ["credits"], ["groups"], ["moderation"], ["callbacks"], ["secret"]], ids=str
)
def test_help_describes_each_command_in_a_whole_sentence(group: list[str]) -> None:
    listed = CliRunner().invoke(main, [*group, "--help"]).stdout.partition("Commands:\n")[2].splitlines()
    assert listed
    assert all(re.fullmatch(r"  [a-z-]+  +[A-Z].*[^.]\.", line) for line in listed), listed
