"""Locates Z-Image's weights: a folder in diffusers' or ComfyUI's layout, or a model from a hub, downloaded once.

A model that is on this machine is used without contacting the hub. Only JSON, text and safetensors files are
downloaded, nothing executable. Before anything is loaded, the files are compared with what the Turbo model has
(`identity`).
"""

import errno
import logging
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import HTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

from easel.engines.engine import EngineUnusable
from easel.engines.zimage import published
from easel.engines.zimage.checkpoint import PARTS, Checkpoint, in_folder, missing_files, of_split_files
from easel.engines.zimage.foreign_formats import FILES, FOLDER, foreign_file
from easel.engines.zimage.identity import require_turbo
from easel.engines.zimage.published import Published
from easel.engines.zimage.split_files import find_split_files, is_transformer
from easel.runtime import network_environment
from easel.runtime.network_environment import NetworkUnusable

log = logging.getLogger(__name__)

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
FETCHED = ["model_index.json", "scheduler/*.json", "tokenizer/*.json", "tokenizer/*.txt", "tokenizer/*.jinja"] + [
    f"{part}/*.{kind}" for part in PARTS for kind in ("json", "safetensors")
]
HUB_TIMEOUT_S = 30.0
REPORT_INTERVAL_S = 30.0
"""How often a download writes a log line when there is no terminal."""


@dataclass(frozen=True, slots=True)
class Hub:
    """Where hub models come from and where they are kept. None means huggingface_hub's default."""

    url: str | None = None
    revision: str | None = None
    cache_folder: Path | None = None


def locate(model: str, hub: Hub) -> Checkpoint:
    """The checkpoint of `model`, a folder, a file or a hub id. Downloads a hub model if necessary. Raises
    EngineUnusable."""
    found = find(model, hub)
    if found is None:
        found = opened(fetch(model, hub))
        require_turbo(found)
    return found


def find(model: str, hub: Hub = Hub()) -> Checkpoint | None:
    """The checkpoint of `model` on this machine; None for a hub model that was not downloaded. Raises EngineUnusable if
    it is not one that this engine draws with."""
    named = Path(model).expanduser()
    if named.is_dir() or (named.is_file() and is_transformer(named)):
        found = opened(named)
        require_turbo(found)
        return found
    if named.is_file() or model.endswith(FILES):
        raise EngineUnusable(foreign_file(named))
    if not HUB_ID.fullmatch(model):
        raise EngineUnusable(f"The folder {model} does not exist: set EASEL_MODEL to a folder, or to a hub id.")
    folder = fetched_before(model, hub)
    if folder is None and model == published.DEFAULT.model:
        # What earlier versions of Easel downloaded is the same model.
        folder = fetched_before(published.TURBO.model, hub)
    if folder is None:
        return None
    found = opened(folder)
    require_turbo(found)
    return found


def opened(named: Path) -> Checkpoint:
    """The checkpoint of a folder, or of the file of a transformer. Raises EngineUnusable."""
    if (named / "model_index.json").is_file():
        return in_folder(named)
    files = find_split_files(named)
    return in_folder(named) if files is None else of_split_files(named if named.is_dir() else named.parent, files)


def pinned(model: str, hub: Hub) -> Hub:
    """The same hub, at the published revision if this is a published model and no other revision was named."""
    known = published.MODELS.get(model)
    if known is None or hub.revision is not None:
        return hub
    return replace(hub, revision=known.revision)


def fetched_before(model: str, hub: Hub) -> Path | None:
    """The folder of an earlier download, if it is complete: of the published revision, or of another one, which an
    earlier version of Easel or another program may have downloaded. Does not use the network."""
    for where in dict.fromkeys((pinned(model, hub), hub)):
        try:
            folder = Path(snapshot_download(model, local_files_only=True, **download_options(model, where)))
        except (OSError, ValueError):
            continue
        if not missing(model, folder):
            return folder
    return None


def missing(model: str, folder: Path) -> list[str]:
    """The files that a downloaded folder lacks."""
    known = published.MODELS.get(model)
    if known is None or not known.is_split:
        return missing_files(folder)
    return [name for name in known.digests if not (folder / name).is_file()]


def fetch(model: str, hub: Hub) -> Path:
    """Download what a Z-Image pipeline needs, resuming an interrupted download. Raises EngineUnusable.

    The large files of published models are compared with their digests.
    """
    hub = pinned(model, hub)
    known = published.MODELS.get(model)
    check_network(hub)
    disable_progress_bars()
    try:
        if hub.revision is not None:
            # Without a network, this fails at once. The next call would try for half a minute, for a revision by its
            # hash.
            HfApi(endpoint=hub.url).model_info(model, revision=hub.revision, timeout=HUB_TIMEOUT_S)
        plan = snapshot_download(model, dry_run=True, **download_options(model, hub))
        if (known is None or not known.is_split) and not any(file.filename == "model_index.json" for file in plan):
            raise EngineUnusable(f"{model} on the hub is not in diffusers' format: {FOLDER}.")
        wanted_bytes = sum(file.file_size or 0 for file in plan if file.will_download)
        require_disk(model, wanted_bytes, hub)
        log.info("downloading %s, revision %s, %.1f GB", model, hub.revision or "main", wanted_bytes / 1e9)
        with progress(model, wanted_bytes, hub):
            folder: str = snapshot_download(model, **download_options(model, hub))
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        raise EngineUnusable(why_not_fetched(model, hub, error)) from error
    if known is not None and hub.revision == known.revision:
        require_published(Path(folder), known)
    return Path(folder)


