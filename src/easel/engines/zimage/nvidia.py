"""Whether this machine has an NVIDIA GPU that PyTorch does not use, and why.

PyTorch then lists no GPU, as on a machine without one, and a worker would draw on the processor for half an hour a
picture. The GPU is looked for where Linux shows it. Other systems show none here.
"""

import re
from dataclasses import dataclass
from pathlib import Path

VENDOR = "0x10de"
DISPLAY_CLASS = "0x03"
_DRIVER = re.compile(r"Kernel Module.*?\s(\d+(?:\.\d+)+)\s")


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the system shows. `driver` is the version of its kernel module, or None if that is not loaded."""

    has_gpu: bool
    driver: str | None


@dataclass(frozen=True, slots=True)
class Build:
    """PyTorch's own version, the CUDA version that it is built for, and why it cannot use that, if it said so."""

    version: str
    cuda: str | None
    complaint: str | None


def look(root: Path = Path("/")) -> Hardware:
    """What this machine has. `root` is its file system."""
    driver = _driver(root / "proc/driver/nvidia/version")
    has_gpu = (
        driver is not None
        or any((root / "dev").glob("nvidia[0-9]*"))
        or any((root / "usr/lib/wsl/lib").glob("libcuda.so*"))
        or any(_is_display(device) for device in (root / "sys/bus/pci/devices").glob("*"))
    )
    return Hardware(has_gpu, driver)


def why_unused(hardware: Hardware, build: Build) -> str | None:
    """Why PyTorch does not use the GPU, and what to do, in one clause. None if there is none."""
    if not hardware.has_gpu:
        return None
    driver = "no driver of NVIDIA's is loaded" if hardware.driver is None else f"its driver is {hardware.driver}"
    if build.cuda is None:
        return (
            f"this machine has an NVIDIA GPU ({driver}), but PyTorch {build.version} is built without CUDA: "
            "install PyTorch from the default package index"
        )
    complaint = "" if build.complaint is None else f" ({_sentence(build.complaint)})"
    return (
        f"this machine has an NVIDIA GPU ({driver}), but PyTorch {build.version}, which is built for CUDA {build.cuda}, "
        f"cannot use it{complaint}: install a driver for CUDA {build.cuda} or later, give a container access to the GPU, "
        "or install a PyTorch that is built for an earlier CUDA"
    )


def _driver(file: Path) -> str | None:
    try:
        found = _DRIVER.search(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return None if found is None else found[1]


def _is_display(device: Path) -> bool:
    try:
        vendor, kind = ((device / name).read_text().strip() for name in ("vendor", "class"))
    except (OSError, UnicodeDecodeError):
        return False
    return vendor == VENDOR and kind.startswith(DISPLAY_CLASS)


def _sentence(text: str) -> str:
    """The first sentence of what a library says."""
    return text.split("\n", 1)[0].split(". ", 1)[0].rstrip(".")
