"""Where `easel generate` writes its pictures: the names, and the checks before anything is ordered."""

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from easel.commands.terminal.output_file import free_name, is_taken, try_out, write

FORMAT_BY_SUFFIX: Final = {".webp": "webp", ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}
SUFFIX_BY_FORMAT: Final = {"webp": ".webp", "png": ".png", "jpeg": ".jpg"}
STDOUT: Final = "-"
_NAME_BYTES_MAX: Final = 60
"""Long enough to tell prompts apart, and short enough for every file system and listing."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where pictures go: to standard output, into one file, or into a folder with names made from the prompts."""

    format: str
    file: Path | None = None
    folder: Path = Path()
    is_stdout: bool = False

    def path(self, prompt: str) -> Path:
        """The file of the first picture of a prompt."""
        return self.file or self.folder / f"{name_of(prompt)}{SUFFIX_BY_FORMAT[self.format]}"


def destination(output: str | None, format_: str | None) -> Destination:
    """Where the options `--output` and `--format` want the pictures. Raises UsageError."""
    if output == STDOUT:
        return Destination(format_ or "webp", is_stdout=True)
    if output is None:
        return Destination(format_ or "webp")
    path = Path(output)
    if output.endswith("/") or _is_folder(path):
        return Destination(format_ or "webp", folder=path)
    of_name = FORMAT_BY_SUFFIX.get(path.suffix.lower())
    if of_name is None:
        raise click.UsageError(f"--output must end in one of {', '.join(FORMAT_BY_SUFFIX)}, or name a folder.")
    if format_ not in {None, of_name}:
        raise click.UsageError(f"--output ends in {path.suffix}, but --format is {format_}: leave one of them out.")
    return Destination(of_name, file=path)


def check(to: Destination, prompt: str, *, force: bool) -> None:
    """Reject a destination that cannot or must not be written. Raises UsageError."""
    path = to.path(prompt).absolute()
    try:
        if not path.parent.is_dir():
            raise click.UsageError(f"There is no folder {path.parent}: create it, or choose another location.")
        if to.file is not None and is_taken(to.file) and not force:
            raise click.UsageError(f"{to.file} exists: choose another name, or replace it with --force.")
        try_out(path.resolve())
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written ({error.strerror}): choose another location.") from None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # such as for a name that is too long, which `check` reports
        return False


class PictureFolder:
    """Writes the pictures of one command. No picture replaces another one of the same command."""

    def __init__(self, to: Destination, *, force: bool) -> None:
        self._to = to
        self._force = force
        self._written: set[Path] = set()

    def write(self, file: bytes, prompt: str) -> Path:
        """Write a picture, and return its path. Raises OSError."""
        path = self._to.path(prompt)
        if self._force and path not in self._written:
            written = write(file, path, replace=True)
        else:
            written = write(file, free_name(path), replace=False, base=path)
        self._written.add(path)
        return written


def name_of(prompt: str) -> str:
    """A file name for a prompt, without extension: its letters and digits in lower case, joined by hyphens."""
    text = unicodedata.normalize("NFKC", prompt).lower()
    words = "".join(sign if sign.isalnum() or unicodedata.combining(sign) else " " for sign in text).split()
    name = ""
    for word in words:
        longer = f"{name}-{word}" if name else _cut(word)
        if len(longer.encode()) > _NAME_BYTES_MAX:
            break
        name = longer
    return name or "picture"


def _cut(word: str) -> str:
    return word.encode()[:_NAME_BYTES_MAX].decode(errors="ignore")
