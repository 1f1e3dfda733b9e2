"""The engine that the settings name, and the devices that it draws on.

Engines are imported by name, inside a function, so that neither the web process nor the command line loads PyTorch or
onnxruntime.
"""

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import msgspec

from easel.engines.engine import Engine, EngineUnusable
from easel.runtime import process_environment
from easel.settings.settings import Settings

if TYPE_CHECKING:
    from easel.engines.remote.engine import Remote
    from easel.engines.zimage.engine import ZImage

LIST_DEVICES_TIMEOUT_S: Final = 120


def engine(settings: Settings) -> Engine:
    """The engine that the settings name, not yet loaded. Raises EngineUnusable where it is not installed."""
    if settings.engine == "blank":
        from easel.engines.blank import Blank

        return Blank(step_s=settings.blank_step_s)
    if settings.engine == "remote":
        return remote(settings)
    if settings.engine == "nano":
        from easel.engines.nano.engine import Nano

        return Nano(threads=nano_threads(settings))
    return zimage(settings)


def zimage(settings: Settings) -> "ZImage":
    """The model in this process, not yet loaded. Raises EngineUnusable."""
    process_environment.keep_compiled(settings.compiled_folder)
    from easel.engines.zimage.engine import ZImage
    from easel.engines.zimage.lora import Lora

    lora = settings.lora_file_and_scale
    return ZImage(
        settings.model,
        settings.device,
        gpu_memory=settings.gpu_memory,
        lora=None if lora is None else Lora(*lora),
    )


def nano_threads(settings: Settings) -> int:
    """The cores' share of each worker of this machine; 0, where the settings leave the workers open, takes them all."""
    return max(1, (os.cpu_count() or 1) // settings.workers) if settings.workers else 0


def remote(settings: Settings) -> "Remote":
    """The engine that asks an image server, not yet loaded. Raises EngineUnusable."""
    from easel.engines.remote.engine import ImageServer, Remote

    assert settings.remote_url is not None, "the settings are refused without it"
    return Remote(
        ImageServer(
            url=settings.remote_url,
            model=settings.remote_model,
            api_key=settings.remote_api_key,
            timeout_s=settings.remote_timeout_s,
            draws_at_once=settings.remote_draws_at_once,
            steps=settings.remote_steps,
        )
    )


def devices(settings: Settings) -> list[str]:
    """The devices to put one worker on each; one for an engine to which it does not matter. Raises EngineUnusable.

    PyTorch is asked in a process of its own, so that this one stays small and keeps its hands off the GPU.
    """
    if settings.engine != "zimage" or settings.device != "auto":
        return [settings.device]
    code = "import msgspec, sys\nfrom easel.engines.zimage.devices import devices\n"
    code += "sys.stdout.buffer.write(msgspec.json.encode(devices()))"
    try:
        asked = subprocess.run(  # noqa: S603 - our own interpreter, our own code
            [sys.executable, "-c", code], capture_output=True, timeout=LIST_DEVICES_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise EngineUnusable(
            f"PyTorch did not list its devices within {LIST_DEVICES_TIMEOUT_S} seconds: name one in EASEL_DEVICE."
        ) from None
    if asked.returncode != 0:
        lines = asked.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1].rpartition("EngineUnusable: ")[2] if lines else "PyTorch failed."
        raise EngineUnusable(reason)
    return msgspec.json.decode(asked.stdout, type=list[str])
