"""Which optimizer moves which parameter: Muon the matrices and kernels inside blocks, AdamW all else."""

from typing import Any

from torch import nn
from torch.optim import AdamW, Optimizer

from training.autoencoder import Residual
from training.muon import Muon
from training.recipe import Stage
from training.transformer import Block

EMBEDDING_SHARE = 8.0
"""Most words are in few captions, so that their embeddings seldom move: they take larger steps."""


class Optimizers:
    """Several optimizers used as one; `shares` scale the rates of parts of the model."""

    def __init__(self, parts: list[nn.Module], stage: Stage, shares: tuple[float, ...] = (1.0,)) -> None:
        inner: list[dict[str, Any]] = []
        outer: list[dict[str, Any]] = []
        for part, share in zip(parts, shares, strict=True):
            embeddings = [layer.weight for layer in part.modules() if isinstance(layer, nn.Embedding)]
            matrices = {
                id(layer.weight): layer.weight
                for block in part.modules()
                if isinstance(block, Block | Residual)
                for layer in block.modules()
                if isinstance(layer, nn.Linear | nn.Conv2d) and layer is not getattr(block, "modulation", None)
            }
            inner.append({"params": list(matrices.values()), "share": share})
            known = {*matrices, *map(id, embeddings)}
            outer.append({"params": [one for one in part.parameters() if id(one) not in known], "share": share})
            if embeddings:
                outer.append({"params": embeddings, "share": share * EMBEDDING_SHARE})
        self._all: list[tuple[Optimizer, float]] = [
            (AdamW(outer, lr=stage.rate, betas=(0.9, 0.97), weight_decay=0.0), stage.rate),
            (Muon(inner, lr=stage.matrix_rate), stage.matrix_rate),
        ]

    def step(self, share: float) -> None:
        """Move the parameters at this share of their full rates, and forget the gradients."""
        for optimizer, rate in self._all:
            for group in optimizer.param_groups:
                group["lr"] = rate * share * group["share"]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> list[dict[str, Any]]:
        """What a checkpoint keeps."""
        return [optimizer.state_dict() for optimizer, _ in self._all]

    def load(self, state: list[dict[str, Any]]) -> None:
        """Go on from a checkpoint."""
        for (optimizer, _), saved in zip(self._all, state, strict=True):
            optimizer.load_state_dict(saved)
