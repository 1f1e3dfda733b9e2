"""Where Z-Image can be drawn: the devices of this machine, their memory, and the precision that suits them.

Importing this module imports PyTorch and nothing else that is large. It does not choose between several GPUs: one
worker draws on one device, and whoever starts workers hands the devices out.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

from easel.engines.engine import EngineUnusable
from easel.runtime import distribution

try:
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
except ImportError as error:
    raise EngineUnusable(
        "The zimage engine needs PyTorch, which is not installed: "
        f"install Easel's gpu extra with `{distribution.install_extra('gpu')}`."
    ) from error

FLOAT32_BYTES_MAX = 4_000_000_000
"""On a CPU, checkpoints up to this size are drawn in float32. The real one would take 41 GB, and takes 20.5 in bf16."""

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}

ATTENTION_ORDER = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]
"""Which of PyTorch's own attentions to take on CUDA: the first that this GPU and these shapes have."""

WORKING_BYTES = 4_000_000_000
"""What drawing takes on a GPU besides the weights, at most: three of the decoder's widest layers (256 channels in bf16)
at 1536x1536 pixels are 3.6 GB. Computed, not measured."""

OUT_OF_MEMORY_SIGNS = (
    "out of memory",  # CUDA, and "MPS backend out of memory"
    "can't allocate memory",  # the CPU allocator
    "not enough memory",  # the CPU allocator, other platforms
    "alloc_failed",  # cuBLAS and cuDNN
    "could not create a memory",  # oneDNN on the CPU
)


def devices() -> list[str]:
    """The devices to put one worker on each: every CUDA device, or else `mps`, or else `cpu`.

    It initialises the GPU driver in the process that calls it, so a supervisor asks a subprocess.
    """
    if torch.cuda.is_available():
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        return ["mps"]
    return ["cpu"]


def pick(wanted: str) -> torch.device:
    """The device called `wanted`; `auto` is the first of `devices()`. Raises EngineUnusable where there is none."""
    here = devices()
    if wanted == "auto":
        return torch.device(here[0])
    if wanted == "cpu" or wanted in here or (wanted == "cuda" and "cuda:0" in here):
        return torch.device("cuda:0" if wanted == "cuda" else wanted)
    choices = ", ".join(["auto", *here, *([] if "cpu" in here else ["cpu"])])
    raise EngineUnusable(f"There is no device {wanted!r} on this machine: choose one of {choices}.")


def pick_precision(wanted: str, device: torch.device, parameters: int) -> torch.dtype:
    """The number format to hold the weights in; `auto` is bf16, save where the device lacks it or float32 is cheap."""
    if wanted != "auto":
        return PRECISIONS[wanted]
    if device.type == "cpu" and parameters * torch.float32.itemsize <= FLOAT32_BYTES_MAX:
        return torch.float32
    if device.type == "mps" and not mps_has_bfloat16():
        return torch.float32
    return torch.bfloat16


def mps_has_bfloat16() -> bool:
    """Whether Metal knows bf16 here: since macOS 14."""
    return bool(torch.backends.mps.is_macos_or_newer(14, 0))


def text_device(gpu_memory: str, device: torch.device, needed_bytes: int) -> torch.device:
    """Where to keep the text encoder: on the GPU if `needed_bytes` of weights and the drawing fit there, else the CPU.

    `gpu_memory` is `auto` or `low`, which always means the CPU. Devices that are no GPU of their own keep it anyway.
    """
    if device.type != "cuda":
        return device
    if gpu_memory == "low" or needed_bytes + WORKING_BYTES > memory_bytes(device):
        return torch.device("cpu")
    return device


def require_memory(device: torch.device, needed_bytes: int) -> None:
    """Raise EngineUnusable where the weights alone do not fit.

    It knows a GPU's free memory, but a machine's whole memory only, and nothing of a container's limit.
    """
    there_bytes = memory_bytes(device)
    if needed_bytes > there_bytes:
        raise EngineUnusable(
            f"The model takes {needed_bytes / 1e9:.1f} GB and {device} has {there_bytes / 1e9:.1f} GB for it: "
            "use a device with more memory, or another engine."
        )


def memory_bytes(device: torch.device) -> int:
    """How many bytes of weights the device could take at best."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory())
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error raised by PyTorch means that memory ran out; only CUDA's allocator has a class for that."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in OUT_OF_MEMORY_SIGNS)


@contextmanager
def drawing_on(device: torch.device) -> Iterator[None]:
    """On CUDA, make this the device that kernels and events mean, and choose among attentions; else nothing."""
    if device.type != "cuda":
        yield
        return
    with torch.cuda.device(device), sdpa_kernel(ATTENTION_ORDER, set_priority=True):
        yield


def settle(device: torch.device) -> None:
    """Wait until the device has done what it was told so far; GPUs run behind the code that drives them."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def free_caches(device: torch.device) -> None:
    """Give the memory that nothing uses any more back to the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
