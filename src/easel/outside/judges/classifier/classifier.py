"""A local judge of pictures: a classifier in a folder, run in this process on the CPU.

The runtime is loaded with the classifier and not before, so a process that judges no pictures holds no numpy, no
onnxruntime and no PyTorch. It is for one caller at a time, in any thread, since each call keeps a core busy; calls
share nothing that changes, so one that was given up may end beside the next. Nothing here waits for the outside world,
and nothing is limited in time. It does not promise that the model is any good, or the same scores to the last digit
on another machine.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from easel.domain.moderation.decision import Layer, LayerFailed
from easel.outside.judges.classifier.folder import ClassifierFolder, ClassifierUnusable, read_folder
from easel.outside.judges.classifier.labels import are_probabilities, meaning, scores, sigmoid, softmax
from easel.runtime import distribution

log = structlog.get_logger(__name__)

THREADS: Final = 1


class PictureClassifier:
    """Judges pictures when it is loaded."""

    def __init__(self, folder: Path, threads: int = THREADS) -> None:
        """`threads` is how many onnxruntime works on a picture with."""
        self._path = folder
        self._threads = threads
        self._folder: ClassifierFolder | None = None
        self._outputs: Callable[[bytes], list[float]] | None = None
        self._ends_in_softmax = False

    def load(self) -> None:
        """Read the folder, load the model, and try it with a grey picture. Raises ClassifierUnusable."""
        folder = read_folder(self._path)
        outputs, tried = _runtime(folder, self._threads)
        if len(tried) != len(folder.labels):
            raise ClassifierUnusable(
                f"The picture classifier in {folder.path} has {len(tried)} outputs for the {len(folder.labels)} labels in "
                "its config.json: they must be of the same model."
            )
        self._ends_in_softmax = not folder.is_multi_label and are_probabilities(tried)
        self._folder, self._outputs = folder, outputs
        # What a label stands for is for the operator to see before it is relied on.
        found = {label: category.value for label in folder.labels if (category := meaning(label)) is not None}
        log.info("classifier_loaded", version=folder.version, runtime=folder.runtime, labels=found)

    @property
    def version(self) -> str:
        """Twelve hex digits that change with the folder's config.json and weights. Only a loaded one has it."""
        assert self._folder is not None, "not loaded"
        return self._folder.version

    def scores(self, picture: bytes) -> Mapping[str, float]:
        """Scores between 0 and 1 by the categories that the model knows, of a picture's file. Raises LayerFailed."""
        assert self._folder is not None and self._outputs is not None, "not loaded"  # noqa: PT018 - one state
        outputs = self._outputs(picture)
        if not all(math.isfinite(output) for output in outputs):
            raise LayerFailed(Layer.CLASSIFIER, "The picture classifier's outputs are no numbers.")
        if self._ends_in_softmax and not are_probabilities(outputs):
            raise LayerFailed(Layer.CLASSIFIER, "The picture classifier's outputs are no probabilities any more.")
        if self._folder.is_multi_label:
            return scores(self._folder.labels, sigmoid(outputs), exclude_each_other=False)
        probabilities = outputs if self._ends_in_softmax else softmax(outputs)
        return scores(self._folder.labels, probabilities, exclude_each_other=True)


def _runtime(folder: ClassifierFolder, threads: int) -> tuple[Callable[[bytes], list[float]], list[float]]:
    """What gives a picture's outputs, and those of a grey one. Raises ClassifierUnusable."""
    try:
        from easel.outside.judges.classifier.pixels import grey_picture, prepared

        model = _model(folder, threads)
    except (ImportError, RuntimeError) as error:  # RuntimeError: a library's own import failed
        by_extra = f"install Easel's gpu extra with `{distribution.install_extra('gpu')}`"
        install = "install Easel again" if folder.runtime == "onnxruntime" else by_extra
        raise ClassifierUnusable(
            f"The picture classifier in {folder.path} needs {getattr(error, 'name', None) or folder.runtime}, which is "
            f"missing or does not fit: {install}."
        ) from error

    def outputs(picture: bytes) -> list[float]:
        return model(prepared(picture, folder.preparation))

    try:
        tried = outputs(grey_picture())
    except LayerFailed as failed:
        raise ClassifierUnusable(
            f"The picture classifier in {folder.path} cannot judge a picture: {failed}"
        ) from failed
    return outputs, tried


def _model(folder: ClassifierFolder, threads: int) -> Callable[..., list[float]]:
    if folder.runtime == "onnxruntime":
        from easel.outside.judges.classifier.onnx_model import OnnxModel

        return OnnxModel(folder.weights, threads).outputs
    from easel.outside.judges.classifier.transformers_model import TransformersModel

    return TransformersModel(folder.path).outputs
