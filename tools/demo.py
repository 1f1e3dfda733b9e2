"""`make demo`: starts the whole service on a temporary data folder, draws a cat through the API, and stops everything.

The default engine, Easel Sketch, draws the cat. Nothing is downloaded.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
PICTURE = Path("cat.webp")
EASEL = [sys.executable, "-m", "easel"]


def main() -> int:
    """Draw the cat and return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # When root runs this, the system user of the private database needs access to the folder.
    folder = Path(tempfile.mkdtemp(prefix="easel-demo-"))
    folder.chmod(0o711)
    try:
        return draw(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def draw(folder: Path) -> int:
    """Serve from the folder, and draw one picture."""
    port = free_port()
    environment = settings(folder, port)
    with serving(port, environment, folder / "serve.log"):
        made = subprocess.run(
            [*EASEL, "keys", "create", "--account", "demo", "--credits", "1", "--json"],
            env=environment, check=True, capture_output=True,
        )  # fmt: skip
        environment["EASEL_API_KEY"] = json.loads(made.stdout)["key"]
        print('Drawing "a cute cat" through the HTTP API …', flush=True)
        drawn = subprocess.run(
            [*EASEL, "generate", "a cute cat", "--size", "1:1", "--seed", "1", "--output", str(PICTURE), "--force"],
            env=environment,
            check=False,
        )
    if drawn.returncode == 0:
        print(
            "Easel Sketch, the built-in engine, drew it by rules, without AI. Everything is stopped.\n"
            "The README describes how to keep Easel running and how to draw with the real model."
        )
    return drawn.returncode


def settings(folder: Path, port: int) -> dict[str, str]:
    """The environment of all processes of the demo, without the operator's own settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EASEL_")}  # noqa: TID251 - passed on
    return clean | {
        "EASEL_DATA_DIR": str(folder),
        "EASEL_URL": f"http://127.0.0.1:{port}",
    }


@contextmanager
def serving(port: int, environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run `easel serve` during the block, which starts when it is ready."""
    print("Starting the service: database, web process, worker …", flush=True)
    with log.open("wb") as output:
        service = subprocess.Popen(
            [*EASEL, "serve", "--port", str(port)], env=environment, stdout=output, stderr=output
        )
    try:
        wait_until_ready(service, log)
        yield
    finally:
        service.send_signal(signal.SIGTERM)
        try:
            service.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            service.kill()


def wait_until_ready(service: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the service reports that it is ready. If it ends instead, exit with its log."""
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while b" is ready at " not in log.read_bytes():
        if service.poll() is not None or time.monotonic() > give_up_s:
            sys.exit(f"The service did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.1)


def free_port() -> int:
    """A free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
