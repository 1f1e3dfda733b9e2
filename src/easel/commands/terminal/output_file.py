"""Writing a picture where the user wants it, without replacing what is there unless told to."""

import itertools
import stat
import uuid
from pathlib import Path


def free_name(path: Path) -> Path:
    """The path itself where nothing is there, else the first of `name-2`, `name-3`, … that is free."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], numbered) if not is_taken(each))


def is_taken(path: Path) -> bool:
    """Whether something has that name, be it a link that leads nowhere."""
    return path.exists() or path.is_symlink()


def try_out(path: Path) -> None:
    """Raise OSError where the file could not be written, as far as that shows without writing it."""
    path.exists()  # which fails for a name that the file system does not take
    draft = _draft(path)
    draft.touch(exist_ok=False)
    draft.unlink()


def write(content: bytes, path: Path, *, replace: bool) -> Path:
    """Write the file whole or not at all, and return its path; under a free name where it exists and is not to be replaced.

    Raises OSError.
    """
    if replace:
        _replace(content, path.resolve())
        return path
    while True:
        try:
            _write_new(content, path)
        except FileExistsError:
            path = free_name(path)
        else:
            return path


def _replace(content: bytes, path: Path) -> None:
    """What was there stays until all of the new file is written."""
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
    """A name beside the file that nothing has."""
    return path.parent / f".easel-{uuid.uuid4().hex[:16]}{path.suffix}"
