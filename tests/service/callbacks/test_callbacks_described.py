"""Callbacks compared with the OpenAPI document: the answers of the two endpoints, and the request to the receiver."""

import json
import threading
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import pytest
from jsonschema import Draft202012Validator
from tools.api_page import document as openapi

from easel.domain.delivery import ATTEMPT_TIMEOUT_S
from tests.support.callback_receiver import CallbackReceiver, Received
from tests.support.contract import Contract
from tests.support.data_folders import prepared_folder
from tests.support.frozen import nobody_draws
from tests.support.patience import eventually
from tests.support.running_service import Service, finish, submit

UNKNOWN_TASK: Final = "/v1/tasks/task-unified-1757165031-uyujaw3d/callback"


@pytest.fixture(scope="module")
def calling(receiver: CallbackReceiver) -> Iterator[Service]:
    """A service that can call the receiver."""
    with prepared_folder() as folder, Service(folder, **receiver.settings()) as running:
        yield running


@pytest.fixture(scope="module")
def client(calling: Service) -> Iterator[httpx2.Client]:
    with calling.client(calling.new_key("described")) as client:
        yield client


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract(openapi.document())


def assert_answered(answers: list[tuple[httpx2.Response, int]], contract: Contract) -> None:
    for response, status in answers:
        assert response.status_code == status, response.text
        contract.assert_kept(response)


def test_the_callback_endpoint_answers_as_documented_at_every_stage(
    calling: Service, client: httpx2.Client, receiver: CallbackReceiver, contract: Contract
) -> None:
    seen, statuses = threading.Event(), iter((500, 200, 200))

    def answer(_: Received) -> int:
        seen.wait(ATTEMPT_TIMEOUT_S / 2)
        return next(statuses)

    receiver.answers["/stages"] = answer
    with nobody_draws(calling):
        path = f"/v1/tasks/{submit(client, callback_url=receiver.url('/stages'))['id']}/callback"
        answers = [(client.get(path), 200), (client.post(f"{path}/redeliver"), 409)]
    assert answers[0][0].json()["state"] == "waiting"
    receiver.await_received("/stages", 1)
    answers.append((client.get(path), 200))
    assert answers[-1][0].json()["state"] == "delivering"
    seen.set()
    receiver.await_received("/stages", 2)
    eventually(lambda: client.get(path).json()["state"] == "delivered")
    answers += [(client.get(path), 200), (client.post(f"{path}/redeliver"), 200)]
    receiver.await_received("/stages", 3)
    eventually(lambda: client.get(path).json()["state"] == "delivered")
    answers.append((client.get(path), 200))
    assert_answered(answers, contract)
    assert [each["outcome"] for each in answers[-1][0].json()["attempts"]] == ["answered", "delivered", "delivered"]


@pytest.mark.parametrize(("method", "address"), [("GET", ""), ("POST", "/redeliver")])
def test_refused_requests_are_answered_as_documented(
    calling: Service, client: httpx2.Client, contract: Contract, method: str, address: str
) -> None:
    without = f"/v1/tasks/{submit(client)['id']}/callback"
    scope = {"GET": "generate", "POST": "read"}[method]
    with (
        calling.client() as stranger,
        calling.client(calling.new_key(f"described-{scope}", "1", "--scope", scope)) as confined,
    ):
        answers = [
            (client.request(method, f"/v1/tasks/abc/callback{address}"), 400),
            (stranger.request(method, UNKNOWN_TASK + address), 401),
            (confined.request(method, UNKNOWN_TASK + address), 403),
            (client.request(method, UNKNOWN_TASK + address), 404),
            (client.request(method, without + address), 404),
        ]
    assert_answered(answers, contract)
    assert [answers[index][0].json()["error"]["code"] for index in (-2, -1)] == ["task_not_found", "callback_not_found"]


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_receiver_gets_what_is_documented(
    calling: Service, client: httpx2.Client, receiver: CallbackReceiver, status: str
) -> None:
    with nobody_draws(calling):
        task = submit(client, callback_url=receiver.url(f"/described-{status}"))
        if status == "failed":
            client.post(f"/v1/tasks/{task['id']}/cancel")
    finish(client, task["id"])
    (received,) = receiver.await_received(f"/described-{status}")
    described = described_post()
    for header in described["parameters"]:
        text = received.headers[header["name"]]
        value = int(text) if header["schema"]["type"] == "integer" else text
        Draft202012Validator(header["schema"]).validate(value)
    body = json.loads(received.body)
    Draft202012Validator(described["requestBody"]["content"]["application/json"]["schema"]).validate(body)
    assert (received.headers["content-type"], body["status"]) == ("application/json", status)


def described_post() -> dict[str, Any]:
    """The document's description of the request to a receiver."""
    creation = openapi.expanded(openapi.document())["paths"]["/v1/images/generations"]["post"]
    described: dict[str, Any] = creation["callbacks"]["taskEnded"]["{$request.body#/callback_url}"]["post"]
    return described
