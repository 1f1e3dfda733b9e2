"""Z-Image-Turbo, the model that Easel is made for, on CUDA, MPS or a CPU.

diffusers and transformers provide the text encoder and the autoencoder, and read the weights. The transformer's passes
and the steps between them are our own code, and give the same pictures within rounding. Drawings are independent: each
has its own random numbers and eight steps without guidance. The same drawing gives the same bytes on one machine with
one number of threads; other devices, or other versions of PyTorch or diffusers, may give slightly different ones. On
CUDA the transformer's block and the decoder are compiled. The transformer's large matrices may be in 8 bits, and the
text encoder may pass through the GPU layer by layer. An engine must not be used by two threads at once; several engines
may run in parallel.
"""

import logging
from pathlib import Path
from typing import Any, Literal

from easel.engines.engine import (
    Drawing,
    DrawingFailed,
    EngineUnusable,
    OfferPreview,
    OnStep,
    OutOfMemory,
    Pixels,
    no_previews,
)
from easel.engines.zimage.devices import (
    SMALLER,
    automatic,
    described,
    free_caches,
    is_out_of_memory,
    memory_in_use_bytes,
    pick,
    pick_precision,
    probe,
    require_memory,
    text_device,
)
from easel.engines.zimage.schedule import STEPS, schedule
from easel.engines.zimage.weight_sizes import weight_sizes
from easel.runtime import distribution

try:
    import torch
    from diffusers.utils import logging as diffusers_logging
    from safetensors import SafetensorError
    from transformers.utils import logging as transformers_logging

    from easel.engines.lora_layout import Lora
    from easel.engines.zimage.attention import attention_on
    from easel.engines.zimage.captions import EMBEDDINGS_BYTES_MAX, ENTRIES_MAX, Captions
    from easel.engines.zimage.cuda_lane import CudaLane
    from easel.engines.zimage.decoder import Decoder
    from easel.engines.zimage.forward import SEQUENCE_MULTIPLE
    from easel.engines.zimage.lora import add_lora
    from easel.engines.zimage.matrices import KINDS
    from easel.engines.zimage.packing import pack
    from easel.engines.zimage.painting import Loaded, paint
    from easel.engines.zimage.parts import Parts, Places, read_parts
    from easel.engines.zimage.projection import Projection
    from easel.engines.zimage.steps import Steps
    from easel.engines.zimage.streamed_text_encoder import Streamed
    from easel.engines.zimage.text_encoder import Resident, TextEncoder
    from easel.engines.zimage.warm_up import warm_up
    from easel.engines.zimage.weights import Hub, locate
except (ImportError, RuntimeError) as error:  # diffusers raises RuntimeError when one of its own imports fails
    raise EngineUnusable(
        f"The zimage engine needs {getattr(error, 'name', None) or 'diffusers'}, which is missing or has the wrong version: "
        f"install Easel's gpu extra with `{distribution.install_extra('gpu')}`."
    ) from error

log = logging.getLogger(__name__)

LOAD_ERRORS = (
    OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, AssertionError, ImportError, SafetensorError,
)  # fmt: skip
"""What the libraries raise for invalid checkpoints. They check configurations with assertions, too."""


