"""`make test-recipes`: runs every recipe in Python of docs/how-to/clients.md against a service of its own.

python -m tools.recipes INTERPRETER, which has the libraries of the recipes. Prints the outcome of each.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tools.demo import EASEL, free_port, serving, settings

PAGE: Final = Path(__file__).parents[1] / "docs/how-to/clients.md"
RECIPE_TIMEOUT_S: Final = 120.0


def main() -> int:
    """Run the recipes, and return the exit status."""
    interpreter = str(Path(sys.argv[1]).absolute())
    folder = Path(tempfile.mkdtemp(prefix="easel-recipes-"))
    folder.chmod(0o711)  # when root runs this, the system user of the private database needs access
    try:
        failures = [name for name, program in recipes().items() if not is_good(name, program, interpreter, folder)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failures else 0


def recipes() -> dict[str, str]:
    """The programs of the page, by their headings."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    blocks = {
        section.splitlines()[0]: re.findall(r"^```python\n(.*?)^```", section, re.M | re.S) for section in sections
    }
    return {name: found[0] for name, found in blocks.items() if found}


def is_good(name: str, program: str, interpreter: str, folder: Path) -> bool:
    """Whether a recipe succeeds. Each has a service of its own."""
    port = free_port()
    environment = settings(folder, port)
    with serving(port, environment, folder / "serve.log"):
        made = subprocess.run(
            [*EASEL, "keys", "create", "--account", "recipes", "--credits", "1", "--json"],
            env=environment, check=True, capture_output=True, text=True,
        )  # fmt: skip
        environment["EASEL_API_KEY"] = re.findall(r'"key":"([^"]+)"', made.stdout)[0]
        ran = subprocess.run(
            [interpreter, "-c", program],
            env=environment, cwd=folder, capture_output=True, text=True, timeout=RECIPE_TIMEOUT_S, check=False,
        )  # fmt: skip
    print(f"{name}: {'drawn' if ran.returncode == 0 else 'FAILED'}", flush=True)
    if ran.returncode:
        print(ran.stderr)
    return ran.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
