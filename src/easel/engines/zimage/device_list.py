"""Asks about the devices of this machine in a subprocess, so that this process loads neither PyTorch nor a GPU
driver."""

import subprocess
import sys
from typing import Any, Final

import msgspec

from easel.engines.engine import EngineUnusable, Observation

TIMEOUT_S: Final = 120
_LIST: Final = """
import msgspec, sys
from easel.engines.zimage.devices import automatic
sys.stdout.buffer.write(msgspec.json.encode(automatic()))
"""
_REPORT: Final = """
import msgspec, sys
from easel.engines.zimage.device_report import report
sys.stdout.buffer.write(msgspec.json.encode(report(*sys.argv[1:])))
"""


def list_devices() -> list[str]:
    """Every CUDA device, or else `mps`, or else `cpu`. Raises EngineUnusable, also if a GPU would be left unused."""
    return msgspec.convert(_answer(_LIST), list[str])


def look_at_devices(device: str, attention: str) -> list[Observation]:
    """What `easel doctor` says about the devices that EASEL_DEVICE and EASEL_ATTENTION mean. Raises EngineUnusable."""
    lines = msgspec.convert(_answer(_REPORT, device, attention), list[tuple[str, bool]])
    return [Observation(words, is_usable, subject="device") for words, is_usable in lines]


def _answer(program: str, *arguments: str) -> Any:
    """What the program writes, decoded."""
    try:
        ran = subprocess.run(  # noqa: S603 - our own interpreter, our own code
            [sys.executable, "-c", program, *arguments], capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise EngineUnusable(
            f"PyTorch did not list its devices within {TIMEOUT_S} seconds: name one in EASEL_DEVICE."
        ) from None
    if ran.returncode != 0:
        lines = ran.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1].rpartition("EngineUnusable: ")[2] if lines else "PyTorch failed."
        raise EngineUnusable(reason)
    return msgspec.json.decode(ran.stdout)