class ZImage:
    """Draws with the Z-Image checkpoint `model`, a folder or a hub id, on `device` (`auto`, `cuda:1`, `mps`, `cpu`)."""

    name = "zimage"
    model = None
    offers_previews: Literal[True] = True

    def __init__(
        self,
        model: str,
        device: str = "auto",
        *,
        precision: str = "auto",
        gpu_memory: str = "auto",
        weights: str = "bf16",
        attention: str = "auto",
        lora: Lora | None = None,
        cache_folder: Path | None = None,
        hub_url: str | None = None,
        revision: str | None = None,
        captions_kept_max: int = ENTRIES_MAX,
        captions_bytes_max: int = EMBEDDINGS_BYTES_MAX,
    ) -> None:
        """`precision` is `auto`, `float32` or `bfloat16`; `gpu_memory` is `auto` or `low`; `weights` is a key of
        `matrices.KINDS`; `attention` is `auto` or a key of `attention.ORDERS`; `cache_folder`, `hub_url` and `revision`
        matter for a hub id only."""
        self._model = model
        self._device_name = automatic()[0] if device == "auto" else device
        self._precision = precision
        self._gpu_memory = gpu_memory
        self._weights = weights
        self._attention = attention
        self._lora = lora
        self._hub = Hub(url=hub_url, revision=revision, cache_folder=cache_folder)
        self._captions_kept_max = captions_kept_max
        self._captions_bytes_max = captions_bytes_max
        self._loaded: Loaded | None = None

    @property
    def draws_at_once(self) -> int:
        """One, because a draw uses the whole device."""
        return 1

    @property
    def tasks_at_once(self) -> int:
        """Two on a GPU, where a picture is encoded while the next is drawn; one on a CPU, where both would compete."""
        return 1 if self._device_name == "cpu" else 2

    def load(self) -> None:
        """Download the checkpoint if necessary, load it, and on CUDA draw to compile. Raises EngineUnusable."""
        device = pick(self._device_name)
        checkpoint = locate(self._model, self._hub)
        dtype = pick_precision(self._precision, device, checkpoint.count_parameters())
        sizes = weight_sizes(checkpoint, dtype.itemsize, self._weights)
        text_on = text_device(self._gpu_memory, device, sizes.total)
        elsewhere_bytes = sizes.text_encoder if text_on != device else 0
        require_memory(device, sizes.total - elsewhere_bytes, self._weights)
        require_memory(text_on, elsewhere_bytes, self._weights)
        # What is to be quantized may not fit on the GPU before it is.
        transformer_on = torch.device("cpu") if self._weights != "bf16" else device
        quieten_libraries()
        try:
            self.use(read_parts(checkpoint, dtype, Places(transformer_on, device, text_on)), device)
        except DrawingFailed as failed:
            raise EngineUnusable(
                f"The model in {checkpoint.folder} draws nothing on {device}, because {failed.hint}: copy or fetch it again, or use "
                "another device."
            ) from failed
        except LOAD_ERRORS as error:
            raise EngineUnusable(why_not_loaded(checkpoint.folder, device, error, self._weights)) from error

    def use(self, parts: Parts, device: torch.device) -> None:
        """Prepare to draw on this device with these parts. Takes ownership of them.

        The transformer is moved there. The text encoder is streamed if it is on another device. Raises EngineUnusable
        if the LoRA cannot be added, and whatever the libraries raise.
        """
        with torch.no_grad():
            if self._lora is not None:
                add_lora(parts.transformer, self._lora)
            steps = schedule(parts.scheduler)
            denoiser = pack(parts.transformer, steps.timesteps, KINDS[self._weights], device)
        text_encoder = text_encoder_for(parts.text_encoder, device)
        captions = Captions(
            parts.tokenizer,
            text_encoder,
            window_tokens=parts.transformer.config.axes_lens[0] - SEQUENCE_MULTIPLE,
            entries_max=self._captions_kept_max,
            bytes_max=self._captions_bytes_max,
        )
        attention = attention_on(self._attention, device)
        self._loaded = Loaded(
            device, denoiser, steps, Decoder(parts.autoencoder), captions, attention, Projection(device)
        )
        if device.type == "cuda":
            warm_up(self._loaded)
            log.info("drawing on %s with attention %s", described(device), self._loaded.attention.words())
        precision = str(denoiser.patch_padding.dtype).removeprefix("torch.")
        matrices = ", its matrices in int8" if self._weights == "int8" else ""
        log.info("transformer on %s in %s%s, text encoder %s", device, precision, matrices, text_encoder.words())

    @property
    def loaded(self) -> Loaded:
        """The loaded model, for measuring it stage by stage."""
        assert self._loaded is not None, "load() comes first"
        return self._loaded

    def draw(self, drawing: Drawing, on_step: OnStep, offer_preview: OfferPreview = no_previews) -> Pixels:
        """Draw with both sides rounded up to multiples of 16 pixels and cut the picture from the middle."""
        loaded = self.loaded
        steps = Steps(on_step, loaded.device, STEPS, offer_preview)
        try:
            return paint(loaded, drawing, steps)
        except (RuntimeError, MemoryError) as error:
            if steps.asking or not is_out_of_memory(error, loaded.device):
                raise
        # The failed drawing's tensors can be freed only now that the error and its traceback are gone.
        free_caches(loaded.device)
        raise OutOfMemory(f"{loaded.device} has too little memory for {drawing.width_px}x{drawing.height_px} pixels.")

    def device_memory_bytes(self) -> dict[str, int]:
        """The memory of the GPU by kind; empty for a CPU, and before the model is loaded."""
        return {} if self._loaded is None else memory_in_use_bytes(self._loaded.device)

    def probe(self) -> None:
        """Use the device. Raises whatever PyTorch raises if it does not answer."""
        probe(self.loaded.device)


def text_encoder_for(stock: Any, device: torch.device) -> TextEncoder:
    """The text encoder, which computes on `device` if that is where it is or a GPU. Takes ownership of the stock
    one."""
    is_elsewhere = device.type == "cuda" and stock.device.type != device.type
    return Streamed(stock, CudaLane(device)) if is_elsewhere else Resident(stock)


def why_not_loaded(folder: Path, device: torch.device, error: Exception, weights: str) -> str:
    """The message for the operator."""
    if is_out_of_memory(error, device):
        return (
            f"{device} has too little memory for the model in {folder}: {SMALLER[weights]}, "
            "or use a device with more memory."
        )
    reason = next(iter(str(error).splitlines()), "")
    return f"The model in {folder} cannot be loaded ({type(error).__name__}: {reason}): copy or fetch it again."


def quieten_libraries() -> None:
    """Turn off progress bars for work that takes seconds. Errors are still raised and warnings logged."""
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
