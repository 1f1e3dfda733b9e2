"""Z-Image-Turbo, the model that Easel is made for, on CUDA, MPS or a CPU.

diffusers and transformers provide the text encoder and the autoencoder, and read the weights. The transformer's passes
and the steps between them are our own code, and give the same pictures within rounding. Drawings are independent: each
has its own random numbers and eight steps without guidance. The same drawing gives the same bytes on one machine with
one number of threads; other devices, or other versions of PyTorch or diffusers, may give slightly different ones. On
CUDA the transformer's block and the decoder are compiled; nothing is quantized. An engine must not be used by two
threads at once; several engines may run in parallel.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from easel.domain.task import ErrorCode
from easel.engines.engine import Drawing, DrawingFailed, EngineUnusable, OnStep, OutOfMemory, Pixels, canvas_px
from easel.engines.zimage.devices import (
    devices,
    drawing_on,
    free_caches,
    is_out_of_memory,
    pick,
    pick_precision,
    probe,
    require_memory,
    text_device,
)
from easel.engines.zimage.schedule import STEPS, Schedule, schedule
from easel.runtime import distribution

try:
    import torch
    from diffusers.utils import logging as diffusers_logging
    from safetensors import SafetensorError
    from transformers.utils import logging as transformers_logging

    from easel.engines.zimage.captions import EMBEDDINGS_BYTES_MAX, ENTRIES_MAX, Captions
    from easel.engines.zimage.decoder import Decoder, cut, to_bytes
    from easel.engines.zimage.forward import SEQUENCE_MULTIPLE, Denoiser, from_patches, run_block, to_patches
    from easel.engines.zimage.lora import Lora, add_lora
    from easel.engines.zimage.packing import pack
    from easel.engines.zimage.parts import Parts, read_parts
    from easel.engines.zimage.steps import Steps
    from easel.engines.zimage.weights import Hub, count_in_part, count_parameters, locate
except (ImportError, RuntimeError) as error:  # diffusers raises RuntimeError when one of its own imports fails
    raise EngineUnusable(
        f"The zimage engine needs {getattr(error, 'name', None) or 'diffusers'}, which is missing or has the wrong version: "
        f"install Easel's gpu extra with `{distribution.install_extra('gpu')}`."
    ) from error

log = logging.getLogger(__name__)

LOAD_ERRORS = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, AssertionError, SafetensorError)
"""What the libraries raise for invalid checkpoints. They check configurations with assertions, too."""

NO_CONTENT = "The picture has no content"
MULTIPLE_PX = 16
PATCHES_A_LATENT_SIDE = 2
WARM_UP = [Drawing("a", 768, 512, 1), Drawing("a heron at dawn, " * 12, 1024, 1024, 1)]
"""Two sizes and two caption lengths, so that the compiler learns that both may change. The first is not a square, or
height and width would be compiled as one number."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model on its device. Only the cache of captions changes between drawings."""

    device: torch.device
    denoiser: Denoiser
    schedule: Schedule
    decoder: Decoder
    captions: Captions


