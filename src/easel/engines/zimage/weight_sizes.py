"""How many bytes each part's weights take once they are loaded. Computed from their shapes; nothing is loaded."""

from dataclasses import dataclass

from easel.engines.zimage.checkpoint import Checkpoint

MATRICES = (".attention.to_", ".feed_forward.")
"""In the names of the transformer's large matrices, which may be in 8 bits."""


@dataclass(frozen=True, slots=True)
class WeightSizes:
    """Bytes. `transformer_read` is what the transformer takes before its matrices are quantized."""

    transformer: int
    transformer_read: int
    text_encoder: int
    autoencoder: int

    @property
    def total(self) -> int:
        """What all parts take together."""
        return self.transformer + self.text_encoder + self.autoencoder


def weight_sizes(checkpoint: Checkpoint, bytes_each: int, weights: str) -> WeightSizes:
    """The sizes if each number takes `bytes_each`, and those of the large matrices one if `weights` is `int8`."""
    tensors = checkpoint.tensors("transformer")
    read = bytes_each * sum(entry.parameters for entry in tensors.values())
    matrices = [entry for name, entry in tensors.items() if is_matrix(name)] if weights == "int8" else []
    saved = sum((bytes_each - 1) * entry.parameters - bytes_each * entry.shape[0] for entry in matrices)
    return WeightSizes(
        transformer=read - saved,
        transformer_read=read,
        text_encoder=bytes_each * checkpoint.count_parameters("text_encoder"),
        autoencoder=bytes_each * checkpoint.count_parameters("vae"),
    )


def is_matrix(name: str) -> bool:
    """Whether this is one of the transformer's large matrices."""
    return name.endswith(".weight") and any(part in name for part in MATRICES)
