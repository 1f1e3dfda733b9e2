"""Builds what a release consists of: wheel, source archive, a list of everything that is installed with it, and
checksums.

python -m tools.release [--out FOLDER] [--environment PYTHON]

The files in `dist/` are built from the commit alone: the same commit gives the same bytes, apart from the list, which
names the versions that `constraints.txt` pins. Uncommitted changes are refused. Nothing is uploaded.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Final

import click

import easel
from easel.runtime import process_environment

ROOT: Final = Path(__file__).parents[1]
CHECKSUMS: Final = "SHA256SUMS"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--out", type=click.Path(path_type=Path), default=ROOT / "dist", help="Folder for the files; emptied first."
)
@click.option(
    "--environment",
    type=click.Path(exists=True, path_type=Path),
    help="The Python of an environment whose packages are listed, instead of a new one with the wheel.",
)
def main(out: Path, environment: Path | None) -> None:
    """Build a release."""
    changed = _git("status", "--porcelain")
    if changed:
        raise click.ClickException(f"There are uncommitted changes, which a release may not have:\n{changed}")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    _build(out)
    [wheel] = out.glob("*.whl")
    listed = out / f"easel_server-{easel.__version__}.cdx.json"
    if environment is not None:
        _list_packages(environment, listed)
    else:
        with tempfile.TemporaryDirectory() as folder:
            _list_packages(_installed(wheel, Path(folder)), listed)
    _write_checksums(out)
    for file in sorted(out.iterdir()):
        click.echo(f"{file.stat().st_size / 1e6:8.2f} MB  {file}")


def _build(out: Path) -> None:
    """The source archive, and the wheel from it."""
    epoch = _git("log", "-1", "--format=%ct")
    environment = process_environment.copy() | {"SOURCE_DATE_EPOCH": epoch}
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    _run(command, environment)


def _installed(wheel: Path, folder: Path) -> Path:
    """The Python of a new environment that has the wheel and what it needs, in the pinned versions."""
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    pinned = ["--constraint", str(ROOT / "constraints.txt")]
    _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pinned, str(wheel)])
    _run([str(python), "-m", "pip", "uninstall", "--quiet", "--yes", "pip", "setuptools"])
    return python


def _list_packages(python: Path, file: Path) -> None:
    """Write the packages of an environment as a CycloneDX document."""
    command = [
        sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject", str(ROOT / "pyproject.toml"),
        "--output-reproducible", "--output-format", "JSON", "--output-file", str(file), str(python),
    ]  # fmt: skip
    _run(command)


def _write_checksums(out: Path) -> None:
    files = sorted(file for file in out.iterdir() if file.name != CHECKSUMS)
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (out / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def _git(*arguments: str) -> str:
    ran = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607 - from the PATH
    return ran.stdout.strip()


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise click.ClickException(f"{' '.join(command)}\n{ran.stdout}{ran.stderr}")


if __name__ == "__main__":
    main()
