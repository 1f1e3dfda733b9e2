"""What `easel doctor` says about the devices that workers would draw on. Imports PyTorch and starts the GPU's
driver."""

from collections.abc import Iterator

import torch

from easel.engines.engine import EngineUnusable
from easel.engines.zimage import compiler
from easel.engines.zimage.attention import attention_on
from easel.engines.zimage.devices import automatic, described, memory_bytes, pick, require_bfloat16, why_no_cuda

Line = tuple[str, bool]
"""Words, and whether nothing in them prevents drawing."""


def report(wanted: str, attention: str) -> list[Line]:
    """The devices that EASEL_DEVICE means, one line each. `attention` is EASEL_ATTENTION."""
    try:
        devices = [torch.device(name) for name in automatic()] if wanted == "auto" else [pick(wanted)]
    except EngineUnusable as error:
        return [(str(error), False)]
    return [line for device in devices for line in about(device, attention)]


def about(device: torch.device, attention: str) -> Iterator[Line]:
    """The lines about one device."""
    if device.type == "cpu":
        reason = why_no_cuda()
        yield f"cpu, which takes many minutes for a picture{f'; {reason}' if reason else ''}", True
        return
    try:
        require_bfloat16(device)
    except EngineUnusable as error:
        yield str(error), False
        return
    free = f"{memory_bytes(device) / 1e9:.1f} GB free"
    if device.type != "cuda":
        yield f"{described(device)}, {free}", True
        return
    yield f"{described(device)}, {free}, attention {attention_on(attention, device).words()}", True
    lacks = compiler.missing()
    if lacks:
        yield f"{device} draws slower, because nothing can be compiled without {' and '.join(lacks)}", True
