"""Compiles the model on CUDA by drawing, before a worker reports that it is ready.

The block is compiled once for all sizes, and once more for captions if those use another attention kernel, and the
decoder is compiled once. If that fails, it is tried without cuDNN's attention, and then nothing is compiled. cuDNN
makes a plan for each length, so the plans of common pictures and captions are made here too.
"""

import itertools
import logging
from collections.abc import Iterator

import torch
from torch._functorch import config as functorch_config

from easel.engines.engine import Drawing, DrawingFailed, EngineUnusable
from easel.engines.zimage.attention import Attention, attending
from easel.engines.zimage.devices import drawing_on, is_out_of_memory, probe
from easel.engines.zimage.forward import SEQUENCE_MULTIPLE, run_block, run_caption_block
from easel.engines.zimage.painting import Loaded, paint
from easel.engines.zimage.schedule import STEPS
from easel.engines.zimage.steps import Steps

log = logging.getLogger(__name__)

WARM_UP = [Drawing("a", 768, 512, 1), Drawing("a heron at dawn, " * 12, 1024, 1024, 1)]
"""Two sizes and two caption lengths, so that the compiler learns that both may change. The first is not a square, or
height and width would be compiled as one number."""

COMMON_PICTURE_TOKENS = (32 * 32, 64 * 64)
"""Those of 512x512 and 1024x1024 pixels."""
COMMON_CAPTION_TOKENS = range(SEQUENCE_MULTIPLE, 256 + 1, SEQUENCE_MULTIPLE)


def warm_up(loaded: Loaded) -> None:
    """Compile, and draw the warm-up pictures. Raises DrawingFailed if there is nothing in them, EngineUnusable if the
    device does not answer any more, and whatever PyTorch raises for lack of memory."""
    for is_compiled, attention in attempts(loaded.attention):
        prepare(loaded, attention, is_compiled=is_compiled)
        try:
            draw_warm_up(loaded)
        except (RuntimeError, OSError, DrawingFailed) as error:
            if is_out_of_memory(error, loaded.device):
                raise
            require_answer(loaded.device, error)
            if not is_compiled:
                raise
            log.warning(
                "the compiled model fails with attention %s (%s), trying without %s",
                attention.words(),
                words(error),
                "cuDNN" if attention.has_cudnn else "compiling, so drawing will be slower",
            )
        else:
            return


def attempts(attention: Attention) -> Iterator[tuple[bool, Attention]]:
    """Whether to compile, and with which kernels, in order of preference."""
    yield True, attention
    if attention.has_cudnn:
        yield True, attention.without_cudnn()
    yield False, attention.without_cudnn()


def prepare(loaded: Loaded, attention: Attention, *, is_compiled: bool) -> None:
    """Use these kernels from now on, and compile the model at the next drawing, or do not."""
    torch.compiler.reset()
    # Its key lacks the attention kernel. The cache below it, which saves more, knows it.
    functorch_config.enable_autograd_cache = False
    loaded.attention = attention
    if not is_compiled:
        loaded.denoiser.run = loaded.denoiser.run_caption = run_block
        loaded.decoder.uncompile()
        return
    loaded.denoiser.run = loaded.denoiser.run_caption = torch.compile(run_block, dynamic=True)
    if attention.steps != attention.others:
        loaded.denoiser.run_caption = torch.compile(run_caption_block, dynamic=True)
    loaded.decoder.compile()


def draw_warm_up(loaded: Loaded) -> None:
    """Draw the warm-up pictures and discard them."""
    run_block_once(loaded, max(COMMON_PICTURE_TOKENS))
    for drawing in WARM_UP:
        paint(loaded, drawing, Steps(lambda steps_done, steps_total: None, loaded.device, STEPS))
    if loaded.attention.has_cudnn:
        plan_common_lengths(loaded)


def plan_common_lengths(loaded: Loaded) -> None:
    """Run one block for each common length of a picture, alone and with a caption."""
    for picture, caption in itertools.product(COMMON_PICTURE_TOKENS, (0, *COMMON_CAPTION_TOKENS)):
        run_block_once(loaded, picture + caption)


def run_block_once(loaded: Loaded, length: int) -> None:
    """Run a block for so many tokens. The compiler chooses code that suits the first length that it sees."""
    denoiser = loaded.denoiser
    layers = denoiser.steps[0].layers
    tokens = denoiser.patch_padding.new_zeros((length, denoiser.patch_padding.shape[-1]))
    cosines, sines = (tokens.new_zeros((length, 1, denoiser.positions.pairs), dtype=torch.float32) for _ in range(2))
    with torch.no_grad(), drawing_on(loaded.device), attending(loaded.attention.steps, loaded.device):
        denoiser.run(layers.blocks[0], tokens, cosines, sines, layers.norms[0])


def require_answer(device: torch.device, error: Exception) -> None:
    """Raise EngineUnusable if the error has left the device useless to this process."""
    try:
        probe(device)
    except Exception as lost:  # whatever a driver raises
        raise EngineUnusable(
            f"{device} stopped answering while the first picture was drawn ({words(error)}): "
            "install a later driver of the GPU, or set EASEL_ATTENTION to another kernel, such as efficient."
        ) from lost


def words(error: Exception) -> str:
    """The error in one line."""
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
