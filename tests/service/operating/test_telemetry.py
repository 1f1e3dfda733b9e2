"""Nothing that draws or judges sends telemetry: a name server records look-ups, and home folders stay empty."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.support.data_folders import reachable_folder
from tests.support.look_ups import await_look_up, namespaces, recorded
from tests.support.running_fleet import Fleet
from tests.support.running_service import finish, submit
from tests.support.tiny_classifiers import classifier, colour_model

TELLS_WITHIN_S: Final = 40.0
"""onnxruntime 1.31 looks its collector up about nine seconds after it has loaded a graph."""
SILENCERS: Final = {
    "CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY", "DO_NOT_TRACK",
}  # fmt: skip
UNQUIET: Final = f"""
import sys, time
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
time.sleep({TELLS_WITHIN_S})
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with reachable_folder() as folder:
        yield folder


def without_ci(fleet: Fleet, home: Path, **settings: str) -> dict[str, str]:
    """The environment of a fleet's process at somebody's home, without anything that would keep libraries silent:
    wheels of onnxruntime are where `CI` is set, and this process, which has imported Easel, hands its own switches
    on."""
    own = {name: value for name, value in fleet.environment.items() if name not in SILENCERS}
    own |= {"HOME": str(home), "TMPDIR": str(home)}
    return own | {f"EASEL_{name.upper()}": value for name, value in settings.items()}


def left_in(home: Path) -> list[str]:
    return sorted(str(file.relative_to(home)) for file in home.rglob("*") if "onnxruntime" in str(file))


def test_a_worker_with_a_classifier_starts_and_draws_without_any_dns_lookup(
    two_webs: Fleet, home: Path, tmp_path: Path
) -> None:
    within = namespaces()
    if within is None:
        pytest.skip("this system lets nobody have a network of its own (unshare)")
    judge = classifier(home / "classifier", ["normal", "nsfw"], colour_model([[1, 1, 1], [-1, -1, -1]]))
    environ = without_ci(two_webs, home, engine="sketch", moderation_classifier=str(judge))
    loud_home = tmp_path / "loud"
    loud_home.mkdir()
    loud_command = [sys.executable, "-c", UNQUIET, str(judge / "model.onnx")]
    with ExitStack() as stack:
        worker = [sys.executable, "-m", "easel", "worker"]
        quiet = stack.enter_context(recorded(within, tmp_path / "quiet.txt", worker, environ))
        assert quiet.process.stdout is not None
        assert quiet.process.stdout.readline() == b"ready\n"
        # Begun later, so that whatever it does, the worker would have done before.
        loud = stack.enter_context(
            recorded(within, tmp_path / "loud.txt", loud_command, without_ci(two_webs, loud_home))
        )
        with two_webs.client(two_webs.issue().key) as client:
            task = finish(client, submit(client, prompt="a red apple")["id"], timeout_s=90)
        assert task["status"] == "completed"
        assert task["result_data"][0]["engine"] == "sketch"
        try:
            await_look_up(loud, TELLS_WITHIN_S)
        except AssertionError:
            pytest.skip("onnxruntime here has no telemetry to switch off, or does not ask the name server of this test")
        assert quiet.names == []
    assert left_in(home) == []


def test_telemetry_is_disabled_before_libraries_are_imported_whatever_the_environment_says(tmp_path: Path) -> None:
    script = "import easel.outside.judges.classifier.onnx_model, os; print(*(os.environ[n] for n in ('ORT_DISABLE_TELEMETRY', 'DO_NOT_TRACK')))"
    environ = {"PYTHONPATH": ":".join(sys.path), "HOME": str(tmp_path), "ORT_DISABLE_TELEMETRY": "0"}
    ran = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["1", "1"]
    assert left_in(tmp_path) == []


def test_telemetry_is_disabled_before_a_classifier_imports_its_libraries_even_in_a_replaced_environment(
    tmp_path: Path,
) -> None:
    judge = classifier(tmp_path / "classifier", ["normal", "nsfw"], colour_model([[1, 1, 1], [-1, -1, -1]]))
    script = f"""
import os, pathlib, sys
from easel.outside.judges.classifier.classifier import PictureClassifier
os.environ.clear()
class Watch:
    def find_spec(self, name, *_):
        if name == "onnxruntime":
            print(os.environ.get("ORT_DISABLE_TELEMETRY"))
sys.meta_path.insert(0, Watch())
PictureClassifier(pathlib.Path({str(judge)!r})).load()
"""
    environ = {"PYTHONPATH": ":".join(sys.path), "HOME": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[0] == "1"


def test_the_hugging_face_library_sends_no_telemetry(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="the gpu extra is not installed")
    script = "import easel.engines.zimage.weights; from huggingface_hub import constants; print(constants.HF_HUB_DISABLE_TELEMETRY)"
    environ = {"PYTHONPATH": ":".join(sys.path), "HOME": str(tmp_path), "HF_HUB_DISABLE_TELEMETRY": "0"}
    ran = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "True"
