"""The files that are downloaded where none are named, and the digests that they must have.

They are Z-Image-Turbo in Q4_K, Qwen3-4B in Q4_K_M as its makers publish it, and the autoencoder of FLUX.1: 6.7 GB.
Their revisions and digests are those that several public projects state. They have not been compared with a download
here: a file that differs is deleted, and the start fails.
"""

import hashlib
import logging
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from easel.engines.engine import EngineUnusable
from easel.runtime import distribution

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file of one revision of a model on the hub."""

    model: str
    revision: str
    name: str
    size_bytes: int
    sha256: str


FILES: Final = {
    "TRANSFORMER": PublishedFile(
        model="leejet/Z-Image-Turbo-GGUF",
        revision="c61c0e422dc8b541b7548cf33a4ef8302b0f8085",
        name="z_image_turbo-Q4_K.gguf",
        size_bytes=3_864_250_304,
        sha256="14b375ab4f226bc5378f68f37e899ef3c2242b8541e61e2bc1aff40976086fbd",
    ),
    "TEXT_ENCODER": PublishedFile(
        model="Qwen/Qwen3-4B-GGUF",
        revision="bc640142c66e1fdd12af0bd68f40445458f3869b",
        name="Qwen3-4B-Q4_K_M.gguf",
        size_bytes=2_497_280_256,
        sha256="7485fe6f11af29433bc51cab58009521f205840f5b4ae3a32fa7f92e8534fdf5",
    ),
    "AUTOENCODER": PublishedFile(
        model="Comfy-Org/z_image_turbo",
        revision="d24c4cf2a0cd98a42f23467e27e3d76ee9438b8e",
        name="split_files/vae/ae.safetensors",
        size_bytes=335_304_388,
        sha256="afc8e28272cd15db3919bacdb6918ce9c1ed22e96cb12c4d5ed0fba823529e38",
    ),
}
"""By the names of the model's parts."""


@dataclass(frozen=True, slots=True)
class Hub:
    """Where files come from and where they are kept. None means huggingface_hub's default."""

    url: str | None = None
    cache_folder: Path | None = None


def fetched_before(wanted: PublishedFile, hub: Hub = Hub()) -> Path | None:
    """The file of an earlier download. Does not use the network."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    found = try_to_load_from_cache(wanted.model, wanted.name, cache_dir=hub.cache_folder, revision=wanted.revision)
    return Path(found) if isinstance(found, str) else None


def fetch(wanted: PublishedFile, hub: Hub = Hub()) -> Path:
    """Download a file, with a progress bar on a terminal, and compare its digest. An interrupted download is resumed.
    Raises EngineUnusable."""
    try:
        from huggingface_hub import constants, hf_hub_download
        from huggingface_hub.errors import HTTPError
        from huggingface_hub.utils import disable_progress_bars, enable_progress_bars
    except ImportError:
        raise EngineUnusable(
            f"{wanted.name} cannot be downloaded without huggingface-hub: run `{distribution.install_extra('small')}`, or "
            "set EASEL_SDCPP_MODEL to a folder with the three files."
        ) from None
    _require_disk(wanted, hub.cache_folder or Path(constants.HF_HUB_CACHE))
    (enable_progress_bars if sys.stderr.isatty() else disable_progress_bars)()
    log.info("downloading %s of %s, %.1f GB", wanted.name, wanted.model, wanted.size_bytes / 1e9)
    try:
        file = Path(
            hf_hub_download(
                wanted.model, wanted.name, revision=wanted.revision, cache_dir=hub.cache_folder, endpoint=hub.url
            )
        )
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        reason = type(error.__cause__ or error).__name__
        raise EngineUnusable(
            f"{wanted.name} of {wanted.model} is not on this machine and cannot be downloaded ({reason}): connect this "
            "machine to the hub, or copy the three files into a folder and set EASEL_SDCPP_MODEL to it."
        ) from error
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if digest != wanted.sha256:
        file.resolve().unlink(missing_ok=True)
        file.unlink(missing_ok=True)
        raise EngineUnusable(
            f"{wanted.name} did not have the published SHA-256 and was deleted: start again to download it again, from "
            "another hub if HF_ENDPOINT names one."
        )
    return file


def _require_disk(wanted: PublishedFile, folder: Path) -> None:
    there = next(parent for parent in [folder, *folder.parents] if parent.is_dir())
    free_bytes = shutil.disk_usage(there).free
    if wanted.size_bytes > free_bytes:
        raise EngineUnusable(
            f"{wanted.name} takes {wanted.size_bytes / 1e9:.1f} GB and {there} has {free_bytes / 1e9:.1f} GB free: free "
            "some space, or set HF_HOME to a folder on another disk."
        )
