"""Z-Image-Turbo in this process, on diffusers: the one model that Easel is for, on CUDA, MPS or a CPU.

Every drawing is made by itself: its own scheduler, its own random numbers, eight steps without guidance, nothing left
behind for the next one. The same drawing gives the same bytes on one machine with one number of threads; on another
device, or with other versions of PyTorch or diffusers, it may differ. Nothing is compiled or quantised, and one engine
must not be used by two threads at once; two engines in two threads do not disturb each other.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from easel.engines.engine import Drawing, EngineUnusable, OnStep, OutOfMemory, Pixels, canvas_px, crop_offset_px
from easel.engines.zimage_devices import (
    devices,
    free_caches,
    is_out_of_memory,
    pick,
    pick_precision,
    require_memory,
    settle,
)

try:
    import torch
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
    from diffusers.utils import logging as diffusers_logging
    from safetensors import SafetensorError
    from transformers import Qwen2Tokenizer, Qwen3Model
    from transformers.utils import logging as transformers_logging

    from easel.engines.zimage_captions import EMBEDDINGS_BYTES_MAX, ENTRIES_MAX, Captions
    from easel.engines.zimage_weights import Hub, count_parameters, locate
except (ImportError, RuntimeError) as error:  # diffusers raises RuntimeError where one of its own imports fails
    raise EngineUnusable(
        f"The zimage engine needs {getattr(error, 'name', None) or 'diffusers'}, which is missing or does not fit: "
        "install Easel with its gpu extra (pip install '.[gpu]')."
    ) from error

STEPS = 8
GUIDANCE = 0.0
"""The Turbo model is distilled to eight steps without guidance; the pipeline's own defaults are for another model."""

LOAD_ERRORS = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, AssertionError, SafetensorError)
"""What the libraries raise for files that are no proper checkpoint; they check configurations by assertion, too."""

