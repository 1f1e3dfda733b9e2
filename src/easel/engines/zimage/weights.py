"""Where Z-Image's weights come from: a folder in diffusers' format, or a model hub, fetched once.

What is on this machine is used without asking the hub. Only JSON, text and safetensors files are fetched, nothing
that could be run. A folder is judged by its files' presence and lengths; whether the weights are those of the Turbo
model, and any good, is not judged.
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
"""The parts that have weights, and how their files' names begin."""

SMALL_FILES = ["model_index.json", "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"]
HEADER_BYTES_MAX = 100_000_000
"""The safetensors format's own limit for a file's header."""

REPORT_INTERVAL_S = 30.0
"""How often a download that nobody watches on a terminal writes a line."""


@dataclass(frozen=True, slots=True)
class Hub:
    """Where hub models come from and go to: None everywhere means what huggingface_hub would choose itself."""

    url: str | None = None
    revision: str | None = None
    cache_folder: Path | None = None


def locate(model: str, hub: Hub) -> Path:
    """The folder of `model`, fetched from the hub if it is no folder and not here yet. Raises EngineUnusable."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        require_whole(folder)
        return folder
    if not HUB_ID.fullmatch(model):
        raise EngineUnusable(
            f"There is no folder {model}: set EASEL_MODEL to a folder in diffusers' format, or to a hub id."
        )
    fetched = fetched_before(model, hub)
    if fetched is None:
        fetched = fetch(model, hub)
        require_whole(fetched)
    return fetched


def require_whole(folder: Path) -> None:
    """Raise EngineUnusable unless `folder` holds every file that a Z-Image pipeline needs."""
    missing = missing_files(folder)
    if missing:
        others = f" and {len(missing) - 1} other files" if missing[1:] else ""
        raise EngineUnusable(f"{folder} is no whole Z-Image checkpoint, it lacks {missing[0]}{others}: fetch it again.")
    pipeline = read_json(folder / "model_index.json").get("_class_name")
    if pipeline != "ZImagePipeline":
        raise EngineUnusable(f"{folder} holds {pipeline}, not ZImagePipeline: set EASEL_MODEL to a Z-Image checkpoint.")


def missing_files(folder: Path) -> list[str]:
    """The names, within the folder, of files that a Z-Image pipeline needs and that are not there."""
    names = [*SMALL_FILES, *(f"{part}/config.json" for part in PARTS)]
    if not (folder / "tokenizer/vocab.json").is_file() or not (folder / "tokenizer/merges.txt").is_file():
        names.append("tokenizer/tokenizer.json")
    for part in PARTS:
        names += [f"{part}/{name}" for name in weight_files(folder, part)]
    return [name for name in names if not (folder / name).is_file()]


def weight_files(folder: Path, part: str) -> list[str]:
    """The names of a part's weight files, there or not: those in its index, or else the one file."""
    whole = f"{PARTS[part]}.safetensors"
    index = folder / part / f"{whole}.index.json"
    if not index.is_file():
        return [whole]
    listed = read_json(index).get("weight_map")
    names = sorted(set(listed.values())) if isinstance(listed, dict) else []
    if not names or any(Path(name).name != name for name in names):
        raise EngineUnusable(f"{index} is damaged: copy or fetch it again.")
    return names


def count_parameters(folder: Path) -> int:
    """How many numbers the weights hold, from their files' headers. Raises EngineUnusable for a file cut short."""
    return sum(count_in_part(folder, part) for part in PARTS)


def count_in_part(folder: Path, part: str) -> int:
    """The same of one part."""
    return sum(count_in_file(folder / part / name) for name in weight_files(folder, part))


