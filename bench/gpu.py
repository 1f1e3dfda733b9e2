"""`make bench-gpu`, or `python -m bench.gpu`: compares the zimage engine with diffusers, with random weights.

The weights have the real size. The bench needs a GPU of at least 24 GB and no network. Every drawing has a new prompt
of the same length, so that captions are encoded each time. `--tiny` runs everything with the tests' tiny model on any
device. It only shows that the bench works; its figures mean nothing.
"""

import copy
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import torch

from bench import machine
from bench.gpu_contenders import STAGES, CompiledDiffusers, Contender, Diffusers, Easel, Stages
from bench.gpu_models import REAL, SEED, TINY, build, flop
from bench.gpu_report import ContenderFound, Found, LengthFound, SizeFound
from easel.engines.engine import Drawing
from easel.engines.zimage.attention import ORDERS
from easel.engines.zimage.devices import free_caches, memory_bytes, pick, settle
from easel.engines.zimage.matrices import KINDS
from easel.engines.zimage.parts import Parts
from easel.runtime import process_environment

REAL_SIZES: Final = ((512, 512), (1024, 1024), (1536, 1536), (1280, 720))
TINY_SIZES: Final = ((64, 64), (96, 64))
PROMPT: Final = "a heron at dawn, number {:06d}"
TEMPLATE_TOKENS: Final = 19
CAPTION_TOKENS: Final = TEMPLATE_TOKENS + len(PROMPT.format(0))
"""Of the tiny tokenizer: its template's, and one for each byte."""
CAPTION_LENGTHS: Final = range(60, 500, 36)
TINY_LENGTHS: Final = CAPTION_LENGTHS[:2]
"""In characters. Each is padded to another multiple of 32 tokens; the engine expects those up to 256."""
DRAWS_A_LENGTH: Final = 4
WARM_UP_DRAWS: Final = 3
MATMUL_SIDE: Final = 8192
TINY_MATMUL_SIDE: Final = 256
MATMULS: Final = 50
CONTENDERS: Final = (Diffusers, CompiledDiffusers, Easel)


@dataclass(frozen=True, slots=True)
class Plan:
    """What each contender draws: so many of each size, and of each length of caption in the second size."""

    sizes: Sequence[tuple[int, int]]
    lengths: Sequence[int]
    draws: int
    attention: str
    weights: str


@click.command()
@click.option("--tiny", is_flag=True, help="Use the tiny model and two drawings, only to show that the bench works.")
@click.option("--device", default="auto", help="Device, such as cuda:0.  [default: the first]")
@click.option(
    "--draws", type=click.IntRange(1, 1000), help="Drawings per size and contender.  [default: 20, or 2 with --tiny]"
)
@click.option(
    "--attention", type=click.Choice(["auto", *ORDERS]), default="auto", show_default=True,
    help="Attention kernel of the engine, as EASEL_ATTENTION.",
)  # fmt: skip
@click.option(
    "--weights", type=click.Choice(list(KINDS)), default="bf16", show_default=True,
    help="The engine's matrices, as EASEL_WEIGHTS.",
)  # fmt: skip
@click.option("--compiled", type=click.Path(path_type=Path), help="Folder for compiled code, for a second, warm run.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Also write the tables to this file.")
def main(
    device: str,
    draws: int | None,
    attention: str,
    weights: str,
    compiled: Path | None,
    markdown: Path | None,
    *,
    tiny: bool,
) -> None:
    """Measure the zimage engine and diffusers on this machine's GPU."""
    on = pick("cpu" if tiny and device == "auto" else device)
    if on.type != "cuda" and not tiny:
        raise click.ClickException("There is no CUDA device here; --tiny shows on any machine that this runs.")
    if compiled is not None:
        process_environment.keep_compiled(compiled)
    with torch.cuda.device(on if on.type == "cuda" else -1):
        plan = Plan(
            TINY_SIZES if tiny else REAL_SIZES,
            TINY_LENGTHS if tiny else CAPTION_LENGTHS,
            draws or (2 if tiny else 20),
            attention,
            weights,
        )
        report = measure(on, plan, tiny=tiny).markdown()
    click.echo(report)
    if markdown is not None:
        markdown.write_text(report, encoding="utf-8")


def measure(device: torch.device, plan: Plan, *, tiny: bool) -> Found:
    """Everything, in one run."""
    shape = TINY if tiny else REAL
    rate = matmul_flop_per_s(device, TINY_MATMUL_SIDE if tiny else MATMUL_SIDE)
    began_s = time.perf_counter()
    parts = build(shape, device)
    settle(device)
    build_s = time.perf_counter() - began_s
    embedding = torch.randn(CAPTION_TOKENS, parts.transformer.config.cap_feat_dim, generator=cpu_generator())
    probe = Drawing("", *plan.sizes[0], SEED)
    reference = reference_latents(parts, embedding, probe, device)
    # Each is made when its turn comes: the second compiles the parts, and the third takes them apart.
    compared = (embedding, probe, reference)
    found = [measure_contender(kind, parts, plan, device, compared) for kind in CONTENDERS]
    return Found(
        machine=machine.describe() | described(device),
        matmul_flop_per_s=rate,
        picture_flop={size: flop(shape, *size, CAPTION_TOKENS) for size in plan.sizes},
        contenders=found,
        notes=notes(plan.draws, rate, build_s, probe),
    )


