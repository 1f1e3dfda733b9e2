"""The layers besides Easel's own rules, in a running service: a moderation server, a picture classifier, a plug-in.

A task fails uncharged if a layer refuses it or cannot judge. A refused picture is never stored.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx2
import pytest

from easel.engines.blank.engine import colour
from easel.engines.engine import Drawing
from tests.outside.test_moderation_plugins import install
from tests.support.callback_receiver import CallbackReceiver, receiving
from tests.support.data_folders import prepared_folder, reachable_folder
from tests.support.image_server import ImageServer, image_server
from tests.support.moderated import (
    MESSAGE,
    POLICY,
    REFUSED,
    SENSITIVE,
    SERVER,
    by_words,
    credits_of,
    decisions,
    order,
    scored,
)
from tests.support.patience import eventually
from tests.support.running_service import GENERATIONS, ORDER, Service, finish, submit
from tests.support.tiny_classifiers import classifier, colour_model

KEY: Final = "sk-moderation-secret"
UNJUDGED: Final = "The {} could not be judged by moderation"
REDNESS: Final = ((40.0, -20.0, -20.0), (0.0, 0.0, 0.0))
"""Weights of a model that scores red pictures as `nsfw`, and others as `normal`."""


@pytest.fixture(scope="module")
def server() -> Iterator[ImageServer]:
    with image_server(SERVER) as running:
        yield running


@pytest.fixture(scope="module")
def receiver() -> Iterator[CallbackReceiver]:
    with reachable_folder() as folder, receiving(folder) as running:
        yield running


@pytest.fixture(scope="module")
def watched(server: ImageServer, receiver: CallbackReceiver) -> Iterator[Service]:
    """A service with every layer. If the server cannot judge, it draws whatever is not sensitive or strict."""
    with prepared_folder() as folder:
        settings = {
            "moderation_url": server.url,
            "moderation_api_key": KEY,
            "moderation_unanswered": "draw",
            "moderation_classifier": str(classifier(folder / "judge", ["nsfw", "normal"], colour_model(REDNESS))),
            "moderation_plugins": "words,redness",
        }
        with plugged(folder, Service(folder, **settings, **receiver.settings())) as running:
            yield running
            running.audit()


def plugged(folder: Path, service: Service) -> Service:
    """The service, with a package of plug-ins on its path."""
    packages = folder / "packages"
    packages.mkdir()
    install(packages, "operator_words", {"words": "Words", "redness": "Redness"})
    packages.chmod(0o755)
    service.environment["PYTHONPATH"] = os.pathsep.join([str(packages), service.environment.get("PYTHONPATH", "")])
    return service


@pytest.fixture
def client(watched: Service, server: ImageServer, account: str) -> Iterator[httpx2.Client]:
    server.behaves(SERVER)
    with watched.client(watched.new_key(account)) as client:
        yield client


def refused(client: httpx2.Client, task_id: str, code: str, message: str) -> None:
    """Wait for a task to fail with this error, and check that it cost nothing."""
    task = finish(client, task_id)
    assert (task["status"], task["error"]) == ("failed", {"code": code, "message": message, "type": "task_error"})
    assert credits_of(client) == (100, 0)


def seed_of(prompt: str, *, is_red: bool) -> int:
    """A seed with which the blank engine draws this prompt in red, or in another colour."""
    for seed in range(1, 10_000):
        red, green, blue = colour(Drawing(prompt, 376, 376, seed))
        redness = red - (green + blue) / 2
        if redness > 60 if is_red else redness < -60:
            return seed
    raise AssertionError("no such seed")


def stored_files(service: Service) -> set[Path]:
    return {path for path in (service.data_dir / "pictures").rglob("*") if path.suffix == ".webp"}


def test_a_prompt_refused_by_the_server_fails_before_it_is_drawn(
    watched: Service, server: ImageServer, client: httpx2.Client, account: str
) -> None:
    server.behaves(SERVER)
    created = submit(client, prompt="a forbidden thing")
    assert created["status"] == "pending"
    refused(client, created["id"], POLICY, MESSAGE.format("prompt", "violence"))
    (asked,) = server.asked
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    (decision,) = decisions(watched, created["id"])
    assert (decision["account"], decision["layer"], decision["outcome"]) == (account, "endpoint", "refused")
    assert decision["scores"] == {"sexual": 0.0, "violence/graphic": 0.75}
    with watched.database() as connection:
        begun = connection.execute("SELECT started_at FROM tasks WHERE id = %s", (created["id"],))
        assert begun.fetchone() == (None,)
    assert KEY not in watched.log_file.read_text()
    assert "forbidden" not in watched.log_file.read_text()


def test_a_score_may_pass_at_basic_and_be_refused_at_strict(client: httpx2.Client) -> None:
    prompt = "a doubtful thing"
    seed = seed_of(prompt, is_red=False)
    refused(client, order(client, prompt, seed=seed, nsfw_check=True), POLICY, MESSAGE.format("prompt", "violence"))
    assert finish(client, order(client, prompt, seed=seed))["status"] == "completed"


def test_a_picture_is_judged_with_its_prompt_and_not_stored_if_refused(
    watched: Service, server: ImageServer, client: httpx2.Client
) -> None:
    server.behaves(by_words({"<image>": scored(violence_graphic=0.9)}, scored()))
    stored = stored_files(watched)
    prompt = "a quiet field"
    refused(
        client, order(client, prompt, seed=seed_of(prompt, is_red=False)), POLICY, MESSAGE.format("image", "violence")
    )
    assert stored_files(watched) == stored
    of_prompt, of_picture = server.asked
    assert of_prompt.body["input"] == prompt
    text, picture = of_picture.body["input"]
    assert text["text"] == prompt
    assert picture["image_url"]["url"].startswith("data:image/webp;base64,")


def test_a_refusal_by_a_worker_sends_a_callback(
    server: ImageServer, client: httpx2.Client, receiver: CallbackReceiver
) -> None:
    server.behaves(SERVER)
    task_id = order(client, "a forbidden thing", callback_url=receiver.url("/worker"))
    (received,) = receiver.await_received("/worker")
    assert received.body == client.get(f"/v1/tasks/{task_id}").content
    assert POLICY in received.body.decode()


@pytest.mark.parametrize(
    ("prompt", "more"), [("a place of silence", {"nsfw_check": True}), (f"silence, {SENSITIVE}", {})]
)
def test_if_the_server_is_silent_strict_and_sensitive_orders_fail(
    watched: Service, server: ImageServer, client: httpx2.Client, prompt: str, more: dict[str, bool]
) -> None:
    server.behaves(SERVER)
    began_s = time.monotonic()
    task_id = order(client, prompt, **more)
    refused(client, task_id, "service_error", UNJUDGED.format("prompt"))
    assert 4 <= time.monotonic() - began_s < 25
    assert len(server.asked) == 2
    (decision,) = decisions(watched, task_id)
    assert (decision["outcome"], decision["category"]) == ("unjudged", None)


def test_if_the_server_is_silent_other_orders_are_drawn_if_the_operator_allows_it(
    watched: Service, server: ImageServer, client: httpx2.Client
) -> None:
    server.behaves(SERVER)
    prompt = "a lake of silence"
    task_id = order(client, prompt, seed=seed_of(prompt, is_red=False))
    assert finish(client, task_id)["status"] == "completed"
    waved = decisions(watched, task_id)
    assert {(each["stage"], each["outcome"]) for each in waved} == {
        ("prompt", "waved_through"), ("image", "waved_through"),
    }  # fmt: skip


def test_a_task_cancelled_while_it_is_judged_stays_cancelled(server: ImageServer, client: httpx2.Client) -> None:
    server.behaves(SERVER)
    task_id = order(client, "silence, please", nsfw_check=True)
    eventually(lambda: server.asked)
    assert client.post(f"/v1/tasks/{task_id}/cancel").status_code == 200
    assert finish(client, task_id)["error"]["code"] == "request_cancelled"
    eventually(lambda: len(server.asked) == 2)
    assert credits_of(client) == (100, 0)


def test_the_strict_level_refuses_pictures_that_the_classifier_finds_sexual(
    watched: Service, server: ImageServer, client: httpx2.Client
) -> None:
    server.behaves(SERVER)
    prompt = "a red door"
    red = seed_of(prompt, is_red=True)
    stored = stored_files(watched)
    task_id = order(client, prompt, seed=red, nsfw_check=True)
    refused(client, task_id, POLICY, MESSAGE.format("image", "sexual"))
    assert stored_files(watched) == stored
    (decision,) = decisions(watched, task_id)
    assert (decision["layer"], decision["category"]) == ("classifier", "sexual")
    assert decision["scores"]["sexual"] > 0.5
    other = seed_of(prompt, is_red=False)
    assert finish(client, order(client, prompt, seed=other, nsfw_check=True))["status"] == "completed"
    assert finish(client, order(client, prompt, seed=red))["status"] == "completed"


@pytest.mark.parametrize(
    ("prompt", "category"), [("a girl and a red door", "sexual/minors"), ("a celebrity and a red door", "sexual")]
)
def test_a_sexual_picture_is_refused_at_every_level_if_the_prompt_names_a_minor_or_a_real_person(
    watched: Service, client: httpx2.Client, prompt: str, category: str
) -> None:
    task_id = order(client, prompt, seed=seed_of(prompt, is_red=True))
    refused(client, task_id, POLICY, MESSAGE.format("image", "sexual"))
    assert [each["category"] for each in decisions(watched, task_id)] == [category]


def test_a_plugin_can_refuse_and_one_that_raises_refuses_without_repeating_the_prompt(
    watched: Service, client: httpx2.Client
) -> None:
    bad = order(client, "bad")
    refused(client, bad, POLICY, MESSAGE.format("prompt", "violence"))
    assert [(each["layer"], each["rule"]) for each in decisions(watched, bad)] == [("plugin", "words")]
    raising = order(client, "raise")
    refused(client, raising, "service_error", UNJUDGED.format("prompt"))
    assert [(each["layer"], each["outcome"]) for each in decisions(watched, raising)] == [("plugin", "unjudged")]
    assert "the prompt was" not in watched.log_file.read_text()


def test_a_hanging_plugin_refuses_within_two_seconds_and_does_not_delay_others(client: httpx2.Client) -> None:
    began_s = time.monotonic()
    refused(client, order(client, "hang"), "service_error", UNJUDGED.format("prompt"))
    assert time.monotonic() - began_s < 25
    assert finish(client, order(client, "a hill", seed=seed_of("a hill", is_red=False)))["status"] == "completed"


def test_doctor_names_every_layer_and_reports_the_broken_ones(watched: Service, server: ImageServer) -> None:
    server.behaves(SERVER)
    said = watched.cli("doctor").stdout
    for words in ("Easel's own rules", "plug-in words words-3, for prompts", "picture classifier", server.url):
        assert any(line.startswith("ok") and words in line for line in said.splitlines()), (words, said)
    plain = Service(watched.data_dir)
    plain.environment["EASEL_MODERATION_PLUGINS"] = "no-such"
    plain.environment["EASEL_MODERATION_CLASSIFIER"] = "/nowhere"
    plain.environment["EASEL_MODERATION_URL"] = "http://127.0.0.1:9"
    ill = plain.cli("doctor", check=False)
    assert ill.returncode != 0
    assert sum(line.startswith("PROBLEM") for line in ill.stdout.splitlines()) == 3, ill.stdout
    assert "Easel's own rules" in ill.stdout


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("moderation_plugins", "no-such", "no-such"),
        ("moderation_url", "ftp://judge", "EASEL_MODERATION_URL"),
        ("moderation_block", "maybe", "EASEL_MODERATION_BLOCK"),
    ],
)
def test_an_unusable_layer_stops_the_start_with_a_message(
    data_dir: Path, setting: str, value: str, sentence: str
) -> None:
    service = Service(data_dir, **{setting: value})
    service.start(wait=False)
    assert service.process is not None
    assert service.process.wait(60) != 0
    service.process = None
    said = service.log_file.read_text()
    assert sentence in said
    assert "Traceback" not in said


@pytest.fixture(scope="module")
def refusing(server: ImageServer) -> Iterator[Service]:
    """A service that answers refusals as errors, and refuses if the server cannot judge."""
    settings = {"moderation_url": server.url, "moderation_block": "http", "creates_per_minute": "6"}
    with prepared_folder() as folder, Service(folder, **settings) as running:
        yield running
        running.audit()


@pytest.fixture
def strict_client(refusing: Service, account: str) -> Iterator[httpx2.Client]:
    with refusing.client(refusing.new_key(account)) as client:
        yield client


@pytest.mark.parametrize(("prompt", "category"), [(REFUSED, "sexual"), ("a forbidden thing", "violence")])
def test_a_refused_prompt_is_answered_with_400_if_the_operator_chose_that(
    refusing: Service, server: ImageServer, strict_client: httpx2.Client, account: str, prompt: str, category: str
) -> None:
    server.behaves(SERVER)
    answer = strict_client.post(GENERATIONS, json={**ORDER, "prompt": prompt})
    assert answer.status_code == 400
    assert answer.json() == {
        "error": {
            "code": POLICY,
            "message": MESSAGE.format("prompt", category),
            "param": "prompt",
            "type": "invalid_request_error",
        }
    }
    assert strict_client.get("/v1/tasks").json()["total"] == 0
    assert credits_of(strict_client) == (100, 0)
    listed = refusing.cli("moderation", "list", "--account", account).stdout
    assert "answered as an error" in listed
    openai = strict_client.post("/openai/v1/images/generations", json={"prompt": prompt})
    assert (openai.status_code, openai.json()["error"]["code"]) == (400, "moderation_blocked")


def test_a_refused_order_does_not_use_up_its_idempotency_key_and_an_accepted_one_is_replayed(
    server: ImageServer, strict_client: httpx2.Client
) -> None:
    server.behaves(SERVER)
    headers = {"idempotency-key": "refused-or-not-0001"}
    bad = strict_client.post(GENERATIONS, json={**ORDER, "prompt": REFUSED}, headers=headers)
    assert bad.status_code == 400
    good = strict_client.post(GENERATIONS, json=ORDER, headers=headers)
    assert good.status_code == 200
    # The server would refuse the order, but it was accepted before.
    server.behaves(scored(sexual=1.0))
    again = strict_client.post(GENERATIONS, json=ORDER, headers=headers)
    assert (again.status_code, again.content) == (200, good.content)
    finish(strict_client, good.json()["id"])  # or its picture would be judged during another test


def test_orders_answered_with_400_count_against_the_rate(server: ImageServer, strict_client: httpx2.Client) -> None:
    server.behaves(SERVER)
    body = {**ORDER, "prompt": REFUSED}
    assert [strict_client.post(GENERATIONS, json=body).status_code for _ in range(7)] == [400] * 6 + [429]


def test_a_prompt_judged_before_acceptance_is_not_judged_again(
    server: ImageServer, strict_client: httpx2.Client
) -> None:
    server.behaves(SERVER)
    assert finish(strict_client, order(strict_client, "a bridge"))["status"] == "completed"
    asked = [asked.body["input"] for asked in server.asked if "a bridge" in str(asked.body)]
    assert [isinstance(question, str) for question in asked] == [True, False]


def test_while_the_server_is_silent_orders_get_503_and_retry_after(
    refusing: Service, server: ImageServer, strict_client: httpx2.Client, account: str
) -> None:
    server.behaves(SERVER)
    answer = strict_client.post(GENERATIONS, json={**ORDER, "prompt": "a place of silence"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "service_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert credits_of(strict_client) == (100, 0)
    assert "unjudged" in refusing.cli("moderation", "list", "--account", account).stdout


def test_a_picture_is_judged_even_if_its_prompt_passed(server: ImageServer, strict_client: httpx2.Client) -> None:
    server.behaves(by_words({"<image>": scored(sexual=0.95)}, scored()))
    refused(strict_client, order(strict_client, "a meadow"), POLICY, MESSAGE.format("image", "sexual"))
