"""The file of a LoRA as stable-diffusion.cpp reads it, for as long as an engine lives.

The library reads the file again for each picture. It lies in a folder of Easel's, and its writer holds a lock on it.
What writers left that were killed is deleted when the next one starts.
"""

import fcntl
import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from easel.engines.engine import EngineUnusable
from easel.engines.lora_layout import Lora
from easel.engines.sdcpp.lora import rewrite

SUFFIX: Final = ".safetensors"
_LOCK: Final = ".lock"


class LoraFile:
    """A LoRA, written again for a transformer into a folder that is made if necessary."""

    def __init__(self, lora: Lora, transformer: Path, folder: Path) -> None:
        """Raises EngineUnusable."""
        try:
            with _alone(folder):
                _sweep(folder)
                descriptor, name = tempfile.mkstemp(suffix=SUFFIX, dir=folder)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            self.path = Path(name)
            # The lock ends with the descriptor, so this must be the one that stays open.
            opened = os.fdopen(descriptor, "wb")
            self._delete = weakref.finalize(self, _delete, self.path, opened)
            try:
                self.tensors = rewrite(lora, transformer, opened)
                opened.flush()
            except BaseException:
                self.close()
                raise
        except OSError as error:
            raise EngineUnusable(
                f"{lora.file} cannot be copied to {folder} for stable-diffusion.cpp ({error.strerror}): make room there."
            ) from error

    def close(self) -> None:
        """Delete the file."""
        self._delete()


def _delete(file: Path, opened: BinaryIO) -> None:
    file.unlink(missing_ok=True)
    with suppress(OSError):  # what does not fit on the disk is not needed any more
        opened.close()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else sweeps or adds a file meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sweep(folder: Path) -> None:
    """Delete files whose writers have ended."""
    for file in folder.glob(f"*{SUFFIX}"):
        with suppress(OSError), file.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink()
