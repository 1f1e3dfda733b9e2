"""Writes a picture where the user wants it. Existing files are kept unless the user asks to replace them."""

import itertools
import stat
import uuid
from pathlib import Path


def free_name(path: Path) -> Path:
    """The path itself if it is free, otherwise the first free one of `name-2`, `name-3`, …."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], numbered) if not is_taken(each))


def is_taken(path: Path) -> bool:
    """Whether the name is taken, even by a dangling link."""
    return path.exists() or path.is_symlink()


def try_out(path: Path) -> None:
    """Raise OSError if the file evidently cannot be written. Does not touch the file itself."""
    path.exists()  # raises if the file system does not accept the name
    draft = _draft(path)
    draft.touch(exist_ok=False)
    draft.unlink()


def write(content: bytes, path: Path, *, replace: bool, base: Path | None = None) -> Path:
    """Write the file completely or not at all, and return its path.

    Without `replace`, an existing file is kept and the new one gets another name: the first free one of `base`, which
    is the path itself unless another is given. Raises OSError.
    """
    if replace:
        _replace(content, path.resolve())
        return path
    while True:
        try:
            _write_new(content, path)
        except FileExistsError:
            path = free_name(path if base is None else base)
        else:
            return path


def _replace(content: bytes, path: Path) -> None:
    """Replace the file once the new one is complete."""
    draft = _draft(path)
    _write_new(content, draft)
    try:
        if path.exists():
            draft.chmod(stat.S_IMODE(path.stat().st_mode))
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _write_new(content: bytes, path: Path) -> None:
    with path.open("xb") as file:
        try:
            file.write(content)
            file.flush()
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _draft(path: Path) -> Path:
    """An unused name in the same folder."""
    return path.parent / f".easel-{uuid.uuid4().hex[:16]}{path.suffix}"
