"""`make bench-gpu`, with the tiny model on the CPU: it runs, and its figures are consistent. Speed is not tested."""

from pathlib import Path

import pytest

# It needs the gpu extra for the zimage engine, and the bench group to describe the machine.
pytest.importorskip("torch", reason="the gpu extra is not installed")
pytest.importorskip("psutil", reason="the bench group is not installed")

from bench import gpu, quantization
from bench.gpu_models import REAL, flop
from bench.gpu_report import COLUMNS, ContenderFound, Found, SizeFound
from click.testing import CliRunner

from easel.engines.zimage.warm_up import COMMON_CAPTION_TOKENS


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_all_contenders_are_measured_at_every_size_and_agree(tmp_path: Path) -> None:
    file = tmp_path / "figures.md"
    run = CliRunner().invoke(gpu.main, ["--tiny", "--draws", "1", "--markdown", str(file)], catch_exceptions=False)
    assert run.exit_code == 0, run.output
    told = file.read_text(encoding="utf-8")
    assert told in run.output
    rows = [cells(line) for line in told.splitlines() if line.startswith("| ")]
    by_size = [row for row in rows if "x" in row[0] and row[0][0].isdigit()]
    names = ["diffusers", "diffusers, compiled", "easel zimage"]
    assert [row[:2] for row in by_size] == [[size, name] for size in ("64x64", "96x64") for name in names]
    assert all(float(cell) >= 0 for row in by_size for cell in row[2:11])
    lengths = [row for row in rows if len(row) == 5 and row[0].isdigit()]
    assert [row[:2] for row in lengths] == [
        [str(length + gpu.TEMPLATE_TOKENS), name] for name in names for length in gpu.TINY_LENGTHS
    ]
    assert all(float(row[2]) - float(row[3]) == pytest.approx(float(row[4]), abs=0.002) for row in lengths)
    errors = [float(row[2]) for row in rows if len(row) == 3 and row[0] in names]
    assert len(errors) == 3
    assert all(0 < error < 0.01 for error in errors), "bf16 rounds, and no more than that"


def test_each_caption_of_the_bench_has_a_padded_length_of_its_own() -> None:
    padded = [-(-(length + gpu.TEMPLATE_TOKENS) // 32) for length in gpu.CAPTION_LENGTHS]
    assert len(set(padded)) == len(padded)
    assert max(padded) * 32 > max(COMMON_CAPTION_TOKENS), "also lengths that the warm-up does not expect"


def test_ratios_are_relative_to_diffusers_and_to_the_arithmetic_floor() -> None:
    def found(name: str, steps_s: float) -> ContenderFound:
        stages = [
            {"text": 0.1, "steps": steps, "decode": 0.2, "transfer": 0.1, "encode": 9.0} for steps in (steps_s, 99, 0)
        ]
        return ContenderFound(name, 1.0, None, [SizeFound(512, 256, stages, 2 * 10**9)])

    told = Found({}, 2e12, {(512, 256): 10**12}, [found("a", 1.6), found("b", 0.6)], []).markdown()
    row = dict(zip(COLUMNS, cells(next(line for line in told.splitlines() if "| b |" in line)), strict=True))
    assert (row["Picture s"], row["Ratio to diffusers"], row["Ratio to the floor"]) == ("1.000", "0.50", "2.00")
    assert (row["A step s"], row["TFLOP/s"], row["of the rate"], row["Peak GB"]) == ("0.0750", "1.0", "50 %", "2.0")


def test_the_lower_bound_for_the_real_model_follows_from_its_arithmetic() -> None:
    assert flop(REAL, 1024, 1024, 64) / 1e12 == pytest.approx(444.8 + 10.5 + 0.5, rel=0.01)


@pytest.mark.parametrize("weights", ["normal", "heavy"])
def test_matrices_in_8_bits_are_compared_with_those_in_bf16(weights: str) -> None:
    arguments = ["--dim", "64", "--layers", "1", "--side", "64", "--weights", weights]
    run = CliRunner().invoke(quantization.main, arguments, catch_exceptions=False)
    figures = [float(line.split(": ")[1].split(" dB")[0]) for line in run.output.splitlines()]
    rounded, small, both = figures
    assert rounded > small > 40
    assert both > 40
