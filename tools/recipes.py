"""`make test-recipes`: runs the recipes of docs/how-to/clients.md, each against a service of its own.

python -m tools.recipes INTERPRETER PROXY PACKAGES. The interpreter has the libraries of the recipes in Python, PROXY is
LiteLLM's program, and the folder has the libraries of the recipes in JavaScript. Without Node.js, these are skipped.
Prints the outcome of each.
"""

import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
from tests.support.patience import eventually

from tools.demo import EASEL, free_port, serving, settings

PAGE: Final = Path(__file__).parents[1] / "docs/how-to/clients.md"
RECIPE_TIMEOUT_S: Final = 120.0
PROXY_START_TIMEOUT_S: Final = 180.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe of the page. `language` is that of its first block."""

    name: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Tools:
    """What runs the recipes. `packages` holds Node.js's libraries, if there are any."""

    interpreter: Path
    proxy: Path
    packages: Path


class Failed(Exception):
    """The recipe drew nothing. The message says why."""


def main() -> int:
    """Run the recipes, and return the exit status."""
    tools = Tools(*(Path(argument).absolute() for argument in sys.argv[1:]))
    folder = Path(tempfile.mkdtemp(prefix="easel-recipes-"))
    folder.chmod(0o711)  # when root runs this, the system user of the private database needs access
    try:
        failures = [each for each in recipes() if not is_good(each, tools, folder)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failures else 0


def recipes() -> list[Recipe]:
    """The recipes of the page, in its order."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    found = [(section, re.search(r"^```(\w+)\n(.*?)^```", section, re.M | re.S)) for section in sections]
    return [Recipe(section.splitlines()[0], block[1], block[2]) for section, block in found if block is not None]


def is_good(recipe: Recipe, tools: Tools, folder: Path) -> bool:
    """Whether a recipe succeeds, or cannot be tried. Each has a service of its own."""
    if recipe.language == "js" and not (tools.packages / "node_modules").exists():
        print(f"{recipe.name}: skipped, because Node.js and npm are not installed")
        return True
    port = free_port()
    environment = settings(folder, port)
    try:
        with serving(port, environment, folder / "serve.log"):
            made = subprocess.run(
                [*EASEL, "keys", "create", "--account", "recipes", "--credits", "1", "--json"],
                env=environment, check=True, capture_output=True, text=True,
            )  # fmt: skip
            environment["EASEL_API_KEY"] = re.findall(r'"key":"([^"]+)"', made.stdout)[0]
            if recipe.language == "yaml":
                draw_through_proxy(recipe.text, tools.proxy, folder, environment)
            else:
                run_program(recipe, tools, folder, environment)
    except Failed as failed:
        print(f"{recipe.name}: FAILED\n{failed}", flush=True)
        return False
    print(f"{recipe.name}: drawn", flush=True)
    return True


def run_program(recipe: Recipe, tools: Tools, folder: Path, environment: Mapping[str, str]) -> None:
    """Run a program to its end. Raises Failed."""
    command = [str(tools.interpreter), "-c", recipe.text]
    if recipe.language == "js":
        program = tools.packages / "recipe.mjs"  # Node.js looks for libraries beside the program
        program.write_text(recipe.text)
        command = ["node", str(program)]
    ran = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=RECIPE_TIMEOUT_S, check=False
    )
    if ran.returncode:
        raise Failed(ran.stderr)


def draw_through_proxy(configuration: str, program: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """Start LiteLLM's proxy with this configuration, and draw a picture through it. Raises Failed."""
    file, log, key = folder / "litellm.yaml", folder / "litellm.log", f"sk-{secrets.token_hex(16)}"
    file.write_text(configuration)
    address = f"http://127.0.0.1:{free_port()}"
    command = [str(program), "--config", str(file), "--host", "127.0.0.1", "--port"]
    own = {"IMAGES_URL": f"{environment['EASEL_URL']}/openai/v1", "LITELLM_MASTER_KEY": key}
    with log.open("wb") as output:
        proxy = subprocess.Popen(
            [*command, address.rpartition(":")[2]], env={**environment, **own, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
            cwd=folder, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        eventually(lambda: _is_alive(address) or proxy.poll() is not None, PROXY_START_TIMEOUT_S, every_s=0.5)
        answer = httpx2.post(
            f"{address}/v1/images/generations", headers={"authorization": f"Bearer {key}"},
            json={"model": "z-image-turbo", "prompt": "a cute cat"}, timeout=RECIPE_TIMEOUT_S, trust_env=False,
        )  # fmt: skip
    except (httpx2.HTTPError, AssertionError) as error:
        raise Failed(f"{error}\n{log.read_text(errors='replace')[-2000:]}") from None
    finally:
        proxy.terminate()
        proxy.wait()
    if answer.status_code != 200 or not answer.json()["data"][0]["b64_json"]:
        raise Failed(answer.text)


def _is_alive(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/health/liveliness", timeout=5, trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False


if __name__ == "__main__":
    sys.exit(main())
