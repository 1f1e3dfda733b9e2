"""`--config` and `easel config`: a service, its children and other commands with the settings of a file."""

import json
import subprocess
import sys
from pathlib import Path

import httpx2

from tests.support.command_line import easel, environment
from tests.support.patience import eventually
from tests.support.ports import free_port
from tests.support.running_service import START_TIMEOUT_S, STOP_TIMEOUT_S


def test_a_service_runs_with_the_settings_of_a_file(data_dir: Path) -> None:
    port = free_port()
    file = data_dir / "easel.toml"
    file.write_text(
        f'port = {port}\nengine = "blank"\napi_key = "k"\ndata_dir = "{data_dir}"\nworkers = 1\nlog_format = "json"\n'
    )
    with (data_dir / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "easel", "serve", "--config", "easel.toml"],
            env=environment(), cwd=data_dir, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        eventually(lambda: b" is ready at " in (data_dir / "log").read_bytes(), START_TIMEOUT_S)
        assert httpx2.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=30).status_code == 200
        assert f"Warning: The settings file {file} can be read by every user" in (data_dir / "log").read_text()
        made = easel("--config", str(file), "keys", "create", "--account", "a", "--credits", "1", "--json")
        key = json.loads(made.stdout)["key"]
        (data_dir / "client.toml").write_text(f'url = "http://127.0.0.1:{port}"\napi_key = "{key}"\n')
        listed = easel("tasks", "list", "--json", EASEL_CONFIG=str(data_dir / "client.toml"))
        assert json.loads(listed.stdout)["total"] == 0
    finally:
        process.terminate()
        assert process.wait(STOP_TIMEOUT_S) == 0


def test_the_settings_are_shown_with_their_sources(tmp_path: Path) -> None:
    file = tmp_path / "easel.toml"
    file.write_text("port = 8123\n")
    shown = easel("config", "--config", str(file), "--json", EASEL_HOST="::")
    told = {each["name"]: each for each in json.loads(shown.stdout)}
    assert told["EASEL_PORT"] == {"name": "EASEL_PORT", "value": "8123", "source": "file"}
    assert told["EASEL_HOST"]["source"] == "environment"
    few = easel("config", "--set", EASEL_HOST="::").stdout
    assert few.split() == ["Setting", "Value", "From", "EASEL_HOST", "::", "environment"]


def test_settings_that_easel_refuses_are_shown_with_the_reason() -> None:
    shown = easel("config", EASEL_PORT="soon")
    assert shown.returncode != 0
    assert "soon" in shown.stdout
    assert "EASEL_PORT must be a whole number from 0 to 65535." in shown.stderr


def test_a_misspelt_name_in_the_file_ends_every_command(tmp_path: Path) -> None:
    file = tmp_path / "easel.toml"
    file.write_text("prot = 8123\n")
    for command in (("serve",), ("keys", "list"), ("generate", "x", "--key", "k"), ("config",)):
        refused = easel(*command, EASEL_CONFIG=str(file))
        assert refused.returncode != 0
        assert refused.stderr == f"Error: {file} sets prot, which is not a setting of Easel. Did you mean port?\n"
