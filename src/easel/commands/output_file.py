"""Writing a picture where the user wants it, without replacing what is there unless told to."""

import itertools
from pathlib import Path


def free_name(path: Path) -> Path:
    """The path itself where nothing is there, else the first of `name-2`, `name-3`, … that is free."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], numbered) if not each.exists())


def write(content: bytes, path: Path, *, replace: bool) -> Path:
    """Write the file, and return its path; under a free name where it exists and is not to be replaced.

    Raises OSError.
    """
    if replace:
        path.write_bytes(content)
        return path
    while True:
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            path = free_name(path)
        else:
            return path
