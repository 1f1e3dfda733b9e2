"""stable-diffusion.cpp through cyllama: opens a model and draws with it. Only the child process imports this.

The recipe is the one with which the library draws what diffusers draws: the CPU's random numbers, Euler's method with
the scheduler SIMPLE, shift 3, eight steps, and guidance 1, which is none. With its own defaults it draws other
pictures.

Its progress is reported for weights and for parts of the decoder as well. A step is what is reported between the log's
`generating image` and `sampling completed`, for eight in all, one after the other.

The library makes a preview of a step before it reports the step, from the picture that the step predicts, by a linear
map of each latent's 16 numbers to a colour. It keeps the callback and the mode that are set when the sampling begins,
and asks at each step whether a preview is wanted.

It reads a LoRA again for each picture, and passes over what it cannot add. At the end it logs how many tensors it
added.
"""

import re
from collections import deque
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from easel.engines.sdcpp.messages import MULTIPLE_PX, STEPS, DrawOrder, Hello, LoadOrder
from easel.engines.sdcpp.prompts import escaped, first_tokens, plain, tokens_in_log

WHEELS: Final = ("cyllama", "cyllama-vulkan", "cyllama-cuda12", "cyllama-rocm", "cyllama-sycl")
SHIFT: Final = 3.0
GUIDANCE: Final = 1.0
TRIAL: Final = DrawOrder(number=0, prompt="a red apple", width_px=64, height_px=64, seed=1)
"""What is drawn after loading, to see whether the files belong together and the device computes."""
LINES_KEPT: Final = 30
_WARNING: Final = 3
_ERROR: Final = 4
_LORA_ADDED: Final = re.compile(r"\((\d+) / \d+\) LoRA tensors have been applied")
_MEMORY_SIGNS: Final = ("out of memory", "failed to allocate", "alloc failed", "allocation failed", "cannot allocate")


OnPreview = Callable[[int, int, bytes], None]
"""Called with the width, the height and the pixels of a preview."""


def _ignore_preview(_width_px: int, _height_px: int, _rgb: bytes) -> None:
    """Nobody watches."""


class Cancelled(Exception):
    """The drawing was cancelled."""


class MemoryShort(Exception):
    """The device has too little memory."""


class NothingDrawn(Exception):
    """All pixels of the picture are equal, as when the model computed no numbers."""


class LibraryFailed(Exception):
    """The library failed, with what it last said."""


def hello() -> Hello:
    """What is installed. Raises ImportError if the library is not."""
    import cyllama.sd  # here, so that its absence can be reported

    installed = {wheel: _version(wheel) for wheel in WHEELS}
    present = [wheel for wheel, found in installed.items() if found is not None]
    devices = [[str(name), str(words)] for name, words in cyllama.sd.list_devices()]
    return Hello(version=installed[present[0]] or "" if present else "", wheels=present, devices=devices)


def _version(wheel: str) -> str | None:
    try:
        return version(wheel)
    except PackageNotFoundError:
        return None


