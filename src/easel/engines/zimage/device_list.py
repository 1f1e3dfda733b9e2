"""Lists the devices of this machine in a subprocess, so that this process loads neither PyTorch nor a GPU driver."""

import subprocess
import sys
from typing import Final

import msgspec

from easel.engines.engine import EngineUnusable

TIMEOUT_S: Final = 120
_PROGRAM: Final = """
import msgspec, sys
from easel.engines.zimage.devices import devices
sys.stdout.buffer.write(msgspec.json.encode(devices()))
"""


def list_devices() -> list[str]:
    """Every CUDA device, or else `mps`, or else `cpu`. Raises EngineUnusable."""
    try:
        listed = subprocess.run(  # noqa: S603 - our own interpreter, our own code
            [sys.executable, "-c", _PROGRAM], capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise EngineUnusable(
            f"PyTorch did not list its devices within {TIMEOUT_S} seconds: name one in EASEL_DEVICE."
        ) from None
    if listed.returncode != 0:
        lines = listed.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1].rpartition("EngineUnusable: ")[2] if lines else "PyTorch failed."
        raise EngineUnusable(reason)
    return msgspec.json.decode(listed.stdout, type=list[str])
