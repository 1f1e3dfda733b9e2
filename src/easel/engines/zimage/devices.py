"""The devices of this machine that can draw, their memory, and the precision that suits them.

Importing this module imports PyTorch, but no other large library. It does not choose between several GPUs: one worker
draws on one device, which is assigned to it when it is started.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

from easel.engines.engine import EngineUnusable
from easel.engines.zimage import nvidia
from easel.runtime import distribution, process_environment

try:
    import torch
except ImportError as error:
    raise EngineUnusable(
        "The zimage engine needs PyTorch, which is not installed: "
        f"install Easel's gpu extra with `{distribution.install_extra('gpu')}`."
    ) from error

FLOAT32_BYTES_MAX = 4_000_000_000
"""On a CPU, checkpoints of up to this size in float32 use it. The real one takes 41 GB, and 20.5 GB in bf16."""

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}

BFLOAT16_CAPABILITY = (8, 0)

WORKING_BYTES = 4_000_000_000
"""The most that drawing takes on a GPU besides the weights: three of the decoder's widest layers (256 channels in bf16)
at 1536x1536 pixels are 3.6 GB. Computed, not measured."""

DRAWING_BYTES_MIN = 700_000_000
"""What one step at 1024x1024 takes besides the weights. The decoder can do with less, in tiles. Computed."""

SMALLER = {
    "bf16": "set EASEL_WEIGHTS=int8, which halves the transformer, or EASEL_ENGINE=sdcpp, which needs less",
    "int8": "set EASEL_ENGINE=sdcpp, which needs less",
}
"""What to do where the memory is too small, by the value of EASEL_WEIGHTS."""

OUT_OF_MEMORY_SIGNS = (
    "out of memory",  # CUDA, and "MPS backend out of memory"
    "can't allocate memory",  # the CPU allocator
    "not enough memory",  # the CPU allocator, other platforms
    "alloc_failed",  # cuBLAS and cuDNN
    "could not create a memory",  # oneDNN on the CPU
)

NO_HANDLE_SIGNS = (
    "unable to find an engine",  # cuDNN, for a convolution whose every plan needs memory
    "cublas_status_not_initialized",
    "cudnn_status_not_initialized",
)
"""What CUDA's libraries say if they have no memory for themselves, among other reasons."""

LITTLE_BYTES = 1_000_000_000
"""With less free than this on the GPU, those other reasons are unlikely."""


def devices() -> list[str]:
    """Every CUDA device, or else `mps`, or else `cpu`.

    This initializes the GPU driver in the current process, so a supervisor calls it in a subprocess (`device_list`).
    """
    if torch.cuda.is_available():
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        return ["mps"]
    return ["cpu"]


def automatic() -> list[str]:
    """The devices for EASEL_DEVICE=auto. Raises EngineUnusable if an NVIDIA GPU would be left unused."""
    found = devices()
    if found == ["cpu"]:
        reason = why_no_cuda()
        if reason is not None:
            raise EngineUnusable(f"{reason[0].upper()}{reason[1:]}, or set EASEL_DEVICE=cpu to draw on the processor.")
    return found


def why_no_cuda() -> str | None:
    """Why an NVIDIA GPU of this machine is not used. None if there is none, or it is used, or it was hidden on
    purpose."""
    if process_environment.hides_gpus() or torch.version.hip is not None or torch.cuda.is_available():
        return None
    complaint = None
    if torch.version.cuda is not None:
        try:
            torch.cuda.init()
        except Exception as error:  # noqa: BLE001 - whatever it raises is the reason
            complaint = str(error)
    return nvidia.why_unused(nvidia.look(), nvidia.Build(torch.__version__, torch.version.cuda, complaint))


def described(device: torch.device) -> str:
    """The device for the operator, with what its attention kernels depend on."""
    if device.type != "cuda":
        return str(device)
    major, minor = torch.cuda.get_device_capability(device)
    version = torch.backends.cudnn.version() or 0
    cudnn = f"{version // 10_000}.{version // 100 % 100}.{version % 100}"
    name = torch.cuda.get_device_name(device)
    return f"{device} ({name}, compute capability {major}.{minor}, cuDNN {cudnn})"


def pick(wanted: str) -> torch.device:
    """The device named `wanted`; `auto` is the first of `automatic()`. Raises EngineUnusable if there is no such
    device."""
    if wanted == "auto":
        return torch.device(automatic()[0])
    here = devices()
    if wanted == "cpu" or wanted in here or (wanted == "cuda" and "cuda:0" in here):
        return torch.device("cuda:0" if wanted == "cuda" else wanted)
    reason = why_no_cuda() if wanted.startswith("cuda") else None
    if reason is not None:
        raise EngineUnusable(f"EASEL_DEVICE is {wanted}, and {reason}.")
    choices = ", ".join(["auto", *here, *([] if "cpu" in here else ["cpu"])])
    raise EngineUnusable(f"This machine has no device {wanted!r}: choose one of {choices}.")


