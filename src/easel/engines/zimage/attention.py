"""Which of PyTorch's attention kernels are used on CUDA, and in which order.

cuDNN's is the fastest on a few GPUs, lacks plans on others, and makes a new plan for each length, which takes about 0.4
seconds. So only a picture's steps use it, and only on GPUs where PyTorch itself prefers it. Elsewhere FlashAttention is
first.

PyTorch chooses the kernel when it compiles. Its cache of whole graphs does not know that and would return code with
another kernel, so `warm_up` switches that cache off.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

Order = tuple[SDPBackend, ...]

CUDNN, FLASH, EFFICIENT, MATH = (
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
)
NAMES = {CUDNN: "cuDNN", FLASH: "flash", EFFICIENT: "efficient", MATH: "math"}
ORDERS: dict[str, Order] = {
    "flash": (FLASH, EFFICIENT, MATH),
    "cudnn": (CUDNN, FLASH, EFFICIENT, MATH),
    "efficient": (EFFICIENT, MATH),
    "math": (MATH,),
}
"""By the values of EASEL_ATTENTION. The first kernel that supports the GPU and the shapes is used: the autoencoder's
heads are too wide for cuDNN and flash."""

CUDNN_CAPABILITIES = frozenset({(9, 0), (10, 0)})
CUDNN_VERSION = 91501
"""PyTorch prefers cuDNN's attention on these GPUs with a later version than this (9.15.1)."""


@dataclass(frozen=True, slots=True)
class Attention:
    """The kernels for a picture's steps, and those for everything else, which has other lengths each time."""

    steps: Order
    others: Order

    @property
    def has_cudnn(self) -> bool:
        """Whether steps prefer cuDNN's kernel."""
        return CUDNN in self.steps

    def without_cudnn(self) -> "Attention":
        """The same without cuDNN's kernel."""
        return Attention(self.others, self.others)

    def words(self) -> str:
        """The order for the operator."""
        return ", ".join(NAMES[kernel] for kernel in self.steps)


def attention(choice: str, capability: tuple[int, int], cudnn_version: int | None) -> Attention:
    """The kernels for a GPU. `choice` is a value of EASEL_ATTENTION."""
    if choice == "auto":
        prefers_cudnn = capability in CUDNN_CAPABILITIES and (cudnn_version or 0) > CUDNN_VERSION
        choice = "cudnn" if prefers_cudnn else "flash"
    steps = ORDERS[choice]
    return Attention(steps, tuple(kernel for kernel in steps if kernel is not CUDNN))


def attention_on(choice: str, device: torch.device) -> Attention:
    """The kernels on this device. Other devices than CUDA ignore the order."""
    if device.type != "cuda":
        return attention(choice, (0, 0), None)
    return attention(choice, torch.cuda.get_device_capability(device), torch.backends.cudnn.version())


@contextmanager
def attending(order: Order, device: torch.device) -> Iterator[None]:
    """On CUDA, use the attention kernels in this order. Elsewhere do nothing."""
    if device.type != "cuda":
        yield
        return
    with sdpa_kernel(list(order), set_priority=True):
        yield
