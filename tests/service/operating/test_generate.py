"""`easel generate` for users: files, refusals, interruptions."""

import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.command_line import easel, environment
from tests.support.data_folders import prepared_folder
from tests.support.moderated import MESSAGE, POLICY, REFUSED
from tests.support.patience import eventually
from tests.support.running_fleet import Fleet
from tests.support.running_service import Service
from tests.support.tls_receiver import answering, tls_receiver


@pytest.fixture
def at_service(service: Service, account: str) -> dict[str, str]:
    """The settings with which `easel generate` reaches the shared service."""
    return {"EASEL_URL": service.url, "EASEL_API_KEY": service.new_key(account)}


@contextmanager
def drawing(fleet: Fleet, key: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A running `easel generate` whose task no worker takes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "easel", "generate", "a cat", "-o", "cat.webp"],
        env=environment(EASEL_URL=fleet.url, EASEL_API_KEY=key), text=True, **options,
    )  # fmt: skip
    try:
        with fleet.client(key) as client:
            eventually(lambda: client.get("/v1/tasks").json()["total"] == 1)
        yield process
    finally:
        process.kill()
        process.wait()


def only_task(fleet: Fleet, key: str) -> dict[str, Any]:
    with fleet.client(key) as client:
        (listed,) = client.get("/v1/tasks").json()["data"]
        task: dict[str, Any] = client.get(f"/v1/tasks/{listed['id']}").json()
    return task


def assert_cancelled_and_free(fleet: Fleet, key: str) -> None:
    eventually(lambda: only_task(fleet, key)["status"] == "failed")
    task = only_task(fleet, key)
    assert task["error"]["code"] == "request_cancelled"
    with fleet.client(key) as client:
        assert client.get("/v1/credits").json()["data"]["user"] == {"remaining_credits": 100, "used_credits": 0}


