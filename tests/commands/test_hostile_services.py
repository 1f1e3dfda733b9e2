"""What a hostile service answers neither commands the terminal nor chooses what is written."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from easel.commands.terminal.visible_text import visible
from tests.support.command_line import easel
from tests.support.tls_receiver import tls_receiver

TITLE = "\x1b]0;owned\x07\x9b2J\u202e"
TASK_ID = "task-unified-0-00000000"


@contextmanager
def answering(status: int, body: dict[str, Any]) -> Iterator[str]:
    """The address of a service that gives this answer, and a small file for every picture."""

    def behave(connection: socket.socket) -> None:
        is_picture = b"/picture" in connection.recv(65536)
        content = b"a picture" if is_picture else json.dumps(body).encode()
        head = (
            f"HTTP/1.1 {200 if is_picture else status} X\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n"
        )
        connection.sendall(head.encode() + content)

    with tls_receiver(behave, None) as service:
        body["results"] = [f"http://127.0.0.1:{service.port}{path}" for path in body.get("results", ())]
        yield f"http://127.0.0.1:{service.port}"


def task(**fields: Any) -> dict[str, Any]:
    done = {
        "created": 0,
        "id": TASK_ID,
        "model": "m",
        "progress": 100,
        "status": "completed",
        "results": ["/picture.png"],
    }
    return done | fields


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, task(model=TITLE)),
        (200, task(status="failed", results=[], error={"code": TITLE, "message": TITLE})),
        (400, {"error": {"code": "x", "message": TITLE}}),
    ],
)
def test_control_characters_are_shown_as_signs(status: int, body: dict[str, Any]) -> None:
    with answering(status, body) as url:
        told = easel("tasks", "show", TASK_ID, "--url", url, "--key", "k")
    said = told.stdout + told.stderr
    assert "�]0;owned�" in said
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(said)


def test_optional_fields_of_another_type_are_left_out() -> None:
    odd = {"url": "/x.png", "width": [TITLE], "seed": {}, "engine": 7, "not_drawn": [1, {"a": TITLE}]}
    body = task(result_data=[odd], task_info={"queue_position": TITLE, "estimated_time": []})
    with answering(200, body) as url:
        told = easel("tasks", "show", TASK_ID, "--url", url, "--key", "k")
    assert told.returncode == 0, told.stderr
    assert not {"Size", "Seed", "Engine"} & {line.split()[0] for line in told.stdout.splitlines()}
    assert "\x1b" not in told.stdout


@pytest.mark.parametrize("link", ["/picture.png?x=.desktop", "/picture.png", "/picture.PNG"])
def test_a_fetched_file_has_the_ending_of_a_picture(tmp_path: Path, link: str) -> None:
    with answering(200, task(results=[link])) as url:
        easel("tasks", "fetch", TASK_ID, "--url", url, "--key", "k", cwd=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [f"{TASK_ID}.png"]


@pytest.mark.parametrize("link", ["/picture.desktop", "/picture.webp%00", "/picture"])
def test_any_other_ending_is_left_out(tmp_path: Path, link: str) -> None:
    with answering(200, task(results=[link])) as url:
        easel("tasks", "fetch", TASK_ID, "--url", url, "--key", "k", cwd=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [TASK_ID]


def test_text_of_every_script_stays_as_it_is() -> None:
    text = "श्रीमान् می‌خواهم 👩‍👩‍👧 naïve 猫"
    assert visible(text) == text
