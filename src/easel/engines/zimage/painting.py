"""One picture, from its prompt to its bytes: the caption, eight steps, the decoder."""

from dataclasses import dataclass

import torch

from easel.domain.task import ErrorCode
from easel.engines.engine import Drawing, DrawingFailed, MakePreview, Pixels, canvas_px
from easel.engines.zimage.attention import Attention, attending
from easel.engines.zimage.captions import Captions
from easel.engines.zimage.decoder import Decoder, cut, to_bytes
from easel.engines.zimage.devices import drawing_on
from easel.engines.zimage.forward import Denoiser, from_patches, to_patches
from easel.engines.zimage.projection import Projection
from easel.engines.zimage.schedule import Schedule
from easel.engines.zimage.steps import Steps

NO_CONTENT = "The picture has no content"
MULTIPLE_PX = 16
PATCHES_A_LATENT_SIDE = 2


@dataclass(slots=True)
class Loaded:
    """The model on its device. Once it is warm, only the cache of captions changes."""

    device: torch.device
    denoiser: Denoiser
    schedule: Schedule
    decoder: Decoder
    captions: Captions
    attention: Attention
    projection: Projection


def paint(loaded: Loaded, drawing: Drawing, steps: Steps) -> Pixels:
    """Draw a picture from its prompt. Raises DrawingFailed if there is nothing in it."""
    with torch.no_grad(), drawing_on(loaded.device):
        with attending(loaded.attention.others, loaded.captions.device):
            caption = loaded.captions.caption(drawing.prompt)
        latents = denoise(loaded, caption.embedding, drawing, steps)
        canvas = decode(loaded, latents)
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
    with attending(loaded.attention.others, loaded.device):
        scene = loaded.denoiser.scene(embedding.to(loaded.device), rows, columns)
    patches = to_patches(noise(drawing.seed, rows, columns)).to(loaded.device)
    with attending(loaded.attention.steps, loaded.device):
        schedule = loaded.schedule
        for step, sigma_fall, sigma_left in zip(
            loaded.denoiser.steps, schedule.sigma_falls, schedule.sigmas_left, strict=True
        ):
            prediction = loaded.denoiser.predict(scene, patches, step).float()
            patches = patches + sigma_fall * prediction
            steps.queued(preview(loaded.projection, patches, prediction, sigma_left, (rows, columns)))
    steps.finish()
    return from_patches(patches, rows, columns)


def preview(
    projection: Projection, patches: torch.Tensor, prediction: torch.Tensor, sigma_left: float, grid: tuple[int, int]
) -> MakePreview:
    """Makes the picture that these patches lead to if all noise that is left is as the last step predicted."""
    return lambda: projection.pixels(lambda: from_patches(patches + sigma_left * prediction, *grid))


def decode(loaded: Loaded, latents: torch.Tensor) -> torch.Tensor:
    """The canvas of these latents."""
    with attending(loaded.attention.others, loaded.device):
        return loaded.decoder.canvas(latents)


def noise(seed: int, rows: int, columns: int) -> torch.Tensor:
    """The initial noise, from the CPU's generator, so that a seed means the same on every device."""
    shape = (1, 16, PATCHES_A_LATENT_SIDE * rows, PATCHES_A_LATENT_SIDE * columns)
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))[0]