def test_generate_writes_the_picture_and_describes_it(at_service: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "storm.png"
    drawn = easel("generate", "a storm", "-o", str(file), "--size", "16:9", "--seed", "7", **at_service)
    with Image.open(file) as picture:
        assert (picture.format, picture.size) == ("PNG", (1280, 720))
    assert "1280x720, seed 7, z-image-turbo drawn by blank in " in drawn.stdout
    assert str(file) in drawn.stdout


def test_the_commands_that_serve_prints_work_in_another_terminal(service: Service, tmp_path: Path) -> None:
    said = service.log_file.read_text().split("try it in another terminal:")[1]
    typed = "\n".join(line.strip() for line in said.strip().splitlines()[:2])
    drawn = subprocess.run(
        ["/bin/sh", "-e"], input=typed, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "a-cute-cat.webp").exists()


def test_a_refusal_is_shown_in_the_services_words(at_service: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "x.webp"
    refused = easel("generate", "x", "-o", str(file), "--size", "9:1", **at_service)
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: size must be one of")
    assert not file.exists()


@pytest.mark.parametrize("ending", ["/", "/v1", "/v1/", "/openai/v1"])
def test_the_url_can_end_as_other_clients_write_it(at_service: dict[str, str], tmp_path: Path, ending: str) -> None:
    file = tmp_path / "x.webp"
    url = at_service["EASEL_URL"] + ending
    drawn = easel("generate", "x", "-o", str(file), "--size", "376x376", **at_service | {"EASEL_URL": url})
    assert drawn.returncode == 0, drawn.stderr
    assert file.exists()


def test_an_existing_file_is_replaced_only_on_request(at_service: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "mine.webp"
    file.write_text("mine")
    refused = easel("generate", "x", "-o", str(file), "--size", "376x376", **at_service)
    assert refused.returncode == 2
    assert f"{file} exists" in refused.stderr.replace("\n", "")
    assert "--force" in refused.stderr
    assert file.read_text() == "mine"
    assert easel("generate", "x", "-o", str(file), "--size", "376x376", "--force", **at_service).returncode == 0
    assert file.read_bytes().startswith(b"RIFF")


def test_unnamed_pictures_have_the_name_of_their_prompt_and_a_number(
    at_service: dict[str, str], tmp_path: Path
) -> None:
    for name in ("a-cat-in-the-rain.webp", "a-cat-in-the-rain-2.webp", "a-cat-in-the-rain-3.webp"):
        drawn = easel("generate", "A cat, in the rain!", "--size", "376x376", cwd=tmp_path, **at_service)
        assert str(tmp_path / name) in drawn.stdout, drawn.stderr
    assert len(list(tmp_path.iterdir())) == 3


def test_without_a_key_generate_says_how_to_get_one(tmp_path: Path) -> None:
    refused = easel("generate", "x", "-o", str(tmp_path / "x.webp"))
    assert refused.returncode == 2
    assert "easel keys create" in refused.stderr


@pytest.mark.parametrize("key", ["", " ", "\r\n"])
def test_a_blank_key_counts_as_none(tmp_path: Path, key: str) -> None:
    refused = easel("generate", "x", "-o", str(tmp_path / "x.webp"), "--key", key)
    assert refused.returncode == 2
    assert "easel keys create" in refused.stderr


@pytest.mark.parametrize("key", ["sk-easel-a b", "sk-easel-a\nb", "sk-easel-\x07", "schlüssel", "k" * 5000])
def test_a_malformed_key_is_refused_before_any_request(tmp_path: Path, key: str) -> None:
    refused = easel("generate", "x", "-o", str(tmp_path / "x.webp"), "--key", key, "--url", "http://127.0.0.1:9")
    assert refused.returncode == 2
    assert "This is not an API key" in refused.stderr


def test_whitespace_around_a_key_is_ignored(at_service: dict[str, str], tmp_path: Path) -> None:
    key = f" {at_service['EASEL_API_KEY']}\r\n"
    drawn = easel("generate", "x", "-o", str(tmp_path / "x.webp"), **at_service | {"EASEL_API_KEY": key})
    assert drawn.returncode == 0, drawn.stderr


@pytest.mark.parametrize("timeout", ["nan", "inf", "-inf", "-1", "0.5", "86401", "soon"])
def test_an_invalid_timeout_is_refused(tmp_path: Path, timeout: str) -> None:
    refused = easel("generate", "x", "-o", str(tmp_path / "x.webp"), "--key", "k", "--timeout", timeout)
    assert refused.returncode == 2
    assert "use a number of seconds from 1 to 86400." in " ".join(refused.stderr.split())


@pytest.mark.parametrize("output", ["/proc/x.png", f"{'x' * 300}.png", "/nowhere/x.png", "/dev/null/x.png"])
def test_an_unwritable_file_is_refused_before_any_request(tmp_path: Path, output: str) -> None:
    refused = easel("generate", "x", "-o", output, "--key", "k", "--url", "http://127.0.0.1:9", cwd=tmp_path)
    assert refused.returncode == 2
    assert "cannot be written" in refused.stderr or "There is no folder" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_dangling_symlink_is_replaced_only_on_request(at_service: dict[str, str], tmp_path: Path) -> None:
    link, file = tmp_path / "link.webp", tmp_path / "file.webp"
    link.symlink_to(file)
    asked = ("generate", "x", "-o", str(link), "--size", "376x376")
    assert "exists" in easel(*asked, **at_service).stderr
    assert easel(*asked, "--force", **at_service).returncode == 0
    assert link.is_symlink()
    assert file.read_bytes().startswith(b"RIFF")


def test_a_replaced_file_keeps_its_permissions(at_service: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "mine.webp"
    file.touch(mode=0o600)
    assert easel("generate", "x", "-o", str(file), "--size", "376x376", "--force", **at_service).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("arguments", [(), ("--force",)], ids=["new", "replaced"])
def test_a_partly_written_picture_leaves_no_file_and_destroys_none(
    at_service: dict[str, str], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    file = tmp_path / "mine.webp"
    if arguments:
        file.write_text("mine")
    failed = subprocess.run(
        [sys.executable, "-m", "easel", "generate", "x", "-o", str(file), *arguments],
        env=environment(PYTHONDONTWRITEBYTECODE="1", **at_service), capture_output=True, text=True, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64)),
    )  # fmt: skip
    assert failed.returncode == 1
    assert "cannot be written (File too large). For 24 hours the picture is at http" in failed.stderr
    assert [each.read_text() for each in tmp_path.iterdir()] == (["mine"] if arguments else [])


def test_the_picture_is_kept_if_the_report_cannot_be_printed(at_service: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "cat.webp"
    with Path("/dev/full").open("w") as full:
        drawn = subprocess.run(
            [sys.executable, "-m", "easel", "generate", "a cat", "-o", str(file), "--size", "376x376"],
            env=environment(**at_service), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert drawn.returncode == 1
    said = drawn.stderr.splitlines()[-1]
    assert said == f"Error: The picture is in {file}, but standard output cannot be written (No space left on device)."
    assert file.read_bytes().startswith(b"RIFF")


def test_a_refused_prompt_is_reported_in_one_sentence(at_service: dict[str, str], tmp_path: Path) -> None:
    refused = easel("generate", REFUSED, "-o", str(tmp_path / "x.webp"), **at_service)
    assert refused.returncode == 1
    assert re.search(r"^Error: The prompt was refused: [a-z ]+\. Nothing was charged\.$", refused.stderr, re.MULTILINE)


def test_a_prompt_that_is_refused_at_once_is_told_in_one_sentence(tmp_path: Path) -> None:
    error = {"code": POLICY, "message": MESSAGE.format("prompt", "sexual"), "type": "invalid_request_error"}
    body = json.dumps({"error": error}).encode()
    head = f"HTTP/1.1 400 Bad Request\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
    with tls_receiver(answering(head + body), None) as other:
        url = f"http://127.0.0.1:{other.port}"
        refused = easel("generate", "x", "-o", str(tmp_path / "x.webp"), "--url", url, "--key", "k")
    assert refused.stderr == "Error: The prompt was refused: sexual. Nothing was charged.\n"


def test_a_forbidden_model_is_reported_with_the_models_the_key_can_use(
    at_service: dict[str, str], tmp_path: Path
) -> None:
    refused = easel("generate", "x", "-o", str(tmp_path / "x.webp"), "--model", "sdxl", **at_service)
    assert refused.returncode == 1
    assert refused.stderr == "Error: This API key may not use the model sdxl; it may use z-image-turbo.\n"


def test_an_unknown_key_is_reported_with_the_way_to_make_one(service: Service, tmp_path: Path) -> None:
    refused = easel("generate", "x", "-o", str(tmp_path / "x.webp"), "--url", service.url, "--key", "sk-easel-x")
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: The service rejected this API key")
    assert "`easel keys create` creates a key" in refused.stderr


def test_a_url_below_the_base_url_is_reported(at_service: dict[str, str], tmp_path: Path) -> None:
    url = at_service["EASEL_URL"] + "/v1/images/generations"
    refused = easel("generate", "x", "-o", str(tmp_path / "x.webp"), **at_service | {"EASEL_URL": url})
    assert refused.returncode == 1
    assert "EASEL_URL or --url must be the base address of the service" in refused.stderr


def test_without_an_answer_generate_asks_whether_the_service_is_running(tmp_path: Path) -> None:
    failed = easel("generate", "x", "-o", str(tmp_path / "x.webp"), "--url", "http://127.0.0.1:9", "--key", "k")
    assert failed.returncode == 1
    assert "http://127.0.0.1:9 cannot be reached" in failed.stderr
    assert "is `easel serve` running there?" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_proxy_that_took_the_request_is_named(tmp_path: Path) -> None:
    failed = easel("generate", "x", "-o", str(tmp_path / "x.webp"), "--url", "http://easel.example", "--key", "k",
                   HTTP_PROXY="http://user:hunter2@127.0.0.1:9")  # fmt: skip
    assert failed.returncode == 1
    assert "The proxy in HTTP_PROXY could not be reached. Set NO_PROXY=easel.example to bypass it." in failed.stderr
    assert "hunter2" not in failed.stderr


def test_a_file_name_of_an_unknown_format_is_refused(tmp_path: Path) -> None:
    refused = easel("generate", "x", "-o", str(tmp_path / "x.gif"), "--key", "k")
    assert refused.returncode == 2
    assert ".webp, .png, .jpg" in refused.stderr


def test_an_interrupted_draw_is_cancelled_and_free(two_webs: Fleet, tmp_path: Path) -> None:
    key = two_webs.issue("interrupted").key
    with drawing(two_webs, key, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "was cancelled. Nothing was charged" in said
    assert list(tmp_path.iterdir()) == []
    assert_cancelled_and_free(two_webs, key)


@contextmanager
def drawing_on_closed_terminal(
    fleet: Fleet, key: str, folder: Path, hangup: signal.Handlers = signal.SIG_DFL
) -> Iterator[subprocess.Popen[str]]:
    """A running `easel generate` whose terminal was closed after its order was accepted."""
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        ioctl(theirs, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, hangup)

    with drawing(
        fleet, key, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=take_terminal
    ) as process:
        os.close(theirs)
        os.close(ours)  # the kernel hangs the terminal up
        yield process


def test_closing_the_terminal_cancels_the_draw(two_webs: Fleet, tmp_path: Path) -> None:
    key = two_webs.issue("closed").key
    with drawing_on_closed_terminal(two_webs, key, tmp_path) as process:
        process.wait(timeout=30)
    assert process.returncode != 0
    assert_cancelled_and_free(two_webs, key)


def test_a_command_that_ignores_hangups_draws_on_without_its_terminal(tmp_path: Path) -> None:
    with prepared_folder() as data, Fleet(data, webs=[{}]) as fleet:
        key = fleet.issue("nohup").key
        with drawing_on_closed_terminal(fleet, key, tmp_path, signal.SIG_IGN) as process, fleet.worker():
            process.wait(timeout=60)
        assert only_task(fleet, key)["status"] == "completed"
    with Image.open(tmp_path / "cat.webp") as picture:
        assert picture.size == (1024, 1024)


def test_giving_up_the_wait_cancels_the_draw(two_webs: Fleet, tmp_path: Path) -> None:
    key = two_webs.issue("impatient").key
    left = easel(
        "generate", "x", "-o", str(tmp_path / "x.webp"), "--timeout", "1", EASEL_URL=two_webs.url, EASEL_API_KEY=key
    )
    assert left.returncode == 1
    assert "did not end within 1 seconds" in left.stderr
    assert "was cancelled. Nothing was charged" in left.stderr.replace("\n", " ")
    assert_cancelled_and_free(two_webs, key)


@pytest.mark.parametrize("prompt", [" ", "\t\n ", "\u3000", "\u00a0\u2003", "\u200b", "\ufeff\u2060 "])
def test_a_blank_prompt_is_refused(at_service: dict[str, str], tmp_path: Path, prompt: str) -> None:
    refused = easel("generate", prompt, "-o", str(tmp_path / "x.webp"), **at_service)
    assert refused.returncode == 1
    assert "prompt must not be blank" in refused.stderr
