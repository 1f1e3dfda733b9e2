"""The machine that the zimage engine finds: GPUs that PyTorch cannot use, cards without bf16, and missing compilers.

There is no GPU here. Files stand for what Linux shows, and functions for what CUDA's driver would answer.
"""

import importlib.util
import shutil
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

# These tests need the gpu extra and are skipped without it.
pytest.importorskip("torch", reason="the gpu extra is not installed")

import torch

from easel.engines.engine import EngineUnusable
from easel.engines.zimage import compiler, device_report, devices, nvidia
from easel.engines.zimage.device_list import look_at_devices
from easel.engines.zimage.devices import (
    automatic,
    is_out_of_memory,
    pick,
    pick_precision,
    require_bfloat16,
    require_memory,
)
from easel.engines.zimage.engine import ZImage
from easel.engines.zimage.nvidia import Build, Hardware, why_unused
from tests.support.command_line import easel

CLOSED = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version: gcc 12\n"
)
OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (builder)\n"
TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by downloading and "
    "installing a new version from the URL: http://www.nvidia.com/Download/index.aspx"
)
CARD = Hardware(has_gpu=True, driver="470.57.02")


def write(file: Path, text: str = "") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def pci(root: Path, vendor: str, kind: str) -> None:
    write(root / "sys/bus/pci/devices/0000:01:00.0/vendor", f"{vendor}\n")
    write(root / "sys/bus/pci/devices/0000:01:00.0/class", f"{kind}\n")


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda root: None, Hardware(has_gpu=False, driver=None)),
        (lambda root: write(root / "dev/nvidia0"), Hardware(has_gpu=True, driver=None)),
        (lambda root: write(root / "dev/nvidiactl"), Hardware(has_gpu=False, driver=None)),
        (lambda root: write(root / "proc/driver/nvidia/version", CLOSED), Hardware(has_gpu=True, driver="535.104.05")),
        (lambda root: write(root / "proc/driver/nvidia/version", OPEN), Hardware(has_gpu=True, driver="580.65.06")),
        (lambda root: write(root / "usr/lib/wsl/lib/libcuda.so.1"), Hardware(has_gpu=True, driver=None)),
        (lambda root: pci(root, "0x10de", "0x030000"), Hardware(has_gpu=True, driver=None)),
        (lambda root: pci(root, "0x10de", "0x030200"), Hardware(has_gpu=True, driver=None)),
        (lambda root: pci(root, "0x10de", "0x040300"), Hardware(has_gpu=False, driver=None)),
        (lambda root: pci(root, "0x1002", "0x030000"), Hardware(has_gpu=False, driver=None)),
        (lambda root: write(root / "sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de"), Hardware(False, None)),
    ],
    ids=["none", "device", "control", "closed", "open", "wsl", "vga", "3d", "audio", "amd", "damaged"],
)
def test_an_nvidia_gpu_is_found_where_linux_shows_it(
    make: Callable[[Path], None], found: Hardware, tmp_path: Path
) -> None:
    make(tmp_path)
    assert nvidia.look(tmp_path) == found


def test_a_build_without_cuda_is_named_with_its_version() -> None:
    assert why_unused(CARD, Build("2.13.0+cpu", None, None)) == (
        "this machine has an NVIDIA GPU (its driver is 470.57.02), but PyTorch 2.13.0+cpu is built without CUDA: "
        "install PyTorch from the default package index"
    )


def test_a_driver_that_is_too_old_is_named_with_all_versions_and_what_cuda_said() -> None:
    told = str(why_unused(CARD, Build("2.13.0", "13.0", TOO_OLD)))
    assert (
        "(its driver is 470.57.02), but PyTorch 2.13.0, which is built for CUDA 13.0, cannot use it (The NVIDIA driver"
        in told
    )
    assert "too old (found version 11040)): install a driver for CUDA 13.0 or later" in told
    assert "http" not in told


def test_a_machine_without_a_driver_or_without_a_gpu_is_told_apart() -> None:
    assert "no driver of NVIDIA's is loaded" in str(why_unused(Hardware(True, None), Build("2.13.0", "13.0", None)))
    assert why_unused(Hardware(False, None), Build("2.13.0", None, None)) is None


@pytest.fixture
def card_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with an NVIDIA GPU, on which PyTorch has no CUDA."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(nvidia, "look", lambda: CARD)
    for name in ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("card_without_cuda")
def test_a_gpu_is_not_left_unused_unless_the_operator_names_the_processor() -> None:
    for act in (automatic, lambda: pick("auto"), lambda: ZImage("any")):
        with pytest.raises(EngineUnusable, match=r"^This machine has an NVIDIA GPU .*, or set EASEL_DEVICE=cpu"):
            act()
    with pytest.raises(EngineUnusable, match=r"^EASEL_DEVICE is cuda:0, and this machine has an NVIDIA GPU"):
        pick("cuda:0")
    assert pick("cpu") == torch.device("cpu")
    ((words, is_usable),) = device_report.report("cpu", "auto")
    assert is_usable
    assert words.startswith("cpu, which takes many minutes for a picture; this machine has an NVIDIA GPU")
    ((words, is_usable),) = device_report.report("auto", "auto")
    assert not is_usable


