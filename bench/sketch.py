"""How fast Easel Sketch draws, and how much memory a worker needs for it: `python -m bench.sketch` measures only this.

The drawing is measured in a process of its own. The worker is one of a whole service. Its memory is what it holds after
it has drawn squares of every size, and the most that it held meanwhile, including what it shares with other processes.
"""

import http.client
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench import usage
from bench.contender import HOST, Unstartable, data_folder, python
from bench.easel_serve import EaselServe
from bench.sketch_drawing import PROMPTS, SIDES_PX, SketchDrawing

TIMEOUT_S: Final = 300


@dataclass(frozen=True, slots=True)
class SketchFound:
    """What was measured. Memory is in MB of 1,000,000 bytes."""

    drawing: SketchDrawing
    worker_mb: float
    worker_most_mb: float


def measure(folder: Path) -> SketchFound:
    """Measure the drawing, then a worker of a service with its data in this empty folder. Raises Unstartable."""
    ended = subprocess.run(python("bench.sketch_drawing"), capture_output=True, check=True, timeout=TIMEOUT_S)
    return SketchFound(SketchDrawing(**json.loads(ended.stdout)), *_worker_mb(folder))


def _worker_mb(folder: Path) -> tuple[float, float]:
    service = EaselServe(folder, EASEL_ENGINE="sketch", EASEL_WORKERS="1")
    try:
        service.start()
        service.wait_until_ready()
        for side_px in SIDES_PX:
            for prompt in PROMPTS:
                _draw(service, prompt, side_px)
        worker = next(pid for name, pid in service.parts().items() if name.startswith("worker"))
        return usage.resident_mb(worker), usage.most_resident_mb(worker)
    finally:
        service.stop()


def _draw(service: EaselServe, prompt: str, side_px: int) -> None:
    order = {"model": "z-image-turbo", "prompt": prompt, "size": f"{side_px}x{side_px}", "seed": 1}
    headers = {
        "authorization": f"Bearer {service.first_key()}", "content-type": "application/json", "prefer": "wait=60",
    }  # fmt: skip
    connection = http.client.HTTPConnection(HOST, service.port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", "/v1/images/generations", json.dumps(order), headers)
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    if answer.get("status") != "completed":
        raise Unstartable(f"Easel Sketch did not draw {prompt!r}: {answer}")


if __name__ == "__main__":
    with data_folder() as own_folder:
        sys.stdout.write(json.dumps(asdict(measure(own_folder)), indent=1) + "\n")
