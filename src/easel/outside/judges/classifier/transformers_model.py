"""Runs a picture classifier's safetensors file with transformers on the CPU.

Importing this module imports PyTorch. No code from the folder is run, and nothing is downloaded. The number of threads
is PyTorch's setting for the whole process, which is not changed.
"""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import AutoModelForImageClassification
from transformers.utils import logging as transformers_logging

from easel.domain.moderation.decision import Layer, LayerFailed
from easel.outside.judges.classifier.folder import ClassifierUnusable

_FAULTS: Final = (
    OSError,
    ValueError,
    RuntimeError,
    KeyError,
    TypeError,
    AttributeError,
    AssertionError,
    ImportError,
    SafetensorError,
)
"""What the libraries raise for invalid checkpoints."""


class TransformersModel:
    """A loaded model."""

    def __init__(self, folder: Path) -> None:
        """Raises ClassifierUnusable."""
        transformers_logging.disable_progress_bar()
        try:
            model, report = AutoModelForImageClassification.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except _FAULTS as error:
            words = " ".join(str(error).split())[:300]
            raise ClassifierUnusable(f"transformers cannot load {folder}: {type(error).__name__}: {words}") from error
        # transformers fills missing weights with random numbers without an error.
        if report["missing_keys"] or report["mismatched_keys"]:
            raise ClassifierUnusable(
                f"model.safetensors in {folder} lacks weights that its config.json requires: download it again."
            )
        self._model = model.eval()

    def outputs(self, pixels: NDArray[np.float32]) -> list[float]:
        """The model's outputs for one picture. Raises LayerFailed."""
        try:
            with torch.inference_mode():
                logits = self._model(pixel_values=torch.from_numpy(pixels)).logits
        except _FAULTS as error:
            words = " ".join(str(error).split())[:300]
            raise LayerFailed(Layer.CLASSIFIER, f"The picture classifier failed: {words}") from error
        return [float(logit) for logit in logits.reshape(-1)]
