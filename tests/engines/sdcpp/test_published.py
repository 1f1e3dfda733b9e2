"""Files that nobody names come from the hub, at one revision and with one digest. The hub is on loopback."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

# Downloads need huggingface-hub, which comes with the small extra and with the gpu extra.
pytest.importorskip("huggingface_hub", reason="huggingface-hub is not installed")

from easel.engines.engine import EngineUnusable
from easel.engines.sdcpp.published import FILES, Hub, PublishedFile, fetch, fetched_before
from tests.support.model_hub import COMMIT, MODEL, HubServer

CONTENT = b"GGUF" + bytes(1000)
WANTED = PublishedFile(MODEL, COMMIT, "folder/turbo.gguf", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HubServer]:
    (tmp_path / "hub/folder").mkdir(parents=True)
    (tmp_path / "hub" / WANTED.name).write_bytes(CONTENT)
    running = HubServer(tmp_path / "hub")
    serving = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    yield running
    running.shutdown()
    serving.join()
    running.server_close()


def why_not_fetched(wanted: PublishedFile, hub: Hub) -> str:
    with pytest.raises(EngineUnusable) as refused:
        fetch(wanted, hub)
    return str(refused.value)


def test_a_file_is_fetched_once(server: HubServer, tmp_path: Path) -> None:
    hub = Hub(url=server.url, cache_folder=tmp_path / "cache")
    assert fetched_before(WANTED, hub) is None
    file = fetch(WANTED, hub)
    assert file.read_bytes() == CONTENT
    asked = len(server.asked)
    assert fetched_before(WANTED, hub) == file
    assert len(server.asked) == asked


def test_a_file_with_another_digest_is_deleted(server: HubServer, tmp_path: Path) -> None:
    hub = Hub(url=server.url, cache_folder=tmp_path / "cache")
    assert "did not have the published SHA-256 and was deleted" in why_not_fetched(
        replace(WANTED, sha256="0" * 64), hub
    )
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file() and file.read_bytes() == CONTENT]
    assert fetched_before(WANTED, hub) is None


def test_without_the_hub_or_the_disk_a_sentence_says_what_to_do(tmp_path: Path) -> None:
    hub = Hub(url=NOWHERE, cache_folder=tmp_path / "cache")
    assert "copy the three files into a folder and set EASEL_SDCPP_MODEL to it" in why_not_fetched(WANTED, hub)
    assert "takes 1000000.0 GB and" in why_not_fetched(replace(WANTED, size_bytes=10**15), hub)


def test_the_published_files_take_as_much_as_the_documents_say() -> None:
    assert round(sum(file.size_bytes for file in FILES.values()) / 1e9, 1) == 6.7
