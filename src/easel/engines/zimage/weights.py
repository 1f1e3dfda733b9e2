"""Locates Z-Image's weights: a folder in diffusers' format, or a model from a hub, downloaded once.

A model that is on this machine is used without contacting the hub. Only JSON, text and safetensors files are
downloaded, nothing executable. A folder is checked for the presence and length of its files; whether the weights are
those of the Turbo model is not checked.
"""

import errno
import json
import logging
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

from easel.engines.engine import EngineUnusable
from easel.runtime import network_environment
from easel.runtime.network_environment import NetworkUnusable

log = logging.getLogger(__name__)

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
FETCHED = ["model_index.json", "scheduler/*.json", "tokenizer/*.json", "tokenizer/*.txt", "tokenizer/*.jinja"] + [
    f"{part}/*.{kind}" for part in ("text_encoder", "transformer", "vae") for kind in ("json", "safetensors")
]
PARTS = {"text_encoder": "model", "transformer": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
"""The parts that have weights, and the prefix of their file names."""

SMALL_FILES = ["model_index.json", "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"]
HEADER_BYTES_MAX = 100_000_000
"""The safetensors format's own limit for a file's header."""

REPORT_INTERVAL_S = 30.0
"""How often a download writes a log line when there is no terminal."""


@dataclass(frozen=True, slots=True)
class Hub:
    """Where hub models come from and where they are kept. None means huggingface_hub's default."""

    url: str | None = None
    revision: str | None = None
    cache_folder: Path | None = None


def locate(model: str, hub: Hub) -> Path:
    """The folder of `model`, a folder or a hub id. Downloads a hub model if necessary. Raises EngineUnusable."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        require_whole(folder)
        return folder
    if not HUB_ID.fullmatch(model):
        raise EngineUnusable(
            f"The folder {model} does not exist: set EASEL_MODEL to a folder in diffusers' format, or to a hub id."
        )
    fetched = fetched_before(model, hub)
    if fetched is None:
        fetched = fetch(model, hub)
        require_whole(fetched)
    return fetched


def require_whole(folder: Path) -> None:
    """Raise EngineUnusable unless `folder` has every file that a Z-Image pipeline needs."""
    missing = missing_files(folder)
    if missing:
        others = f" and {len(missing) - 1} other files are" if missing[1:] else " is"
        raise EngineUnusable(
            f"{folder} is not a complete Z-Image checkpoint: {missing[0]}{others} missing. Download it again."
        )
    pipeline = read_json(folder / "model_index.json").get("_class_name")
    if pipeline != "ZImagePipeline":
        raise EngineUnusable(
            f"{folder} contains {pipeline}, not ZImagePipeline: set EASEL_MODEL to a Z-Image checkpoint."
        )


def missing_files(folder: Path) -> list[str]:
    """The files, relative to the folder, that a Z-Image pipeline needs and that are missing."""
    names = [*SMALL_FILES, *(f"{part}/config.json" for part in PARTS)]
    if not (folder / "tokenizer/vocab.json").is_file() or not (folder / "tokenizer/merges.txt").is_file():
        names.append("tokenizer/tokenizer.json")
    for part in PARTS:
        names += [f"{part}/{name}" for name in weight_files(folder, part)]
    return [name for name in names if not (folder / name).is_file()]


def weight_files(folder: Path, part: str) -> list[str]:
    """The names of a part's weight files, present or not: those in its index, or else the single file."""
    whole = f"{PARTS[part]}.safetensors"
    index = folder / part / f"{whole}.index.json"
    if not index.is_file():
        return [whole]
    listed = read_json(index).get("weight_map")
    names = sorted(set(listed.values())) if isinstance(listed, dict) else []
    if not names or any(Path(name).name != name for name in names):
        raise EngineUnusable(f"{index} is damaged: copy or download it again.")
    return names


def count_parameters(folder: Path) -> int:
    """The number of parameters, from the headers of the weight files. Raises EngineUnusable for a truncated file."""
    return sum(count_in_part(folder, part) for part in PARTS)


def count_in_part(folder: Path, part: str) -> int:
    """The number of parameters of one part."""
    return sum(count_in_file(folder / part / name) for name in weight_files(folder, part))


def count_in_file(file: Path) -> int:
    """The number of parameters in a safetensors file.

    The format: the length of the header (8 bytes, little-endian), a JSON header with the shape and offsets of every
    tensor, and the data.
    """
    with file.open("rb") as opened:
        header_bytes = int.from_bytes(opened.read(8), "little")
        header = opened.read(header_bytes) if header_bytes <= HEADER_BYTES_MAX else b""
    try:
        tensors = {name: entry for name, entry in json.loads(header).items() if name != "__metadata__"}
        data_bytes = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
        parameters: int = sum(prod(entry["shape"]) for entry in tensors.values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineUnusable(f"{file} is not a safetensors file: copy or download it again.") from error
    if file.stat().st_size != 8 + header_bytes + data_bytes:
        raise EngineUnusable(f"{file} does not have the length that its header states: copy or download it again.")
    return parameters


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises EngineUnusable."""
    try:
        read = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise EngineUnusable(f"{file} cannot be read ({error}): copy or download it again.") from error
    if not isinstance(read, dict):
        raise EngineUnusable(f"{file} is damaged: copy or download it again.")
    return read


def fetched_before(model: str, hub: Hub) -> Path | None:
    """The folder of an earlier download, if it is complete. Does not use the network."""
    try:
        folder = Path(snapshot_download(model, local_files_only=True, **download_options(hub)))
    except (OSError, ValueError):
        return None
    return None if missing_files(folder) else folder


def fetch(model: str, hub: Hub) -> Path:
    """Download what a Z-Image pipeline needs, resuming an interrupted download. Raises EngineUnusable.

    The Turbo model takes 32.8 GB, because its transformer is stored in float32.
    """
    check_network(hub)
    disable_progress_bars()
    try:
        plan = snapshot_download(model, dry_run=True, **download_options(hub))
        wanted_bytes = sum(file.file_size or 0 for file in plan if file.will_download)
        require_disk(model, wanted_bytes, hub)
        log.info("downloading %s, %.1f GB", model, wanted_bytes / 1e9)
        with progress(model, wanted_bytes, hub):
            folder: str = snapshot_download(model, **download_options(hub))
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        raise EngineUnusable(why_not_fetched(model, hub, error)) from error
    return Path(folder)


def check_network(hub: Hub) -> None:
    """Raise EngineUnusable if the environment's proxies or certificates are unusable; the library's errors are
    obscure."""
    try:
        network_environment.check_certificates()
        network_environment.proxy_for(hub.url or constants.ENDPOINT)
    except NetworkUnusable as error:
        raise EngineUnusable(str(error)) from None


def download_options(hub: Hub) -> dict[str, object]:
    """The arguments of every call of snapshot_download."""
    return {
        "allow_patterns": FETCHED,
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