class Model:
    """A model that is open, and drawn with by one thread. `on_life` is called whenever the library reports
    something."""

    def __init__(self, order: LoadOrder, on_life: Callable[[], None], on_words: Callable[[str], None]) -> None:
        """Open the files, which the library only looks into. Raises LibraryFailed."""
        import cyllama.sd

        self._library: Any = cyllama.sd
        self._on_life = on_life
        self._on_words = on_words
        self._wanted_on_step: Callable[[int], None] = lambda _done: None
        self._on_preview: OnPreview = _ignore_preview
        self._on_step: Callable[[int], None] | None = None
        """Set while the library samples."""
        self._steps_done = 0
        self._splits = 0
        self.tokens: list[str] = []
        """Those of the latest prompt, as the library logged them."""
        self._is_cancelled = False
        self._tiles = order.tiles
        self._tokens_max = order.prompt_tokens_max
        self._lora, self._lora_tensors = order.lora, order.lora_tensors
        self._lora_tensors_added = 0
        self._said: deque[str] = deque(maxlen=LINES_KEPT)
        self._library.set_log_callback(self._log)
        self._library.set_progress_callback(self._progress)
        self.watch(is_watched=False)
        try:
            self._context = self._library.SDContext(self._parameters(order))
        except (RuntimeError, ValueError, OSError) as error:
            raise self._failure(error) from None

    def draw(
        self, order: DrawOrder, on_step: Callable[[int], None], on_preview: OnPreview = _ignore_preview
    ) -> tuple[bytes, int]:
        """The pixels, and how many tokens at the prompt's end were cut. Raises the exceptions of this module."""
        self._is_cancelled = False
        self._on_preview = on_preview
        text = plain(order.prompt)
        try:
            rgb = self._generate(order, text, on_step)
        except LibraryFailed:
            tokens = self.tokens
            if len(tokens) <= self._tokens_max:
                raise
            text = first_tokens(tokens, self._tokens_max)
            return self._generate(order, text, on_step), len(tokens) - self._tokens_max
        return rgb, 0

    def cancel(self) -> None:
        """Stop drawing at the next step. May be called by another thread."""
        self._is_cancelled = True
        self._context.cancel()

    def watch(self, *, is_watched: bool) -> None:
        """Make a preview of each step that ends from now on, or none. May be called by another thread."""
        self._library.set_preview_callback(
            self._preview, self._library.PreviewMode.PROJ, interval=1, denoised=is_watched, noisy=False
        )

    def _generate(self, order: DrawOrder, text: str, on_step: Callable[[int], None]) -> bytes:
        parameters = self._library.SDImageGenParams(
            prompt=escaped(text),
            width=order.width_px,
            height=order.height_px,
            seed=order.seed,
            sample_steps=STEPS,
            cfg_scale=GUIDANCE,
            sample_method=self._library.SampleMethod.EULER,
            scheduler=self._library.Scheduler.SIMPLE,
        )
        parameters.sample_params.flow_shift = SHIFT
        parameters.vae_tiling_enabled = self._tiles
        self._said.clear()
        if self._lora is not None:
            parameters.set_loras([{"path": self._lora, "multiplier": 1.0}])
        self._steps_done, self._splits, self.tokens, self._on_step = 0, 0, [], None
        self._lora_tensors_added = 0
        self._wanted_on_step = on_step
        try:
            image = self._context.generate_with_params(parameters)[0]
        except RuntimeError as error:
            if self._is_cancelled:
                raise Cancelled from None
            raise self._failure(error) from None
        finally:
            self._on_step = None
        if self._lora_tensors_added != self._lora_tensors:
            raise LibraryFailed(f"it added {self._lora_tensors_added} of {self._lora_tensors} tensors of the LoRA")
        rgb: bytes = image.to_numpy().tobytes()
        if rgb == rgb[:3] * (len(rgb) // 3):
            raise NothingDrawn
        return rgb

    def _parameters(self, order: LoadOrder) -> Any:
        library = self._library
        parameters = library.SDContextParams()
        parameters.diffusion_model_path = order.transformer
        parameters.llm_path = order.text_encoder
        parameters.vae_path = order.autoencoder
        parameters.rng_type = parameters.sampler_rng_type = library.RngType.CPU
        parameters.n_threads = order.threads or library.get_num_cores()
        has_gpu = any(str(name).upper() != "CPU" for name, _words in library.list_devices())
        parameters.diffusion_flash_attn = has_gpu and (order.backend or "").lower() != "cpu"
        parameters.auto_fit = order.memory == "auto" and order.backend is None
        # The other way aborts at quantized weights.
        parameters.lora_apply_mode = library.LoraApplyMode.AT_RUNTIME
        if order.backend is not None:
            parameters.backend = order.backend
        if order.memory in {"offload", "disk"}:
            parameters.params_backend = "cpu" if order.memory == "offload" else "disk"
        if order.vram_gb is not None:
            parameters.max_vram = f"{order.vram_gb:g}"
        return parameters

    def _progress(self, step: int, steps: int, _time_s: float) -> None:
        self._on_life()
        if self._on_step is not None and steps == STEPS and step == self._steps_done + 1:
            self._steps_done = step
            self._on_step(step)

    def _preview(self, _step: int, frames: list[Any], _is_noisy: bool) -> None:
        """Copies the pixels, since the library keeps them no longer than this call."""
        height_px, width_px, _ = frames[0].shape
        self._on_preview(width_px, height_px, frames[0].to_numpy().tobytes())

    def _log(self, level: int, words: str) -> None:
        self._on_life()
        if int(level) >= _ERROR:
            self._said.append(words.strip())
        if int(level) >= _WARNING:
            self._on_words(words)
        if "generating image: " in words:
            self._on_step = self._wanted_on_step
        elif "sampling completed" in words:
            self._on_step = None
        added = _LORA_ADDED.search(words)
        if added is not None:
            self._lora_tensors_added = int(added[1])
        tokens = tokens_in_log(words)
        if tokens is not None:
            self._splits += 1
            # The template before the prompt is split first, the prompt second.
            if self._splits == 2:
                self.tokens = tokens
                if len(tokens) > self._tokens_max:
                    self._context.cancel()

    def _failure(self, error: Exception) -> Exception:
        words = " ".join([*self._said, str(error)])
        if any(sign in words.lower() for sign in _MEMORY_SIGNS):
            return MemoryShort(words)
        return LibraryFailed(next(iter(self._said), "") or str(error))


assert TRIAL.width_px % MULTIPLE_PX == 0
