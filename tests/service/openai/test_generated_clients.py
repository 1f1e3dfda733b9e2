"""Clients generated from `/openapi.json` by two generators, used with a running service."""

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from tests.support.command_line import environment
from tests.support.data_folders import reachable_folder
from tests.support.running_service import ORDER, Service

UNREADABLE: Final = ("GET /pictures/{grant}/{file}", "GET /thumbnails/{grant}/{file}")
"""Their answers are no JSON, of which openapi-python-client makes nothing."""
UNKNOWN_TASK: Final = "task-unified-1757165031-uyujaw3d"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The folder in which clients are generated and from which they are imported."""
    with reachable_folder() as folder:
        sys.path.insert(0, str(folder))
        yield folder
        sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def document(service: Service, folder: Path) -> Path:
    """The document as served."""
    file = folder / "openapi.json"
    with service.client() as stranger:
        file.write_bytes(stranger.get("/openapi.json").content)
    return file


@pytest.fixture(scope="module")
def key(service: Service) -> str:
    return service.new_key("generated", "1000")


def generate(folder: Path, program: str, *arguments: str) -> str:
    """Run a generator, and return its output."""
    programs = Path(sys.executable).parent
    path = f"{programs}:{environment()['PATH']}"  # where one of them looks for ruff
    made = subprocess.run(
        [programs / program, *arguments],
        cwd=folder, env=environment(PATH=path), capture_output=True, text=True, timeout=150,
    )  # fmt: skip
    said = made.stdout + made.stderr
    assert made.returncode == 0, said
    return said


def operations(document: Path) -> set[str]:
    """The names of the document's operations, in lower case and without separators."""
    contents = json.loads(document.read_text(encoding="utf-8"))
    items = [item for path in contents["paths"].values() for name, item in path.items() if name != "parameters"]
    return {item["operationId"].lower() for item in items}


# openapi-python-client: a module for each operation.


@pytest.fixture(scope="module")
def said(folder: Path, document: Path) -> str:
    arguments = ("generate", "--path", str(document), "--output-path", "modules", "--meta", "none")
    return generate(folder, "openapi-python-client", *arguments)


@pytest.fixture(scope="module")
def client(said: str, service: Service, key: str) -> Iterator[Any]:
    assert said
    module = importlib.import_module("modules.client")
    with module.AuthenticatedClient(service.url, key, timeout=60.0, httpx_args={"trust_env": False}) as client:
        yield client


def module(name: str) -> ModuleType:
    """The module of one operation."""
    return importlib.import_module(f"modules.api.{name}")


def test_the_module_client_has_every_json_operation(said: str, document: Path) -> None:
    warnings = [line for line in said.splitlines() if line.startswith(("WARNING", "ERROR"))]
    assert all(any(operation in line for operation in UNREADABLE) for line in warnings), said
    made = {file.stem.replace("_", "") for file in (document.parent / "modules" / "api").rglob("*.py")}
    assert operations(document) <= made


def test_the_module_client_draws_a_picture_and_reads_its_task(client: Any, service: Service) -> None:
    models = importlib.import_module("modules.models")
    order = models.ImageGenerationRequest.from_dict(ORDER)
    task = module("image_generation.create_image_generation").sync(client=client, body=order)
    assert type(task) is models.PendingTask
    task = module("tasks.get_task").sync(client=client, task_id=task.id, wait=30)
    assert type(task) is models.CompletedTask
    assert not task.task_info.can_cancel
    with service.client() as stranger:
        assert stranger.get(task.results[0]).headers["content-type"] == "image/webp"
    assert task.id in {each.id for each in module("tasks.list_tasks").sync(client=client).data}
    assert module("account.get_credits").sync(client=client).data.user.used_credits > 0
    assert type(module("tasks.delete_task").sync(client=client, task_id=task.id)) is models.DeletedTask


def test_the_module_client_reads_refusals(client: Any) -> None:
    models = importlib.import_module("modules.models")
    order = models.ImageGenerationRequest.from_dict({**ORDER, "seed": 0})
    refused = module("image_generation.create_image_generation").sync_detailed(client=client, body=order)
    assert refused.status_code == 400
    assert (refused.parsed.error.code, refused.parsed.error.param) == ("invalid_request", "seed")
    missing = module("tasks.get_task").sync(client=client, task_id=UNKNOWN_TASK)
    assert missing.error.code == "task_not_found"


# openapi-generator: a class for each tag.


@pytest.fixture(scope="module")
def classes(folder: Path, document: Path) -> ModuleType:
    generate(
        folder, "openapi-generator-cli", "generate", "--input-spec", str(document), "--generator-name", "python",
        "--output", ".", "--additional-properties", "packageName=classes",
        "--global-property", "apis,models,supportingFiles,apiTests=false,modelTests=false,apiDocs=false,modelDocs=false",
    )  # fmt: skip
    return importlib.import_module("classes")


@pytest.fixture(scope="module")
def api(classes: ModuleType, service: Service, key: str) -> Iterator[Any]:
    configuration = classes.Configuration(host=service.url, access_token=key)
    with classes.ApiClient(configuration) as api:
        yield api
        api.rest_client.pool_manager.clear()


def test_the_class_client_has_every_operation(classes: ModuleType, document: Path) -> None:
    apis = [getattr(classes, name) for name in dir(classes) if re.fullmatch("[A-Z].*Api", name)]
    made = {method.replace("_", "") for each in apis for method in dir(each)}
    assert operations(document) <= made


def test_the_class_client_draws_a_picture_and_reads_its_task(classes: ModuleType, api: Any, service: Service) -> None:
    order = classes.ImageGenerationRequest.from_dict({**ORDER, "callback_url": None})
    created = classes.ImageGenerationApi(api).create_image_generation(order).actual_instance
    assert type(created) is classes.PendingTask
    task = classes.TasksApi(api).get_task(created.id, wait=30).actual_instance
    assert type(task) is classes.CompletedTask
    with service.client() as stranger:
        assert stranger.get(task.results[0]).headers["content-type"] == "image/webp"
    assert task.id in {each.id for each in classes.TasksApi(api).list_tasks().data}
    assert classes.AccountApi(api).get_credits().data.user.used_credits > 0
    pictures = classes.OpenAIApi(api).create_openai_image(classes.OpenaiImageRequest(prompt="a cat", size="376x376"))
    assert pictures.data[0].url
    assert pictures.data[0].b64_json


def test_the_class_client_reads_refusals_and_validates_orders_itself(classes: ModuleType, api: Any) -> None:
    with pytest.raises(classes.exceptions.NotFoundException) as raised:
        classes.TasksApi(api).get_task(UNKNOWN_TASK)
    assert raised.value.data.error.code == "task_not_found"
    for wrong in ({"seed": 0}, {"seed": 5.5}, {"output_format": "gif"}, {"prompt": " "}, {"model": "other"}):
        with pytest.raises(ValueError, match="validation error"):
            classes.ImageGenerationRequest.from_dict({**ORDER, **wrong})