@pytest.mark.usefixtures("card_without_cuda")
@pytest.mark.parametrize(
    ("name", "value"),
    [("CUDA_VISIBLE_DEVICES", ""), ("CUDA_VISIBLE_DEVICES", "-1"), ("NVIDIA_VISIBLE_DEVICES", "void")],
)
def test_a_gpu_that_was_hidden_on_purpose_is_not_missed(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert automatic() == devices.devices() != []


def test_the_service_does_not_start_on_the_processor_of_a_machine_with_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = "import easel.engines.zimage.nvidia as n\nn.look = lambda: n.Hardware(True, '470.57.02')\n"
    write(tmp_path / "site/sitecustomize.py", site)
    path = ":".join([str(tmp_path / "site"), *sys.path])
    started = easel("serve", PYTHONPATH=path, EASEL_ENGINE="zimage", EASEL_DATA_DIR=str(tmp_path / "data"))
    assert started.returncode == 78
    assert "This machine has an NVIDIA GPU (its driver is 470.57.02), but PyTorch" in started.stderr
    monkeypatch.setenv("PYTHONPATH", path)
    assert [found.is_usable for found in look_at_devices("auto", "auto")] == [False]


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, tuple[int, int]], torch.device]:
    """Puts an NVIDIA GPU into this machine, as far as PyTorch describes it."""

    def put(name: str, capability: tuple[int, int]) -> torch.device:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (15_000_000_000, 16_000_000_000))
        monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91502)
        return torch.device("cuda:0")

    return put


Card = Callable[[str, tuple[int, int]], torch.device]


@pytest.mark.parametrize(("name", "capability"), [("Tesla T4", (7, 5)), ("Tesla V100", (7, 0)), ("P100", (6, 0))])
def test_a_card_without_bf16_is_refused_by_name(card: Card, name: str, capability: tuple[int, int]) -> None:
    device = card(name, capability)
    with pytest.raises(EngineUnusable, match=rf"{name} .*compute capability {capability[0]}\.{capability[1]}.*sdcpp"):
        pick_precision("auto", device, 10_000_000_000)
    assert [is_usable for _, is_usable in device_report.report("auto", "auto")] == [False]


@pytest.mark.parametrize(
    ("weights", "remedy"), [("bf16", "set EASEL_WEIGHTS=int8, which halves"), ("int8", "set EASEL_ENGINE=sdcpp")]
)
def test_a_card_on_which_nothing_can_be_drawn_beside_the_weights_is_refused_with_what_to_do(
    card: Card, weights: str, remedy: str
) -> None:
    device = card("RTX 4080", (8, 9))
    require_memory(device, 14_200_000_000, weights)
    with pytest.raises(EngineUnusable, match=rf"takes 14\.4 GB and cuda:0 has 15\.0 GB: {remedy}"):
        require_memory(device, 14_400_000_000, weights)


def test_a_card_with_bf16_and_other_devices_are_not_refused(card: Card) -> None:
    assert pick_precision("auto", card("RTX 3060", (8, 6)), 1) == torch.bfloat16
    for name in ("cpu", "mps"):
        require_bfloat16(torch.device(name))


def test_the_doctor_names_card_versions_memory_and_attention(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    card("NVIDIA H200", (9, 0))
    monkeypatch.setattr(compiler, "missing", lambda: ["gcc", "Triton"])
    usual = "cuda:0 (NVIDIA H200, compute capability 9.0, cuDNN 9.15.2), 15.0 GB free, attention"
    lines = device_report.report("auto", "auto")
    assert lines == [
        (f"{usual} cuDNN, flash, efficient, math", True),
        ("cuda:0 draws slower, because nothing can be compiled without gcc and Triton", True),
    ]
    assert device_report.report("cuda:0", "math")[0] == (f"{usual} math", True)


def test_what_a_compiler_needs_is_named_if_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"gcc"}
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in here else None)
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name in here else None)
    assert [words.split(" (")[0] for words in compiler.missing()] == ["Python's header files", "Triton"]
    (tmp_path / "Python.h").touch()
    here |= {"triton"}
    assert compiler.missing() == []
    monkeypatch.setenv("CC", "icc")
    assert compiler.missing() == ["the C compiler icc (CC)"]
    monkeypatch.delenv("CC")
    here.clear()
    here |= {"clang", "triton"}
    assert compiler.missing() == []


NOT_INITIALIZED = "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"
NO_ENGINE = "GET was unable to find an engine to execute this computation"


@pytest.mark.parametrize("words", [NOT_INITIALIZED, NO_ENGINE, "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"])
def test_what_cudas_libraries_say_on_a_full_gpu_means_memory(
    words: str, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, error = card("RTX 3060", (8, 6)), RuntimeError(words)
    assert not is_out_of_memory(error, device), "15 GB are free"
    assert not is_out_of_memory(error, torch.device("cpu"))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (200_000_000, 16_000_000_000))
    assert is_out_of_memory(error, device)
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"), device)


def test_a_gpu_that_does_not_answer_has_no_lack_of_memory(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    device = card("RTX 3060", (8, 6))

    def fail(device: torch.device) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(torch.cuda, "mem_get_info", fail)
    assert not is_out_of_memory(RuntimeError(NOT_INITIALIZED), device)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."), device)
