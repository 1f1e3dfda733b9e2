"""Makes the blank engine fail like one on a GPU, as the prompt of a task says.

A service that starts with the variables of `environment` installs this in every one of its processes:

- "unlucky" leaves the device useless to the process, the first time that a task with this prompt is drawn;
- "poison" does so every time.
"""

import os
from pathlib import Path

UNLUCKY, POISON = "an unlucky heron", "a poisonous mushroom"
_FOLDER = "FAULTY_ENGINE_FOLDER"
_ROOT = str(Path(__file__).resolve().parents[2])
_SITE = """
import tests.support.faulty_engine
tests.support.faulty_engine.install()
"""


class CudaError(RuntimeError):
    """What PyTorch raises when a kernel has failed, and from then on at every call."""


def environment(folder: Path) -> dict[str, str]:
    """What to add to the environment of a service. Python imports `sitecustomize` whenever it starts."""
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(_SITE)
    inherited = os.environ.get("PYTHONPATH", "")  # noqa: TID251 - children get ours
    return {"PYTHONPATH": os.pathsep.join([str(folder), _ROOT, inherited]), _FOLDER: str(folder)}


def install() -> None:
    """Replace the blank engine's methods in this process."""
    from easel.engines.blank.engine import Blank
    from easel.engines.engine import Drawing, OnStep, Pixels

    folder = Path(os.environ[_FOLDER])  # noqa: TID251 - set above
    plain = Blank.draw
    lost: list[bool] = []

    def probe(_engine: Blank) -> None:
        if lost:
            raise CudaError("CUDA error: an illegal memory access was encountered")

    def draw(engine: Blank, drawing: Drawing, on_step: OnStep) -> Pixels:
        probe(engine)
        was_unlucky = folder / "was-unlucky"
        if drawing.prompt == POISON or (drawing.prompt == UNLUCKY and not was_unlucky.exists()):
            was_unlucky.touch()
            lost.append(True)
            probe(engine)
        return plain(engine, drawing, on_step)

    setattr(Blank, "draw", draw)  # noqa: B010 - the type checker refuses an assignment
    setattr(Blank, "probe", probe)  # noqa: B010