def count_in_file(file: Path) -> int:
    """How many numbers a safetensors file holds.

    The format: the header's length (8 bytes, little-endian), a JSON header with every tensor's shape and place, data.
    """
    with file.open("rb") as opened:
        header_bytes = int.from_bytes(opened.read(8), "little")
        header = opened.read(header_bytes) if header_bytes <= HEADER_BYTES_MAX else b""
    try:
        tensors = {name: entry for name, entry in json.loads(header).items() if name != "__metadata__"}
        data_bytes = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
        parameters: int = sum(prod(entry["shape"]) for entry in tensors.values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineUnusable(f"{file} is no safetensors file: copy or fetch it again.") from error
    if file.stat().st_size != 8 + header_bytes + data_bytes:
        raise EngineUnusable(f"{file} is not as long as its header says: copy or fetch it again.")
    return parameters


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises EngineUnusable where there is none."""
    try:
        read = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise EngineUnusable(f"{file} cannot be read ({error}): copy or fetch it again.") from error
    if not isinstance(read, dict):
        raise EngineUnusable(f"{file} is damaged: copy or fetch it again.")
    return read


def fetched_before(model: str, hub: Hub) -> Path | None:
    """The folder that an earlier download left, if nothing is missing in it; no network is touched."""
    try:
        folder = Path(snapshot_download(model, local_files_only=True, **download_options(hub)))
    except (OSError, ValueError):
        return None
    return None if missing_files(folder) else folder


def fetch(model: str, hub: Hub) -> Path:
    """Download what a Z-Image pipeline needs; an interrupted download goes on where it can. Raises EngineUnusable.

    32.8 GB for the Turbo model, whose transformer is stored in float32.
    """
    check_way_to(hub)
    disable_progress_bars()
    try:
        plan = snapshot_download(model, dry_run=True, **download_options(hub))
        wanted_bytes = sum(file.file_size or 0 for file in plan if file.will_download)
        require_disk(model, wanted_bytes, hub)
        log.info("fetching %s, %.1f GB", model, wanted_bytes / 1e9)
        with progress(model, wanted_bytes, hub):
            folder: str = snapshot_download(model, **download_options(hub))
    except (OSError, ValueError, RuntimeError, HTTPError) as error:
        raise EngineUnusable(why_not_fetched(model, hub, error)) from error
    return Path(folder)


def check_way_to(hub: Hub) -> None:
    """Raise EngineUnusable where the environment leads the hub's library astray, which would raise anything."""
    try:
        network_environment.check_certificates()
        network_environment.proxy_for(hub.url or constants.ENDPOINT)
    except NetworkUnusable as error:
        raise EngineUnusable(str(error)) from None


def download_options(hub: Hub) -> dict[str, object]:
    """What every call of snapshot_download is told."""
    return {
        "allow_patterns": FETCHED,
        "cache_dir": hub.cache_folder,
        "endpoint": hub.url,
        "revision": hub.revision,
    }


def why_not_fetched(model: str, hub: Hub, error: Exception) -> str:
    """One sentence for the operator, from whatever the hub's library raised."""
    causes = [error, error.__cause__]
    if any(isinstance(cause, RepositoryNotFoundError | RevisionNotFoundError) for cause in causes):
        return f"The hub has no model {model} for you: mend the name, or log in to the hub if the model is private."
    if any(isinstance(cause, OSError) and cause.errno == errno.ENOSPC for cause in causes):
        return f"The disk of {blob_folder(model, hub)} is full: free some space, or set another cache folder."
    reason = type(error.__cause__ or error).__name__
    return (
        f"{model} is not on this machine and cannot be fetched ({reason}): connect this machine to the hub, "
        "or copy the model here and set EASEL_MODEL to its folder."
    )


def require_disk(model: str, wanted_bytes: int, hub: Hub) -> None:
    """Raise EngineUnusable where the download would fill the disk; what is half there is not wanted twice."""
    folder = blob_folder(model, hub)
    half_there_bytes = sum(file.stat().st_size for file in folder.glob("*.incomplete"))
    there = next(parent for parent in [folder, *folder.parents] if parent.is_dir())
    free_bytes = shutil.disk_usage(there).free
    if wanted_bytes - half_there_bytes > free_bytes:
        raise EngineUnusable(
            f"{model} takes {wanted_bytes / 1e9:.1f} GB and {there} has {free_bytes / 1e9:.1f} GB left: "
            "free some space, or set another cache folder."
        )


def blob_folder(model: str, hub: Hub) -> Path:
    """Where huggingface_hub keeps a model's files while and after it fetches them."""
    cache_folder = hub.cache_folder or Path(constants.HF_HUB_CACHE)
    name: str = repo_folder_name(repo_id=model, repo_type="model")
    return cache_folder.expanduser() / name / "blobs"


@contextmanager
def progress(model: str, wanted_bytes: int, hub: Hub) -> Iterator[None]:
    """Show the library's bars while the body downloads where stderr is a terminal, else log a line now and then."""
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
            log.info("fetching %s, %.1f of %.1f GB", model, fetched_bytes / 1e9, wanted_bytes / 1e9)

    reporter = threading.Thread(target=report, name="download-report", daemon=True)
    reporter.start()
    try:
        yield
    finally:
        done.set()
        reporter.join()


def folder_bytes(folder: Path) -> int:
    """The files' lengths; one that is renamed between the listing and the look counts as nothing."""
    total_bytes = 0
    for file in folder.glob("*"):
        try:
            total_bytes += file.stat().st_size
        except FileNotFoundError:
            continue
    return total_bytes
