"""Clients that two generators make from `/openapi.json`, drawing pictures with a running service."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import httpx2
import pytest
from pydantic import TypeAdapter, ValidationError

from tests.running_service import GENERATIONS, ORDER, Service, environment, finish, reachable_folder, submit

UNREADABLE: Final = "GET /pictures/{grant}/{file}"
"""Its answers are no JSON, of which that generator makes nothing."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where clients are generated, and imported from."""
    with reachable_folder() as folder:
        sys.path.insert(0, str(folder))
        yield folder
        sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def document(service: Service, folder: Path) -> Path:
    """The document, as the service serves it."""
    file = folder / "openapi.json"
    with service.client() as stranger:
        file.write_bytes(stranger.get("/openapi.json").content)
    return file


@pytest.fixture(scope="module")
def key(service: Service) -> str:
    return service.new_key("generated", "1000")


def generated(folder: Path, *arguments: str) -> str:
    """What a generator says on its way."""
    program = Path(sys.executable).with_name(arguments[0])
    path = f"{program.parent}{os.pathsep}{environment()['PATH']}"  # for ruff, which one of them runs
    made = subprocess.run(
        [program, *arguments[1:]], cwd=folder, env=environment(PATH=path), capture_output=True, text=True, timeout=120
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return made.stdout + made.stderr


@pytest.fixture(scope="module")
def client_said(folder: Path, document: Path) -> str:
    """What openapi-python-client says of the client that it has made."""
    arguments = ("generate", "--path", str(document), "--output-path", "generated_client", "--meta", "none")
    return generated(folder, "openapi-python-client", *arguments)


@pytest.fixture(scope="module")
def client(client_said: str, service: Service, key: str) -> Iterator[Any]:
    assert client_said
    module = importlib.import_module("generated_client.client")
    with module.AuthenticatedClient(service.url, key, httpx_args={"trust_env": False}) as client:
        yield client


@pytest.fixture(scope="module")
def types(folder: Path, document: Path) -> ModuleType:
    """Types of requests and answers."""
    generated(
        folder, "datamodel-codegen", "--input", str(document), "--input-file-type", "openapi",
        "--output", "generated_types.py", "--output-model-type", "pydantic_v2.BaseModel", "--formatters", "black",
    )  # fmt: skip
    return importlib.import_module("generated_types")


def operation(name: str) -> ModuleType:
    return importlib.import_module(f"generated_client.api.{name}")


def test_a_generated_client_draws_a_picture_and_reads_what_became_of_it(client: Any, service: Service) -> None:
    models = importlib.import_module("generated_client.models")
    order = models.ImageGenerationRequest.from_dict(ORDER)
    task = operation("image_generation.create_image_generation").sync(client=client, body=order)
    assert type(task) is models.PendingTask
    task = operation("tasks.get_task").sync(client=client, task_id=task.id, wait=30)
    assert type(task) is models.CompletedTask
    assert not task.task_info.can_cancel
    with service.client() as stranger:
        assert stranger.get(task.results[0]).headers["content-type"] == "image/webp"
    listed = operation("tasks.list_tasks").sync(client=client)
    assert task.id in {each.id for each in listed.data}
    assert operation("account.get_credits").sync(client=client).data.user.used_credits > 0
    assert type(operation("tasks.delete_task").sync(client=client, task_id=task.id)) is models.DeletedTask


def test_a_generated_client_reads_refusals(client: Any) -> None:
    models = importlib.import_module("generated_client.models")
    order = models.ImageGenerationRequest.from_dict({**ORDER, "seed": 0})
    refused = operation("image_generation.create_image_generation").sync_detailed(client=client, body=order)
    assert refused.status_code == 400
    assert (refused.parsed.error.code, refused.parsed.error.param) == ("invalid_request", "seed")
    missing = operation("tasks.get_task").sync(client=client, task_id="task-unified-1757165031-uyujaw3d")
    assert missing.error.code == "task_not_found"


def test_a_generated_client_lacks_nothing_but_pictures_themselves(client_said: str, document: Path) -> None:
    warned = [line for line in client_said.splitlines() if line.startswith(("WARNING", "ERROR"))]
    assert all(UNREADABLE in line for line in warned), client_said
    contents = document.read_text()
    made = {path.stem for path in (document.parent / "generated_client" / "api").rglob("*.py")}
    for name in ("create_image_generation", "create_openai_image", "get_task", "cancel_task", "redeliver_callback"):
        assert name in made
        assert name.replace("_", "") in contents.lower()


def test_generated_types_hold_every_answer_and_make_orders(types: ModuleType, service: Service, key: str) -> None:
    task: TypeAdapter[Any] = TypeAdapter(types.Task)
    order = types.ImageGenerationRequest(model="z-image-turbo", prompt="a cute cat", size="376x376", seed=None)
    with service.client(key) as plain:
        created = task.validate_python(
            plain.post(GENERATIONS, json=order.model_dump(mode="json", exclude_unset=True)).json()
        )
        assert type(created.root if hasattr(created, "root") else created).__name__ == "PendingTask"
        finished = finish(plain, submit(plain)["id"])
        task.validate_python(finished)
        for wrong in ({**finished, "status": "failed"}, {**finished, "results": [], "progress": 5}):
            with pytest.raises(ValidationError):
                task.validate_python(wrong)
        assert types.CreditsResponse.model_validate(plain.get("/v1/credits").json())
        assert types.TaskList.model_validate(plain.get("/v1/tasks").json())


def test_generated_types_refuse_what_the_service_refuses(types: ModuleType, service: Service, key: str) -> None:
    with service.client(key) as plain:
        for changes in ({"size": "375x376"}, {"size": "5:4"}, {"seed": 0}, {"output_format": "gif"}, {"prompt": ""}):
            wrong = {**ORDER, **changes}
            with pytest.raises(ValidationError):
                types.ImageGenerationRequest.model_validate(wrong)
            refused: httpx2.Response = plain.post(GENERATIONS, json=wrong)
            assert refused.status_code == 400
