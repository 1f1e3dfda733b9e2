"""`easel generate` for several pictures, other destinations and other outputs."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.support.command_line import easel, environment
from tests.support.moderated import REFUSED
from tests.support.patience import PATIENCE_S, eventually
from tests.support.running_fleet import Fleet
from tests.support.running_service import Service
from tests.support.slow_service import slow_service

SMALL = ("--size", "376x376")


@pytest.fixture
def at_service(service: Service, account: str) -> dict[str, str]:
    """The settings with which `easel generate` reaches the shared service."""
    return {"EASEL_URL": service.url, "EASEL_API_KEY": service.new_key(account)}


@pytest.fixture(scope="module")
def slow() -> Iterator[Service]:
    with slow_service() as running:
        yield running


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_each_prompt_becomes_a_file_of_its_name(at_service: dict[str, str], tmp_path: Path) -> None:
    drawn = easel("generate", "a red cat", "a blue dog", *SMALL, cwd=tmp_path, **at_service)
    assert drawn.returncode == 0, drawn.stderr
    assert names(tmp_path) == ["a-blue-dog.webp", "a-red-cat.webp"]
    assert len(drawn.stdout.splitlines()) == 2


def test_words_without_quotes_are_one_prompt_with_a_note(at_service: dict[str, str], tmp_path: Path) -> None:
    drawn = easel("generate", "a", "red", "cat", *SMALL, cwd=tmp_path, **at_service)
    assert names(tmp_path) == ["a-red-cat.webp"]
    assert 'Note: "a red cat" is taken as one prompt.' in drawn.stderr


def test_a_file_holds_a_prompt_on_each_line(at_service: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("\ufeffein Hund\n\n一只猫\r\n", encoding="utf-8")
    (tmp_path / "out").mkdir()
    drawn = easel(
        "generate", "--prompts", "prompts.txt", "-o", "out", "--format", "png", *SMALL, cwd=tmp_path, **at_service
    )
    assert drawn.returncode == 0, drawn.stderr
    assert names(tmp_path / "out") == ["ein-hund.png", "一只猫.png"]


def test_several_pictures_of_a_prompt_have_numbers_and_following_seeds(
    at_service: dict[str, str], tmp_path: Path
) -> None:
    drawn = easel("generate", "a cat", "-n", "3", "--seed", "7", "--json", *SMALL, cwd=tmp_path, **at_service)
    assert names(tmp_path) == ["a-cat-2.webp", "a-cat-3.webp", "a-cat.webp"]
    told = [json.loads(line) for line in drawn.stdout.splitlines()]
    assert sorted(each["task"]["result_data"][0]["seed"] for each in told) == [7, 8, 9]
    assert {each["file"] for each in told} == {str(path) for path in tmp_path.iterdir()}


def test_pictures_of_one_command_never_replace_each_other(at_service: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "cat.webp").write_text("mine")
    drawn = easel("generate", "a", "-n", "2", "-o", "cat.webp", "--force", *SMALL, cwd=tmp_path, **at_service)
    assert drawn.returncode == 0, drawn.stderr
    assert names(tmp_path) == ["cat-2.webp", "cat.webp"]
    assert all(path.read_bytes().startswith(b"RIFF") for path in tmp_path.iterdir())


def test_one_refused_prompt_does_not_stop_the_others(at_service: dict[str, str], tmp_path: Path) -> None:
    drawn = easel("generate", REFUSED, "a nice cat", "--json", *SMALL, cwd=tmp_path, **at_service)
    assert drawn.returncode == 1
    assert names(tmp_path) == ["a-nice-cat.webp"]
    assert f'Error: "{REFUSED}": The prompt was refused: ' in drawn.stderr
    refused = next(told for line in drawn.stdout.splitlines() if "error" in (told := json.loads(line)))
    assert (refused["prompt"], refused["error"]["code"]) == (REFUSED, "content_policy_violation")


def test_a_picture_goes_to_standard_output(at_service: dict[str, str], tmp_path: Path) -> None:
    drawn = subprocess.run(
        [sys.executable, "-m", "easel", "generate", "a cat", "-o", "-", "--format", "png", *SMALL],
        env=environment(**at_service), cwd=tmp_path, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    with Image.open(BytesIO(drawn.stdout)) as picture:
        assert (picture.format, picture.size) == ("PNG", (376, 376))
    assert b"376x376, seed " in drawn.stderr
    assert names(tmp_path) == []


def test_a_picture_is_opened_with_the_systems_viewer(at_service: dict[str, str], tmp_path: Path) -> None:
    viewer = tmp_path / "xdg-open"
    viewer.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    viewer.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"  # noqa: TID251 - the viewer's folder comes first
    drawn = easel("generate", "a cat", "--open", *SMALL, cwd=tmp_path, PATH=path, **at_service)
    assert drawn.returncode == 0, drawn.stderr
    assert eventually((tmp_path / "opened").exists)
    assert (tmp_path / "opened").read_text().strip() == str(tmp_path / "a-cat.webp")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "There is no prompt"),
        (("--prompts", "/nowhere"), "/nowhere cannot be read"),
        (("a cat", "a dog", "-o", "-"), "Standard output takes one picture"),
        (("a cat", "-o", "x.png", "--format", "webp"), "leave one of them out"),
        (("a cat", "-o", "nowhere/"), "There is no folder"),
        (("a cat", "-n", "17", "--open"), "at most 16"),
        (("a cat", "-n", "0"), "0 is not in the range"),
        (("a cat", "-o", "-", "--open"), "--open opens files"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_request(
    tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    refused = easel("generate", *arguments, cwd=tmp_path, EASEL_API_KEY="k", EASEL_URL="http://127.0.0.1:9")
    assert refused.returncode == 2
    assert reason in " ".join(refused.stderr.split())


def test_a_terminal_shows_the_place_in_line_and_then_the_steps(slow: Service, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    settings = environment(EASEL_URL=slow.url, EASEL_API_KEY=slow.new_key("terminal"), TERM="xterm", COLUMNS="100")
    worker = slow.child_pid("worker 1")
    os.kill(worker, signal.SIGSTOP)  # until the place in line is shown, however long the command takes to start
    process = subprocess.Popen(
        [sys.executable, "-m", "easel", "generate", "a cat", *SMALL],
        env=settings,
        cwd=tmp_path,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
            if b" in line" in shown:
                os.kill(worker, signal.SIGCONT)
    except OSError:  # Linux reports the closed terminal so
        pass
    finally:
        os.kill(worker, signal.SIGCONT)
    os.close(ours)
    assert process.wait(timeout=30) == 0
    text = shown.decode()
    assert text.index(" in line") < text.index("step ") < text.index("done") < text.index(" drawn by ")


def test_an_interruption_cancels_every_picture_that_is_not_drawn(two_webs: Fleet, tmp_path: Path) -> None:
    key = two_webs.issue("several-interrupted").key
    process = subprocess.Popen(
        [sys.executable, "-m", "easel", "generate", "a cat", "-n", "3", *SMALL],
        env=environment(EASEL_URL=two_webs.url, EASEL_API_KEY=key), cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with two_webs.client(key) as client:
        eventually(lambda: client.get("/v1/tasks").json()["total"] == 3)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 130
        assert said.count("was cancelled. Nothing was charged.") == 3
        assert client.get("/v1/tasks?status=failed").json()["total"] == 3


def test_a_second_interruption_leaves_at_once(two_webs: Fleet, tmp_path: Path) -> None:
    key = two_webs.issue("twice-interrupted").key
    process = subprocess.Popen(
        [sys.executable, "-m", "easel", "generate", "a cat", *SMALL],
        env=environment(EASEL_URL=two_webs.url, EASEL_API_KEY=key), cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with two_webs.client(key) as client:
        eventually(lambda: client.get("/v1/tasks").json()["total"] == 1)
    two_webs.webs[0].send_signal(signal.SIGSTOP)
    try:
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_S)
    finally:
        two_webs.webs[0].send_signal(signal.SIGCONT)
    assert process.returncode == 130
    assert "may continue, because you did not wait until it was cancelled." in said