def notes(draws: int, matmul_rate: float, build_s: float, probe: Drawing) -> list[str]:
    """What must be known beside the figures."""
    build = f"The random weights took {build_s:.1f} s to make; a first picture's time begins when they are there."
    compared = (
        f"Latents of {probe.width_px}x{probe.height_px} are compared with those of diffusers in float32, of the same"
    )
    return [
        f"Medians of {draws} drawings after some that are not counted; captions of {CAPTION_TOKENS} tokens, each new.",
        f"Matrices of bf16 are multiplied at {matmul_rate / 1e12:.1f} TFLOP/s: the floor is a picture at that rate.",
        build,
        f"{compared} weights, caption and noise.",
        "Encoding is Pillow's PNG for diffusers, and Easel's WebP for Easel.",
        f"Lengths of captions: one drawing of each length for the first, the median of {DRAWS_A_LENGTH - 1} for the later.",
    ]


def measure_contender(
    kind: type[Contender],
    parts: Parts,
    plan: Plan,
    device: torch.device,
    compared: tuple[torch.Tensor, Drawing, torch.Tensor | None],
) -> ContenderFound:
    """One contender, from its making to its last drawing. `compared` is an embedding, a drawing and its latents."""
    embedding, probe, reference = compared
    drawings = new_drawings()
    began_s = time.perf_counter()
    contender = kind(parts, device, plan.attention, plan.weights)  # type: ignore[call-arg] # a protocol has no constructor; all take these
    timed(contender, next(drawings), plan.sizes[0], device)
    first_picture_s = time.perf_counter() - began_s
    error = None
    if reference is not None:
        latents = contender.latents(embedding.to(device), probe).float()
        error = float((latents - reference).norm() / reference.norm())
    found = [measure_size(contender, drawings, size, plan.draws, device) for size in plan.sizes]
    lengths = [measure_length(contender, length, plan.sizes[1], device) for length in plan.lengths]
    # What is compiled holds on to memory that the next contender's peak would show.
    torch.compiler.reset()
    return ContenderFound(contender.name, first_picture_s, error, found, lengths)


def measure_length(contender: Contender, length: int, size: tuple[int, int], device: torch.device) -> LengthFound:
    """Drawings with captions of a length that was not drawn before. What is made for each length delays the first."""
    seconds = []
    for number in range(DRAWS_A_LENGTH):
        stages = timed(contender, f"{number}".rjust(length, "x"), size, device)
        seconds.append(sum(stages[stage] for stage in STAGES[:-1]))
    return LengthFound(length + TEMPLATE_TOKENS, seconds[0], statistics.median(seconds[1:]))


def measure_size(
    contender: Contender, prompts: Iterator[str], size: tuple[int, int], draws: int, device: torch.device
) -> SizeFound:
    """Warm drawings of one size."""
    for _ in range(min(draws, WARM_UP_DRAWS)):
        timed(contender, next(prompts), size, device)
    free_caches(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    stages = [timed(contender, next(prompts), size, device) for _ in range(draws)]
    peak_bytes = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return SizeFound(*size, stages, peak_bytes)


def timed(contender: Contender, prompt: str, size: tuple[int, int], device: torch.device) -> dict[str, float]:
    """Seconds of each stage of one drawing."""
    stages = Stages(device)
    contender.draw(Drawing(prompt, *size, SEED), stages)
    return stages.seconds


def new_drawings() -> Iterator[str]:
    """Prompts of one length, none of them twice."""
    number = 0
    while True:
        number += 1
        yield PROMPT.format(number)


def reference_latents(
    parts: Parts, embedding: torch.Tensor, probe: Drawing, device: torch.device
) -> torch.Tensor | None:
    """What diffusers draws in float32 with the same weights; None where they do not fit beside those in bf16."""
    parameters = sum(parameter.numel() for parameter in parts.transformer.parameters())
    if memory_bytes(device) < 1.6 * parameters * torch.float32.itemsize:
        return None
    exact = Parts(
        copy.deepcopy(parts.transformer).float(), parts.autoencoder, None, None, copy.deepcopy(parts.scheduler)
    )
    latents = Diffusers(exact, device).latents(embedding.to(device), probe)
    del exact
    free_caches(device)
    return latents


def matmul_flop_per_s(device: torch.device, side: int) -> float:
    """How fast this device multiplies square matrices of bf16: the median of many."""
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(MATMULS):
        began_s = time.perf_counter()
        _ = left @ right
        settle(device)
        seconds.append(time.perf_counter() - began_s)
    return 2 * side**3 / statistics.median(seconds)


def described(device: torch.device) -> dict[str, str]:
    """The device, and the versions that matter on it."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return {"device": name, "torch": torch.__version__, "cuda": str(torch.version.cuda)}


def cpu_generator() -> torch.Generator:
    """Random numbers that are the same on every device."""
    return torch.Generator("cpu").manual_seed(SEED)


if __name__ == "__main__":
    main()
