"""What `bench.gpu` found, as Markdown.

A picture's time is that of its stages up to its bytes in the machine's memory; its encoding stands beside it, since a
worker does that in another thread while the next picture is drawn.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.gpu_contenders import STAGES
from easel.engines.zimage.schedule import STEPS

COLUMNS: Final = (
    "Size", "Drawn by", "Picture s", "Ratio to diffusers", "Ratio to the floor", "Text s", "A step s", "Decode s",
    "Transfer s", "Encode s", "TFLOP/s", "of the rate", "Peak GB",
)  # fmt: skip
LENGTH_COLUMNS: Final = ("Caption tokens", "Drawn by", "First picture s", "Later pictures s", "First costs s more")
NONE: Final = "–"


@dataclass(frozen=True, slots=True)
class SizeFound:
    """One contender at one size: seconds of each stage, for each of its drawings."""

    width_px: int
    height_px: int
    stages: Sequence[Mapping[str, float]]
    peak_bytes: int | None

    def stage_s(self, name: str) -> float:
        """The median of a stage."""
        return statistics.median(stages[name] for stages in self.stages)

    @property
    def picture_s(self) -> float:
        """The median of a whole drawing, but for its encoding."""
        return statistics.median(sum(stages[name] for name in STAGES[:-1]) for stages in self.stages)


@dataclass(frozen=True, slots=True)
class LengthFound:
    """Seconds of the first picture with a caption of a length, and of later ones."""

    caption_tokens: int
    first_s: float
    later_s: float


@dataclass(frozen=True, slots=True)
class ContenderFound:
    """One contender. `latent_error` is None where the reference did not fit."""

    name: str
    first_picture_s: float
    latent_error: float | None
    sizes: Sequence[SizeFound]
    lengths: Sequence[LengthFound] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """All of one run. The first contender is the one that the others are compared with."""

    machine: Mapping[str, str]
    matmul_flop_per_s: float
    picture_flop: Mapping[tuple[int, int], int]
    """By width and height."""
    contenders: Sequence[ContenderFound]
    notes: Sequence[str]

    def markdown(self) -> str:
        """Both tables, and what must be known beside them."""
        parts = [
            ", ".join(f"{name} {value}" for name, value in self.machine.items()),
            table(COLUMNS, self._size_rows()),
            table(("Drawn by", "First picture s", "Relative error of the latents"), self._contender_rows()),
            table(LENGTH_COLUMNS, self._length_rows()),
            "\n".join(f"- {note}" for note in self.notes),
        ]
        return "\n\n".join(parts) + "\n"

    def _size_rows(self) -> list[list[str]]:
        rows = []
        for number, baseline in enumerate(self.contenders[0].sizes):
            flop = self.picture_flop[baseline.width_px, baseline.height_px]
            rows += [self._row(found.name, found.sizes[number], baseline, flop) for found in self.contenders]
        return rows

    def _row(self, name: str, found: SizeFound, baseline: SizeFound, flop: int) -> list[str]:
        floor_s = flop / self.matmul_flop_per_s
        return [
            f"{found.width_px}x{found.height_px}",
            name,
            f"{found.picture_s:.3f}",
            f"{found.picture_s / baseline.picture_s:.2f}",
            f"{found.picture_s / floor_s:.2f}",
            f"{found.stage_s('text'):.4f}",
            f"{found.stage_s('steps') / STEPS:.4f}",
            *(f"{found.stage_s(stage):.4f}" for stage in STAGES[2:]),
            f"{flop / found.picture_s / 1e12:.1f}",
            f"{100 * floor_s / found.picture_s:.0f} %",
            NONE if found.peak_bytes is None else f"{found.peak_bytes / 1e9:.1f}",
        ]

    def _contender_rows(self) -> list[list[str]]:
        return [
            [
                found.name,
                f"{found.first_picture_s:.1f}",
                NONE if found.latent_error is None else f"{found.latent_error:.2e}",
            ]
            for found in self.contenders
        ]

    def _length_rows(self) -> list[list[str]]:
        return [
            [
                str(length.caption_tokens),
                found.name,
                f"{length.first_s:.3f}",
                f"{length.later_s:.3f}",
                f"{length.first_s - length.later_s:.3f}",
            ]
            for found in self.contenders
            for length in found.lengths
        ]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, the first two columns of the wide one being words."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
