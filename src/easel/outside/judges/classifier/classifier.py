"""Judges pictures with a local classifier, a model in a folder, on the CPU of this process.

NumPy, onnxruntime and PyTorch are imported only when the classifier is loaded, so processes that judge no pictures
never import them. Make one call at a time, from any thread, because each call keeps a core busy. Calls share no mutable
state, so an abandoned call may run alongside the next. A call waits for nothing external and has no time limit. Scores
may differ slightly between machines.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from easel.domain.moderation.decision import Layer, LayerFailed
from easel.outside.judges.classifier.folder import ClassifierFolder, ClassifierUnusable, read_folder
from easel.outside.judges.classifier.labels import are_probabilities, meaning, scores, sigmoid, softmax
from easel.runtime import distribution, process_environment

log = structlog.get_logger(__name__)

THREADS: Final = 1


class PictureClassifier:
    """A picture classifier. Call `load` before anything else."""

    def __init__(self, folder: Path, threads: int = THREADS) -> None:
        """`threads` is how many threads onnxruntime uses."""
        self._path = folder
        self._threads = threads
        self._folder: ClassifierFolder | None = None
        self._outputs: Callable[[bytes], list[float]] | None = None
        self._ends_in_softmax = False

    def load(self) -> None:
        """Read the folder, load the model, and try it on a grey picture. Raises ClassifierUnusable."""
        folder = read_folder(self._path)
        outputs, tried = _runtime(folder, self._threads)
        if len(tried) != len(folder.labels):
            raise ClassifierUnusable(
                f"The picture classifier in {folder.path} has {len(tried)} outputs but {len(folder.labels)} labels in "
                "its config.json: both must belong to the same model."
            )
        self._ends_in_softmax = not folder.is_multi_label and are_probabilities(tried)
        self._folder, self._outputs = folder, outputs
        # The operator should see what the labels stand for before relying on them.
        found = {label: category.value for label in folder.labels if (category := meaning(label)) is not None}
        log.info("classifier_loaded", version=folder.version, runtime=folder.runtime, labels=found)

    @property
    def version(self) -> str:
        """Twelve hex digits that change with the folder's config.json and weights."""
        assert self._folder is not None, "not loaded"
        return self._folder.version

    def scores(self, picture: bytes) -> Mapping[str, float]:
        """Scores from 0 to 1 of a picture file, for the categories that the model knows. Raises LayerFailed."""
        assert self._folder is not None and self._outputs is not None, "not loaded"  # noqa: PT018 - one state
        outputs = self._outputs(picture)
        if not all(math.isfinite(output) for output in outputs):
            raise LayerFailed(Layer.CLASSIFIER, "The picture classifier's outputs are not finite numbers.")
        if self._ends_in_softmax and not are_probabilities(outputs):
            raise LayerFailed(Layer.CLASSIFIER, "The picture classifier's outputs are no longer probabilities.")
        if self._folder.is_multi_label:
            return scores(self._folder.labels, sigmoid(outputs), exclude_each_other=False)
        probabilities = outputs if self._ends_in_softmax else softmax(outputs)
        return scores(self._folder.labels, probabilities, exclude_each_other=True)


def _runtime(folder: ClassifierFolder, threads: int) -> tuple[Callable[[bytes], list[float]], list[float]]:
    """A function from a picture to the model's outputs, and the outputs for a grey picture. Raises
    ClassifierUnusable."""
    try:
        from easel.outside.judges.classifier.pixels import grey_picture, prepared

        model = _model(folder, threads)
    except (ImportError, RuntimeError) as error:  # RuntimeError: an import within a library failed
        extra = "classifier" if folder.runtime == "onnxruntime" else "gpu"
        raise ClassifierUnusable(
            f"The picture classifier in {folder.path} needs {getattr(error, 'name', None) or folder.runtime}, which is "
            f"missing or has the wrong version: install Easel's {extra} extra with `{distribution.install_extra(extra)}`."
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
    # The environment may have been replaced since Easel was imported, and onnxruntime reads it when it is imported.
    process_environment.send_no_telemetry()
    if folder.runtime == "onnxruntime":
        from easel.outside.judges.classifier.onnx_model import OnnxModel

        return OnnxModel(folder.weights, threads).outputs
    from easel.outside.judges.classifier.transformers_model import TransformersModel

    return TransformersModel(folder.path).outputs