def require_bfloat16(device: torch.device) -> None:
    """Raise EngineUnusable for an NVIDIA GPU without bf16. The model's numbers exceed those of float16."""
    if device.type != "cuda" or torch.version.hip is not None:
        return
    capability = torch.cuda.get_device_capability(device)
    if capability < BFLOAT16_CAPABILITY:
        raise EngineUnusable(
            f"{torch.cuda.get_device_name(device)} ({device}, compute capability {capability[0]}.{capability[1]}) has no "
            "bfloat16, in which the zimage engine computes: set EASEL_ENGINE=sdcpp to draw with stable-diffusion.cpp, or "
            "use a GPU of compute capability 8.0 or later."
        )


def pick_precision(wanted: str, device: torch.device, parameters: int) -> torch.dtype:
    """The number format of the weights. `auto` is bf16, unless float32 is cheap or the device, an Apple GPU, lacks it.
    Raises EngineUnusable if an NVIDIA GPU lacks it."""
    if wanted != "auto":
        return PRECISIONS[wanted]
    if device.type == "cpu" and parameters * torch.float32.itemsize <= FLOAT32_BYTES_MAX:
        return torch.float32
    if device.type == "mps" and not mps_has_bfloat16():
        return torch.float32
    require_bfloat16(device)
    return torch.bfloat16


def mps_has_bfloat16() -> bool:
    """Whether Metal supports bf16, as it does since macOS 14."""
    return bool(torch.backends.mps.is_macos_or_newer(14, 0))


def text_device(gpu_memory: str, device: torch.device, needed_bytes: int) -> torch.device:
    """The device of the text encoder: the GPU if `needed_bytes` of weights and the drawing fit there, else the CPU.

    `gpu_memory` is `auto`, or `low` to use the CPU always. Devices other than CUDA keep the encoder in any case.
    """
    if device.type != "cuda":
        return device
    if gpu_memory == "low" or needed_bytes + WORKING_BYTES > memory_bytes(device):
        return torch.device("cpu")
    return device


def require_memory(device: torch.device, needed_bytes: int, weights: str) -> None:
    """Raise EngineUnusable if so many bytes of weights do not fit, or leave too little of a GPU to draw at all.
    `weights` is the value of EASEL_WEIGHTS.

    For a GPU, its free memory counts; for a CPU, all memory of the machine, whatever a container's limit is.
    """
    there_bytes = memory_bytes(device)
    if needed_bytes + (DRAWING_BYTES_MIN if device.type == "cuda" else 0) > there_bytes:
        raise EngineUnusable(
            f"The model takes {needed_bytes / 1e9:.1f} GB and {device} has {there_bytes / 1e9:.1f} GB: {SMALLER[weights]}, "
            "or use a device with more memory."
        )


def memory_bytes(device: torch.device) -> int:
    """How many bytes of weights the device can hold at most."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory())
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def memory_in_use_bytes(device: torch.device) -> dict[str, int]:
    """The memory of a GPU by kind: `total`, `free`, `used` by tensors, and `reserved` by PyTorch. Empty for a CPU, and
    for a GPU that does not answer."""
    try:
        if device.type == "cuda":
            free, total = torch.cuda.mem_get_info(device)
            used, reserved = torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device)
            return {"total": total, "free": free, "used": used, "reserved": reserved}
        if device.type == "mps":
            used, reserved = torch.mps.current_allocated_memory(), torch.mps.driver_allocated_memory()
            return {"total": torch.mps.recommended_max_memory(), "used": used, "reserved": reserved}
    except RuntimeError:
        pass  # a lost device: drawing finds that out
    return {}


def is_out_of_memory(error: BaseException, device: torch.device) -> bool:
    """Whether an error from PyTorch means that memory ran out. Only CUDA's allocator has its own exception for that."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    words = str(error).lower()
    if any(sign in words for sign in OUT_OF_MEMORY_SIGNS):
        return True
    return device.type == "cuda" and any(sign in words for sign in NO_HANDLE_SIGNS) and has_little_memory(device)


def has_little_memory(device: torch.device) -> bool:
    """Whether a GPU is nearly full. False if it does not answer."""
    try:
        return memory_bytes(device) < LITTLE_BYTES
    except RuntimeError:
        return False


@contextmanager
def drawing_on(device: torch.device) -> Iterator[None]:
    """On CUDA, make this the current device. Elsewhere do nothing."""
    if device.type != "cuda":
        yield
        return
    with torch.cuda.device(device):
        yield


def settle(device: torch.device) -> None:
    """Wait until the device has done all its work. GPUs work asynchronously."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def probe(device: torch.device) -> None:
    """Compute a little on the device and read it back. Raises whatever PyTorch raises if the device does not answer.

    A kernel that fails on CUDA can leave the process's context useless: every later call then raises the same error.
    """
    ones = torch.ones(64, device=device)
    found = float((ones + ones).sum())
    if found != 2 * len(ones):
        raise RuntimeError(f"{device} computes 64 * 2 = {found}")


def free_caches(device: torch.device) -> None:
    """Return unused memory to the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
