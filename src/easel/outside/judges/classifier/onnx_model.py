"""Runs a picture classifier's ONNX file with onnxruntime on the CPU.

Importing this module imports onnxruntime. Idle threads sleep rather than spin, since an engine may need the CPU.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as states

from easel.domain.moderation.decision import Layer, LayerFailed
from easel.outside.judges.classifier.folder import ClassifierUnusable

_TYPES: Final[dict[str, type[np.floating[Any]]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_FAULTS: Final = (
    states.EPFail,
    states.EngineError,
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NoModel,
    states.NoSuchFile,
    states.NotImplemented,
    states.RuntimeException,
    OSError,
    RuntimeError,
    ValueError,
)


class OnnxModel:
    """A loaded model, which uses `threads` threads."""

    def __init__(self, weights: Path, threads: int) -> None:
        """Raises ClassifierUnusable."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3  # errors
        try:
            self._session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        except _FAULTS as error:
            raise ClassifierUnusable(f"onnxruntime cannot load {weights}: {str(error)[:300]}") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _TYPES:
            raise ClassifierUnusable(f"{weights} must have one input, pixels as float32 or float16: export it again.")
        self._input: str = inputs[0].name
        self._type = _TYPES[inputs[0].type]
        names = [output.name for output in self._session.get_outputs()]
        self._output: str = "logits" if "logits" in names else names[0]

    def outputs(self, pixels: NDArray[np.float32]) -> list[float]:
        """The model's outputs for one picture. Raises LayerFailed."""
        try:
            (outputs,) = self._session.run([self._output], {self._input: pixels.astype(self._type, copy=False)})
        except _FAULTS as error:
            raise LayerFailed(Layer.CLASSIFIER, f"The picture classifier failed: {str(error)[:300]}") from error
        return [float(output) for output in np.asarray(outputs, np.float64).reshape(-1)]