def require_published(folder: Path, known: Published) -> None:
    """Raise EngineUnusable if a file is not the published one, after deleting it, so that it is downloaded again."""
    log.info("comparing the download with its digests, which takes a minute or more")
    different = published.different_files(folder, known)
    for file in different:
        file.resolve().unlink(missing_ok=True)
        file.unlink(missing_ok=True)
    if different:
        others = f" and {len(different) - 1} other files" if different[1:] else ""
        raise EngineUnusable(
            f"{different[0].relative_to(folder)}{others} of the download did not have the published SHA-256 and was "
            "deleted: start again to download it again, from another hub if HF_ENDPOINT names one."
        )


def check_network(hub: Hub) -> None:
    """Raise EngineUnusable if the environment's proxies or certificates are unusable; the library's errors are
    obscure."""
    try:
        network_environment.check_certificates()
        network_environment.proxy_for(hub.url or constants.ENDPOINT)
    except NetworkUnusable as error:
        raise EngineUnusable(str(error)) from None


def download_options(model: str, hub: Hub) -> dict[str, object]:
    """The arguments of every call of snapshot_download."""
    known = published.MODELS.get(model)
    return {
        "allow_patterns": list(known.digests) if known is not None and known.is_split else FETCHED,
        "cache_dir": hub.cache_folder,
        "endpoint": hub.url,
        "revision": hub.revision,
    }


def why_not_fetched(model: str, hub: Hub, error: Exception) -> str:
    """The message for the operator about an error from the hub's library."""
    causes = [error, error.__cause__]
    if any(isinstance(cause, RepositoryNotFoundError | RevisionNotFoundError) for cause in causes):
        return f"The hub has no model {model} that you may read: correct the name, or log in to the hub if the model is private."
    if any(isinstance(cause, OSError) and cause.errno == errno.ENOSPC for cause in causes):
        return f"The disk of {blob_folder(model, hub)} is full: free some space, or set HF_HOME to a folder on another disk."
    reason = type(error.__cause__ or error).__name__
    return (
        f"{model} is not on this machine and cannot be downloaded ({reason}): connect this machine to the hub, "
        "or copy the model here and set EASEL_MODEL to its folder."
    )


def require_disk(model: str, wanted_bytes: int, hub: Hub) -> None:
    """Raise EngineUnusable if the download does not fit on the disk. Partial downloads count as done."""
    folder = blob_folder(model, hub)
    partial_bytes = sum(file.stat().st_size for file in folder.glob("*.incomplete"))
    there = next(parent for parent in [folder, *folder.parents] if parent.is_dir())
    free_bytes = shutil.disk_usage(there).free
    if wanted_bytes - partial_bytes > free_bytes:
        raise EngineUnusable(
            f"{model} takes {wanted_bytes / 1e9:.1f} GB and {there} has {free_bytes / 1e9:.1f} GB free: "
            "free some space, or set HF_HOME to a folder on another disk."
        )


def blob_folder(model: str, hub: Hub) -> Path:
    """Where huggingface_hub keeps a model's files during and after the download."""
    cache_folder = hub.cache_folder or Path(constants.HF_HUB_CACHE)
    name: str = repo_folder_name(repo_id=model, repo_type="model")
    return cache_folder.expanduser() / name / "blobs"


@contextmanager
def progress(model: str, wanted_bytes: int, hub: Hub) -> Iterator[None]:
    """During the block, show the library's progress bars if stderr is a terminal, else write a log line now and
    then."""
    if sys.stderr.isatty():
        enable_progress_bars()
        yield
        return
    folder = blob_folder(model, hub)
    before_bytes = folder_bytes(folder)
    done = threading.Event()

    def report() -> None:
        while not done.wait(REPORT_INTERVAL_S):
            fetched_bytes = folder_bytes(folder) - before_bytes
            log.info("downloading %s, %.1f of %.1f GB", model, fetched_bytes / 1e9, wanted_bytes / 1e9)

    reporter = threading.Thread(target=report, name="download-report", daemon=True)
    reporter.start()
    try:
        yield
    finally:
        done.set()
        reporter.join()


def folder_bytes(folder: Path) -> int:
    """The total size of the files. A file that is renamed meanwhile is not counted."""
    total_bytes = 0
    for file in folder.glob("*"):
        try:
            total_bytes += file.stat().st_size
        except FileNotFoundError:
            continue
    return total_bytes