class ZImage:
    """Draws with the Z-Image checkpoint `model`, a folder or a hub id, on `device` (`auto`, `cuda:1`, `mps`, `cpu`)."""

    name = "zimage"
    model = None

    def __init__(
        self,
        model: str,
        device: str = "auto",
        *,
        precision: str = "auto",
        gpu_memory: str = "auto",
        lora: Lora | None = None,
        cache_folder: Path | None = None,
        hub_url: str | None = None,
        revision: str | None = None,
        captions_kept_max: int = ENTRIES_MAX,
        captions_bytes_max: int = EMBEDDINGS_BYTES_MAX,
    ) -> None:
        """`precision` is `auto`, `float32` or `bfloat16`; `gpu_memory` is `auto` or `low`; `cache_folder`, `hub_url`
        and `revision` matter for a hub id only."""
        self._model = model
        self._device_name = devices()[0] if device == "auto" else device
        self._precision = precision
        self._gpu_memory = gpu_memory
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
    def jobs_at_once(self) -> int:
        """Two on a GPU, where a picture is encoded while the next is drawn; one on a CPU, where both would compete."""
        return 1 if self._device_name == "cpu" else 2

    def load(self) -> None:
        """Download the checkpoint if necessary, load it, and on CUDA draw to compile. Raises EngineUnusable."""
        device = pick(self._device_name)
        folder = locate(self._model, self._hub)
        parameters = count_parameters(folder)
        dtype = pick_precision(self._precision, device, parameters)
        text_on = text_device(self._gpu_memory, device, parameters * dtype.itemsize)
        text_bytes = count_in_part(folder, "text_encoder") * dtype.itemsize if text_on != device else 0
        require_memory(device, parameters * dtype.itemsize - text_bytes)
        require_memory(text_on, text_bytes)
        quieten_libraries()
        try:
            self.use(read_parts(folder, dtype, device, text_on), device)
        except DrawingFailed as failed:
            raise EngineUnusable(
                f"The model in {folder} draws nothing on {device}, because {failed.hint}: copy or fetch it again, or use "
                "another device."
            ) from failed
        except LOAD_ERRORS as error:
            raise EngineUnusable(why_not_loaded(folder, device, error)) from error

    def use(self, parts: Parts, device: torch.device) -> None:
        """Prepare to draw with these parts, which are already on their devices. Takes ownership of them.

        Raises EngineUnusable if the LoRA cannot be added, and whatever the libraries raise.
        """
        with torch.no_grad():
            if self._lora is not None:
                add_lora(parts.transformer, self._lora)
            steps = schedule(parts.scheduler)
            denoiser = pack(parts.transformer, steps.timesteps)
        captions = Captions(
            parts.tokenizer,
            parts.text_encoder,
            window_tokens=parts.transformer.config.axes_lens[0] - SEQUENCE_MULTIPLE,
            entries_max=self._captions_kept_max,
            bytes_max=self._captions_bytes_max,
        )
        self._loaded = Loaded(device, denoiser, steps, Decoder(parts.autoencoder), captions)
        if device.type == "cuda":
            warm_up(self._loaded)

    @property
    def loaded(self) -> Loaded:
        """The loaded model, for measuring it stage by stage."""
        assert self._loaded is not None, "load() comes first"
        return self._loaded

    def draw(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        """Draw with both sides rounded up to multiples of 16 pixels and cut the picture from the middle."""
        loaded = self.loaded
        steps = Steps(on_step, loaded.device, STEPS)
        try:
            return paint(loaded, drawing, steps)
        except (RuntimeError, MemoryError) as error:
            if steps.asking or not is_out_of_memory(error):
                raise
        # The failed drawing's tensors can be freed only now that the error and its traceback are gone.
        free_caches(loaded.device)
        raise OutOfMemory(f"{loaded.device} has too little memory for {drawing.width_px}x{drawing.height_px} pixels.")

    def probe(self) -> None:
        """Use the device. Raises whatever PyTorch raises if it does not answer."""
        probe(self.loaded.device)


def paint(loaded: Loaded, drawing: Drawing, steps: Steps) -> Pixels:
    """Draw a picture from its prompt. Raises DrawingFailed if there is nothing in it."""
    caption = loaded.captions.caption(drawing.prompt)
    with torch.no_grad(), drawing_on(loaded.device):
        latents = denoise(loaded, caption.embedding, drawing, steps)
        canvas = loaded.decoder.canvas(latents)
        is_finite = latents.isfinite().all() & canvas.isfinite().all()
        rgb = to_bytes(cut(canvas, drawing.width_px, drawing.height_px))
    pixels = Pixels(drawing.width_px, drawing.height_px, rgb, caption.tokens_cut)
    if not is_finite:
        raise DrawingFailed(ErrorCode.GENERATION_FAILED_NO_CONTENT, NO_CONTENT, "the model computed no finite numbers")
    if pixels.has_one_colour:
        raise DrawingFailed(ErrorCode.GENERATION_FAILED_NO_CONTENT, NO_CONTENT, "the model drew one colour")
    return pixels


def denoise(loaded: Loaded, embedding: torch.Tensor, drawing: Drawing, steps: Steps) -> torch.Tensor:
    """The canvas's latents in float32 (16 x height / 8 x width / 8), after eight Euler steps from the seed's noise.

    Only `steps` waits for the device: on CUDA, for the step before.
    """
    rows = canvas_px(drawing.height_px, MULTIPLE_PX) // MULTIPLE_PX
    columns = canvas_px(drawing.width_px, MULTIPLE_PX) // MULTIPLE_PX
    scene = loaded.denoiser.scene(embedding.to(loaded.device), rows, columns)
    patches = to_patches(noise(drawing.seed, rows, columns)).to(loaded.device)
    for step, sigma_fall in zip(loaded.denoiser.steps, loaded.schedule.sigma_falls, strict=True):
        patches = patches + sigma_fall * loaded.denoiser.predict(scene, patches, step).float()
        steps.queued()
    steps.finish()
    return from_patches(patches, rows, columns)


def noise(seed: int, rows: int, columns: int) -> torch.Tensor:
    """The initial noise, from the CPU's generator, so that a seed means the same on every device."""
    shape = (1, 16, PATCHES_A_LATENT_SIDE * rows, PATCHES_A_LATENT_SIDE * columns)
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))[0]


def warm_up(loaded: Loaded) -> None:
    """Compile the block and the decoder by drawing. If this machine cannot compile, continue without. Raises
    DrawingFailed if there is nothing in the pictures even so."""
    loaded.denoiser.run = torch.compile(run_block, dynamic=True)
    loaded.decoder.compile()
    try:
        draw_warm_up(loaded)
    except (RuntimeError, OSError, DrawingFailed) as error:
        if is_out_of_memory(error):
            raise
        log.warning(
            "compilation failed, drawing will be slower (%s: %s)", type(error).__name__, str(error).split("\n")[0]
        )
        loaded.denoiser.run = run_block
        loaded.decoder.uncompile()
        draw_warm_up(loaded)


def draw_warm_up(loaded: Loaded) -> None:
    """Draw the warm-up pictures and discard them."""
    for drawing in WARM_UP:
        paint(loaded, drawing, Steps(lambda steps_done, steps_total: None, loaded.device, STEPS))


def why_not_loaded(folder: Path, device: torch.device, error: Exception) -> str:
    """The message for the operator."""
    if is_out_of_memory(error):
        return f"{device} has too little memory for the model in {folder}: use a device with more memory, or another engine."
    reason = next(iter(str(error).splitlines()), "")
    return f"The model in {folder} cannot be loaded ({type(error).__name__}: {reason}): copy or fetch it again."


def quieten_libraries() -> None:
    """Turn off progress bars for work that takes seconds. Errors are still raised and warnings logged."""
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