MULTIPLE_PX = 16
CAPTION_PAD_TOKENS = 32
"""The transformer pads captions to a multiple of this, and its positions must hold the padded caption and one more."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model on its device. Of all this only the captions' cache changes from drawing to drawing."""

    device: torch.device
    transformer: Any
    autoencoder: Any
    schedule: dict[str, Any]
    """The configuration that each drawing's own scheduler is made from."""
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
        cache_folder: Path | None = None,
        hub_url: str | None = None,
        revision: str | None = None,
        captions_kept_max: int = ENTRIES_MAX,
        captions_bytes_max: int = EMBEDDINGS_BYTES_MAX,
    ) -> None:
        """`precision` is `auto`, `float32` or `bfloat16`; cache, URL and revision matter for a hub id only."""
        self._model = model
        self._device_name = devices()[0] if device == "auto" else device
        self._precision = precision
        self._hub = Hub(url=hub_url, revision=revision, cache_folder=cache_folder)
        self._captions_kept_max = captions_kept_max
        self._captions_bytes_max = captions_bytes_max
        self._loaded: Loaded | None = None

    @property
    def draws_at_once(self) -> int:
        """One: it fills the device."""
        return 1

    @property
    def jobs_at_once(self) -> int:
        """Two on a GPU, where a picture is encoded while the next is drawn; on a CPU they would only share it."""
        return 1 if self._device_name == "cpu" else 2

    def load(self) -> None:
        """Fetch the checkpoint if need be and put it on the device. Raises EngineUnusable."""
        device = pick(self._device_name)
        folder = locate(self._model, self._hub)
        parameters = count_parameters(folder)
        dtype = pick_precision(self._precision, device, parameters)
        require_memory(device, parameters * dtype.itemsize)
        quieten_libraries()
        try:
            self._loaded = self._load(folder, device, dtype)
        except LOAD_ERRORS as error:
            raise EngineUnusable(why_not_loaded(folder, device, error)) from error

    def _load(self, folder: Path, device: torch.device, dtype: torch.dtype) -> Loaded:
        transformer = load_part(ZImageTransformer2DModel, folder / "transformer", torch_dtype=dtype).to(device)
        autoencoder = load_part(AutoencoderKL, folder / "vae", torch_dtype=dtype).to(device)
        text_encoder = load_part(Qwen3Model, folder / "text_encoder", dtype=dtype).to(device)
        tokenizer = Qwen2Tokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(folder / "scheduler", local_files_only=True)
        captions = Captions(
            tokenizer,
            text_encoder,
            window_tokens=transformer.config.axes_lens[0] - CAPTION_PAD_TOKENS,
            entries_max=self._captions_kept_max,
            bytes_max=self._captions_bytes_max,
        )
        return Loaded(device, transformer, autoencoder, dict(scheduler.config), captions)

    def draw(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        """Draw at the next multiples of 16 pixels and cut the picture from the middle."""
        loaded = self._loaded
        assert loaded is not None, "load() comes first"
        steps = Steps(on_step, loaded.device)
        try:
            return paint(loaded, drawing, steps)
        except (RuntimeError, MemoryError) as error:
            if steps.asking or not is_out_of_memory(error):
                raise
        # Only now, with the error and its traceback gone, does nothing hold the failed drawing's tensors.
        free_caches(loaded.device)
        raise OutOfMemory(f"{loaded.device} has too little memory for {drawing.width_px}x{drawing.height_px} pixels.")


class Steps:
    """Tells the caller of each step that the device has really done; whatever the caller raises ends the drawing."""

    def __init__(self, on_step: OnStep, device: torch.device) -> None:
        self._on_step = on_step
        self._device = device
        self.asking = False
        """True while the caller is being told, and for ever once the caller has raised: the error is not ours."""

    def __call__(self, pipe: Any, index: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """The pipeline's callback; an empty answer leaves its tensors as they are."""
        settle(self._device)
        self.asking = True
        self._on_step(index + 1, STEPS)
        self.asking = False
        return {}


def paint(loaded: Loaded, drawing: Drawing, steps: Steps) -> Pixels:
    """The whole way from the prompt to the picture."""
    caption = loaded.captions.caption(drawing.prompt)
    with torch.no_grad():
        canvas = denoise(loaded, caption.embedding, drawing, steps)
        rgb = cut(canvas, drawing.width_px, drawing.height_px)
    return Pixels(drawing.width_px, drawing.height_px, rgb, caption.tokens_cut)


def denoise(loaded: Loaded, embedding: torch.Tensor, drawing: Drawing, steps: Steps) -> torch.Tensor:
    """The whole canvas, 3 x height x width from 0 to 1, in the model's precision and on its device."""
    pipe = ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler.from_config(loaded.schedule),
        vae=loaded.autoencoder,
        text_encoder=None,
        tokenizer=None,
        transformer=loaded.transformer,
    )
    pipe.set_progress_bar_config(disable=True)
    pictures = pipe(
        prompt_embeds=[embedding],
        width=canvas_px(drawing.width_px, MULTIPLE_PX),
        height=canvas_px(drawing.height_px, MULTIPLE_PX),
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        # The CPU's generator on every device, so that a seed means the same noise everywhere.
        generator=torch.Generator("cpu").manual_seed(drawing.seed),
        callback_on_step_end=steps,
        output_type="pt",
        return_dict=False,
    )[0]
    canvas: torch.Tensor = pictures[0]
    return canvas


def cut(canvas: torch.Tensor, width_px: int, height_px: int) -> bytes:
    """The canvas's central part as bytes; rounded on the device, so that a quarter of the bytes leave it."""
    top = crop_offset_px(canvas.shape[1], height_px)
    left = crop_offset_px(canvas.shape[2], width_px)
    part = canvas[:, top : top + height_px, left : left + width_px]
    levels = part.float().mul(255).round().to(torch.uint8)
    rgb: bytes = levels.permute(1, 2, 0).contiguous().cpu().numpy().tobytes()
    return rgb


def load_part(part: Any, folder: Path, **options: Any) -> Any:
    """A part's weights from safetensors files only. Raises ValueError where some are missing."""
    model, found = part.from_pretrained(
        folder, use_safetensors=True, local_files_only=True, output_loading_info=True, **options
    )
    missing = sorted(found["missing_keys"])
    if missing:
        # The libraries would go on with random numbers in their place.
        raise ValueError(f"{folder.name} lacks {missing[0]}")
    return model.eval().requires_grad_(False)


def why_not_loaded(folder: Path, device: torch.device, error: Exception) -> str:
    """One sentence for the operator."""
    if is_out_of_memory(error):
        return f"{device} has too little memory for the model in {folder}: use a device with more, or another engine."
    reason = next(iter(str(error).splitlines()), "")
    return f"The model in {folder} cannot be loaded ({type(error).__name__}: {reason}): copy or fetch it again."


def quieten_libraries() -> None:
    """No progress bars for work of seconds; errors still come as exceptions, and warnings are logged."""
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
