"""Those that `bench.gpu` compares: diffusers as its documentation has it, the same compiled, and the zimage engine.

They draw with the same weights, one after the other; the engine comes last, since it takes the model apart. Stages are
timed with the device waited for between them, which costs each contender the same.
"""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import torch
from diffusers import ZImagePipeline

from easel.engines.encoding import encode
from easel.engines.engine import Drawing, Pixels
from easel.engines.zimage.attention import attending
from easel.engines.zimage.decoder import cut, to_bytes
from easel.engines.zimage.devices import drawing_on, settle
from easel.engines.zimage.engine import ZImage
from easel.engines.zimage.painting import decode, denoise
from easel.engines.zimage.parts import Parts
from easel.engines.zimage.schedule import STEPS
from easel.engines.zimage.steps import Steps

STAGES: Final = ("text", "steps", "decode", "transfer", "encode")


@dataclass(slots=True)
class Stages:
    """Seconds of each stage of one drawing."""

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens in the body, on the device too."""
        began_s = time.perf_counter()
        yield
        settle(self.device)
        self.seconds[name] = time.perf_counter() - began_s


class Contender(Protocol):
    """Something that draws with the parts that it was made with."""

    name: str

    def draw(self, drawing: Drawing, stages: Stages) -> None:
        """Draw, and time every stage."""

    def latents(self, embedding: torch.Tensor, drawing: Drawing) -> torch.Tensor:
        """The latents that the drawing ends with, of this embedding in place of its prompt; 16 x height x width."""


class Diffusers:
    """As on the model's page: the pipeline in bf16, eight steps, no guidance, Pillow's PNG."""

    name = "diffusers"

    def __init__(self, parts: Parts, device: torch.device, attention: str = "", weights: str = "") -> None:
        """`attention` and `weights` matter to the engine only."""
        self._device = device
        self._pipe = ZImagePipeline(
            scheduler=parts.scheduler,
            vae=parts.autoencoder,
            text_encoder=parts.text_encoder,
            tokenizer=parts.tokenizer,
            transformer=parts.transformer,
        )
        self._pipe.set_progress_bar_config(disable=True)

    def draw(self, drawing: Drawing, stages: Stages) -> None:
        """The pipeline, taken apart where its stages meet."""
        pipe = self._pipe
        with torch.no_grad():
            with stages.stage("text"):
                embeddings, _ = pipe.encode_prompt(drawing.prompt, self._device, do_classifier_free_guidance=False)
            with stages.stage("steps"):
                latents = self._denoise(embeddings, drawing)
            with stages.stage("decode"):
                config = pipe.vae.config
                scaled = latents.to(pipe.vae.dtype) / config.scaling_factor + config.shift_factor
                canvas = pipe.vae.decode(scaled, return_dict=False)[0]
            with stages.stage("transfer"):
                picture = pipe.image_processor.postprocess(canvas, output_type="pil")[0]
            with stages.stage("encode"):
                picture.save(io.BytesIO(), "PNG")

    def latents(self, embedding: torch.Tensor, drawing: Drawing) -> torch.Tensor:
        """The pipeline's own."""
        latents: torch.Tensor = self._denoise([embedding.to(self._pipe.transformer.dtype)], drawing)[0]
        return latents

    def _denoise(self, embeddings: list[torch.Tensor], drawing: Drawing) -> Any:
        return self._pipe(
            prompt_embeds=embeddings,
            width=drawing.width_px,
            height=drawing.height_px,
            num_inference_steps=STEPS,
            guidance_scale=0.0,
            generator=torch.Generator("cpu").manual_seed(drawing.seed),
            output_type="latent",
            return_dict=False,
        )[0]


class CompiledDiffusers(Diffusers):
    """The same with its repeated block compiled, as diffusers recommends, for all sizes at once."""

    name = "diffusers, compiled"

    def __init__(self, parts: Parts, device: torch.device, attention: str, weights: str) -> None:
        super().__init__(parts, device, attention, weights)
        # Without a GPU it is only to be shown that this runs, and compiling takes minutes there.
        backend = "inductor" if device.type == "cuda" else "eager"
        parts.transformer.compile_repeated_blocks(fullgraph=True, dynamic=True, backend=backend)


class Easel:
    """The zimage engine, warm as a worker's is when it says that it is ready."""

    name = "easel zimage"

    def __init__(self, parts: Parts, device: torch.device, attention: str, weights: str) -> None:
        self._device = device
        self._engine = ZImage("random weights", str(device), attention=attention, weights=weights)
        self._engine.use(parts, device)
        if weights != "bf16":
            self.name = f"easel zimage, {weights}"
        self.name = f"{self.name}, {self._engine.loaded.attention.words()}" if device.type == "cuda" else self.name

    def draw(self, drawing: Drawing, stages: Stages) -> None:
        """What the engine does for a drawing, and the encoding, which a worker does in another thread."""
        loaded = self._engine.loaded
        with torch.no_grad(), drawing_on(self._device):
            with stages.stage("text"), attending(loaded.attention.others, self._device):
                caption = loaded.captions.caption(drawing.prompt)
            with stages.stage("steps"):
                latents = denoise(loaded, caption.embedding, drawing, self._steps())
            with stages.stage("decode"):
                rgb = cut(decode(loaded, latents), drawing.width_px, drawing.height_px)
            with stages.stage("transfer"):
                pixels = Pixels(drawing.width_px, drawing.height_px, to_bytes(rgb))
            with stages.stage("encode"):
                encode(pixels, "webp", None)

    def latents(self, embedding: torch.Tensor, drawing: Drawing) -> torch.Tensor:
        """The engine's own."""
        with torch.no_grad(), drawing_on(self._device):
            return denoise(self._engine.loaded, embedding, drawing, self._steps())

    def _steps(self) -> Steps:
        return Steps(lambda steps_done, steps_total: None, self._device, STEPS)
