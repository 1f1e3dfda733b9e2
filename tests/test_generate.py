"""`easel generate` as a user meets it: files, refusals, interruptions."""

import os
import pty
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

from tests.running_fleet import Fleet
from tests.running_service import Service, environment, eventually


def easel(*arguments: str, cwd: Path | str = ".", **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line without a service of its own."""
    return subprocess.run(
        [sys.executable, "-m", "easel", *arguments],
        env=environment(**settings), cwd=cwd, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


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


def test_generate_writes_the_picture_and_says_what_it_is(at_service: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "storm.png"
    drawn = easel("generate", "a storm", "-o", str(file), "--size", "16:9", "--seed", "7", **at_service)
    with Image.open(file) as picture:
        assert (picture.format, picture.size) == ("PNG", (1280, 720))
    assert "1280x720, seed 7, z-image-turbo drawn by blank in " in drawn.stdout
    assert str(file) in drawn.stdout


def test_the_next_step_that_serve_prints_works_in_another_terminal(service: Service, tmp_path: Path) -> None:
    said = service.log_file.read_text().split("try it in another terminal:")[1]
    typed = "\n".join(line.strip() for line in said.strip().splitlines()[:2])
    drawn = subprocess.run(
        ["/bin/sh", "-e"], input=typed, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "picture.webp").exists()


def test_a_refusal_is_told_in_the_services_words(at_service: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "x.webp"
    refused = easel("generate", "x", "-o", str(file), "--size", "9:1", **at_service)
    assert refused.returncode == 1
    assert "size must be one of" in refused.stderr
    assert not file.exists()


@pytest.mark.parametrize("ending", ["/", "/v1", "/v1/", "/openai/v1"])
def test_the_address_may_end_as_other_clients_write_it(at_service: dict[str, str], tmp_path: Path, ending: str) -> None:
    file = tmp_path / "x.webp"
    url = at_service["EASEL_URL"] + ending
    drawn = easel("generate", "x", "-o", str(file), "--size", "376x376", **at_service | {"EASEL_URL": url})
    assert drawn.returncode == 0, drawn.stderr
    assert file.exists()


def test_a_file_that_exists_is_replaced_only_when_told_to(at_service: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "mine.webp"
    file.write_text("mine")
    refused = easel("generate", "x", "-o", str(file), "--size", "376x376", **at_service)
    assert refused.returncode == 2
    assert f"{file} exists" in refused.stderr.replace("\n", "")
    assert "--force" in refused.stderr
    assert file.read_text() == "mine"
    assert easel("generate", "x", "-o", str(file), "--size", "376x376", "--force", **at_service).returncode == 0
    assert file.read_bytes().startswith(b"RIFF")


def test_pictures_without_a_name_are_numbered(at_service: dict[str, str], tmp_path: Path) -> None:
    for name in ("picture.webp", "picture-2.webp", "picture-3.webp"):
        drawn = easel("generate", "x", "--size", "376x376", cwd=tmp_path, **at_service)
        assert str(tmp_path / name) in drawn.stdout, drawn.stderr
    assert len(list(tmp_path.iterdir())) == 3


def test_without_a_key_it_says_how_to_get_one(tmp_path: Path) -> None:
    refused = easel("generate", "x", "-o", str(tmp_path / "x.webp"))
    assert refused.returncode == 2
    assert "easel keys create" in refused.stderr


def test_where_nothing_answers_it_asks_whether_the_service_runs(tmp_path: Path) -> None:
    failed = easel("generate", "x", "-o", str(tmp_path / "x.webp"), "--url", "http://127.0.0.1:9", "--key", "k")
    assert failed.returncode == 1
    assert "http://127.0.0.1:9 cannot be reached" in failed.stderr
    assert "is `easel serve` running there?" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_proxy_that_took_the_request_is_named(tmp_path: Path) -> None:
    failed = easel("generate", "x", "-o", str(tmp_path / "x.webp"), "--url", "http://easel.example", "--key", "k",
                   HTTP_PROXY="http://user:hunter2@127.0.0.1:9")  # fmt: skip
    assert failed.returncode == 1
    assert "through the proxy that HTTP_PROXY names" in failed.stderr.replace("\n", " ")
    assert "hunter2" not in failed.stderr


def test_a_file_whose_format_it_cannot_tell_is_refused(tmp_path: Path) -> None:
    refused = easel("generate", "x", "-o", str(tmp_path / "x.gif"), "--key", "k")
    assert refused.returncode == 2
    assert ".webp, .png, .jpg" in refused.stderr


def test_an_interrupted_drawing_is_cancelled_and_free(two_webs: Fleet, tmp_path: Path) -> None:
    key = two_webs.issue("interrupted").key
    with drawing(two_webs, key, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "is cancelled; nothing was charged" in said
    assert list(tmp_path.iterdir()) == []
    assert_cancelled_and_free(two_webs, key)


def test_a_closed_terminal_cancels_the_drawing(two_webs: Fleet, tmp_path: Path) -> None:
    key = two_webs.issue("closed").key
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        ioctl(theirs, termios.TIOCSCTTY, 0)

    with drawing(
        two_webs, key, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=take_terminal
    ) as process:
        os.close(theirs)
        os.close(ours)  # the kernel hangs the terminal up
        process.wait(timeout=30)
    assert process.returncode != 0
    assert_cancelled_and_free(two_webs, key)


def test_giving_up_waiting_cancels_the_drawing(two_webs: Fleet, tmp_path: Path) -> None:
    key = two_webs.issue("impatient").key
    left = easel(
        "generate", "x", "-o", str(tmp_path / "x.webp"), "--timeout", "1", EASEL_URL=two_webs.url, EASEL_API_KEY=key
    )
    assert left.returncode == 1
    assert "has not ended within 1 seconds" in left.stderr
    assert "is cancelled; nothing was charged" in left.stderr.replace("\n", " ")
    assert_cancelled_and_free(two_webs, key)


@pytest.mark.parametrize("prompt", [" ", "\t\n ", "\u3000", "\u00a0\u2003", "\u200b", "\ufeff\u2060 "])
def test_a_blank_prompt_is_refused(at_service: dict[str, str], tmp_path: Path, prompt: str) -> None:
    refused = easel("generate", prompt, "-o", str(tmp_path / "x.webp"), **at_service)
    assert refused.returncode == 1
    assert "prompt must not be blank" in refused.stderr
