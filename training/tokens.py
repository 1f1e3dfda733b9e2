"""The tokenizer: byte-level BPE, trained on captions that the scenes make. Any text has tokens; none is unknown.

The rules that make a text plain and cut it into pieces are the engine's own, which has them without this library.
"""

import json
import random
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from easel.engines.nano.tokens import END, PIECES, plain
from training import captions, scenes
from training.cast import Cast
from training.files import whole

PAD = "<pad>"
HIDDEN = -1e4
"""What hides padding from attention."""


def make(file: Path, cast: Cast, words: int, seed: int, count: int) -> Tokenizer:
    """The tokenizer in `file`, trained first on so many captions if it is not there."""
    if not file.exists():
        rng = random.Random(f"captions {seed}")
        texts = (plain(captions.write(rng, scenes.pick(rng, cast, cast.square))) for _ in range(count))
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(PIECES.pattern), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = trainers.BpeTrainer(
            vocab_size=words,
            special_tokens=[PAD, END],
            initial_alphabet=alphabet,
            show_progress=False,
            min_frequency=20,
        )
        tokenizer.train_from_iterator(texts, trainer)
        with whole(file) as new:
            tokenizer.save(str(new))
    return Tokenizer.from_file(str(file))


def merges_of(file: Path) -> dict[str, object]:
    """What the engine needs of a tokenizer file: its words and its merges in order."""
    model = json.loads(file.read_text(encoding="utf-8"))["model"]
    return {"words": model["vocab"], "merges": model["merges"]}


class Words:
    """Captions to token tensors."""

    def __init__(self, tokenizer: Tokenizer, most: int) -> None:
        self._tokenizer = tokenizer
        self._most = most
        vocabulary = tokenizer.get_vocab()
        self.pad, self.end = vocabulary[PAD], vocabulary[END]

    def ids(self, caption: str) -> list[int]:
        """A caption's tokens and the end."""
        return [*self._tokenizer.encode(plain(caption)).ids[: self._most - 1], self.end]

    def batch(self, captions_ids: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
        """Padded tokens, and the bias that hides the padding (batch x 1 x 1 x tokens)."""
        padded = self.pad_to(captions_ids, max(len(ids) for ids in captions_ids)).to(device)
        return padded, self.bias(padded)

    def pad_to(self, captions_ids: list[list[int]], length: int) -> Tensor:
        """Tokens with padding up to that length."""
        return torch.tensor([ids + [self.pad] * (length - len(ids)) for ids in captions_ids])

    def bias(self, padded: Tensor) -> Tensor:
        """What hides the padding (batch x 1 x 1 x tokens)."""
        return ((padded == self.pad) * HIDDEN)[:, None, None]

    def nothing(self, like: Tensor) -> Tensor:
        """The tokens of no caption at all, padded as `like`."""
        empty = torch.full_like(like, self.pad)
        empty[:, : len(self.ids(""))] = torch.tensor(self.ids(""), device=like.device)
        return empty
