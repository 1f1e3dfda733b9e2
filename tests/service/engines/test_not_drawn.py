"""A task tells its owner which words of the prompt its picture does not show, if the engine can tell."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.data_folders import prepared_folder
from tests.support.running_service import Service, finish, read_task, submit


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with prepared_folder() as folder, Service(folder, engine="sketch", workers="1") as running:
        yield running


def drawn(service: Service, account: str, prompt: str) -> dict[str, Any]:
    with service.client(service.new_key(account)) as client:
        task = finish(client, submit(client, prompt=prompt, size="376x376")["id"])
    assert task["status"] == "completed", task
    return task


def test_words_that_the_picture_does_not_show_are_told(service: Service) -> None:
    (picture,) = drawn(service, "told", "a red cat, a blorg and a 'frobnicator'")["result_data"]
    assert picture["not_drawn"] == ["blorg"], "a word in quotation marks is written on a sign"
    assert list(picture) == ["engine", "height", "not_drawn", "seed", "url", "width"]


def test_a_picture_that_shows_everything_says_so(service: Service) -> None:
    assert drawn(service, "everything", "a cat on a table")["result_data"][0]["not_drawn"] == []


def test_many_and_long_unknown_words_are_cut(service: Service) -> None:
    words = [f"{'bl' * 40}{number}" for number in range(20)] + [f"blorg{number}" for number in range(40)]
    told = drawn(service, "cut", " ".join(words))["result_data"][0]["not_drawn"]
    assert 2 <= len(told) <= 30
    assert all(len(word) <= 60 for word in told)


def test_deleting_a_task_erases_the_words(service: Service) -> None:
    mark = f"mark{os.urandom(8).hex()}"
    with service.client(service.new_key("eraser")) as client:
        task = finish(client, submit(client, prompt=f"a cat and a {mark}")["id"])
        assert task["result_data"][0]["not_drawn"] == [mark]
        assert client.delete(f"/v1/tasks/{task['id']}").status_code == 200
        assert read_task(client, task["id"])["result_data"] == []
    with service.database() as connection:
        (kept,) = connection.execute("SELECT tasks::text FROM tasks WHERE id = %s", (task["id"],)).fetchone() or ("",)
    assert mark not in kept


def test_generate_names_the_words(service: Service, tmp_path: Path) -> None:
    options = ("--url", service.url, "--key", service.new_key("cli"), "--size", "376x376")
    said = service.cli("generate", "a cat and a blorg", *options, "-o", str(tmp_path / "cat.webp")).stdout
    assert said.splitlines()[-1] == "The picture does not show: blorg"
    said = service.cli("generate", "a cat", *options, "-o", str(tmp_path / "another.webp")).stdout
    assert "not show" not in said
