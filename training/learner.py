"""A transformer in training: itself, its running average, its optimizers, and how far it is."""

import copy
import time

import torch
from torch import Tensor

from training.optimizers import Optimizers
from training.recipe import Stage, rate_share
from training.run import Run
from training.transformer import Transformer

AVERAGE = 0.996


class Learner:
    """A model, its running average, its optimizers, and how far it is."""

    def __init__(self, run: Run, name: str, model: Transformer, stage: Stage, teacher_samples: int = 0) -> None:
        self.run, self.name, self.model, self.stage = run, name, model, stage
        self.teacher_samples = teacher_samples
        """How many samples the teacher had seen: what was learned from an earlier one is forgotten."""
        self.average = copy.deepcopy(model).eval().requires_grad_(False)
        self.optimizers = Optimizers([model], stage)
        self.samples = 0
        self.steps = 0
        state = run.load(name)
        if state is not None and state["teacher_samples"] == teacher_samples:
            model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimizers.load(state["optimizers"])
            self.samples, self.steps = state["samples"], state["steps"]
        self._began_s, self._began = time.monotonic(), self.samples
        self._losses: list[float] = []

    def learn(self, loss: Tensor) -> None:
        """One step."""
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizers.step(rate_share(self.samples, self.stage))
        self.samples += self.stage.batch
        self.steps += 1
        keep = min(AVERAGE, (1 + self.steps) / (10 + self.steps))
        for mean, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(now.detach(), 1 - keep)
        self._tell(loss.item())

    def _tell(self, loss: float) -> None:
        self._losses.append(loss)
        if len(self._losses) >= 10 or self.samples >= self.stage.samples:
            rate = (self.samples - self._began) / (time.monotonic() - self._began_s)
            mean = sum(self._losses) / len(self._losses)
            self.run.log(self.name, self.samples, self.stage.samples, rate, loss=mean)
            self._losses.clear()

    @property
    def done(self) -> bool:
        """Whether all samples were learned from."""
        return self.samples >= self.stage.samples

    def keep(self) -> None:
        """Write a checkpoint."""
        self.run.save(
            self.name,
            {
                "model": self.model.state_dict(), "average": self.average.state_dict(),
                "optimizers": self.optimizers.state(),
                "samples": self.samples, "steps": self.steps, "done": self.done,
                "teacher_samples": self.teacher_samples,
            },
        )  # fmt: skip
