"""Captions: the text encoder's embeddings of prompts, cached for later drawings of the same prompt.

Embeddings are computed without padding, one prompt at a time, so they do not depend on what else was encoded, and a
cached one is bit for bit what would be computed again. Not safe for several threads.
"""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch

from easel.engines.zimage.text_encoder import TextEncoder

ENTRIES_MAX = 256
EMBEDDINGS_BYTES_MAX = 64 * 1024 * 1024
"""With the real model: eight of the longest captions, or 130 of a hundred tokens."""


@dataclass(frozen=True, slots=True)
class Caption:
    """`embedding` is tokens x dimensions, on the encoder's device. It lacks the prompt's last `tokens_cut` tokens."""

    embedding: torch.Tensor
    tokens_cut: int


class Captions:
    """Turns prompts into captions of at most `window_tokens`, the template included."""

    def __init__(
        self,
        tokenizer: Any,
        text_encoder: TextEncoder,
        window_tokens: int,
        entries_max: int = ENTRIES_MAX,
        bytes_max: int = EMBEDDINGS_BYTES_MAX,
    ) -> None:
        self._tokenizer = tokenizer
        self._text_encoder = text_encoder
        self._window_tokens = window_tokens
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._kept: OrderedDict[str, Caption] = OrderedDict()
        self._kept_bytes = 0
        self._tail_tokens = common_tail(self._tokens("a"), self._tokens("b"))
        assert self._tail_tokens < window_tokens

    @property
    def device(self) -> torch.device:
        """Where the text encoder computes."""
        return self._text_encoder.device

    @property
    def kept_entries(self) -> int:
        """How many captions are cached."""
        return len(self._kept)

    @property
    def kept_bytes(self) -> int:
        """How many bytes the cached embeddings take."""
        return self._kept_bytes

    def caption(self, prompt: str) -> Caption:
        """The caption of a prompt, cached or computed."""
        kept = self._kept.get(prompt)
        if kept is not None:
            self._kept.move_to_end(prompt)
            return kept
        made = self._encode(prompt)
        self._keep(prompt, made)
        return made

    def _encode(self, prompt: str) -> Caption:
        tokens = self._tokens(prompt)
        tokens_cut = max(0, len(tokens) - self._window_tokens)
        if tokens_cut:
            # Cut the end of the prompt, not of the template: the encoder was trained to see the turn end.
            tail = tokens[-self._tail_tokens :]
            tokens = tokens[: self._window_tokens - self._tail_tokens] + tail
        with torch.no_grad():
            return Caption(self._text_encoder.encode(tokens), tokens_cut)

    def _tokens(self, prompt: str) -> list[int]:
        """The prompt as the model was trained to read it: one turn of a chat, before the answer."""
        turn = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True, enable_thinking=True
        )
        return list(self._tokenizer(turn).input_ids)

    def _keep(self, prompt: str, caption: Caption) -> None:
        self._kept[prompt] = caption
        self._kept_bytes += caption.embedding.nbytes
        while len(self._kept) > self._entries_max or self._kept_bytes > self._bytes_max:
            _, dropped = self._kept.popitem(last=False)
            self._kept_bytes -= dropped.embedding.nbytes


def common_tail(tokens: list[int], others: list[int]) -> int:
    """How many tokens two sequences share at their ends. If only the prompts differ, those are the template's."""
    return sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(reversed(tokens), reversed(others), strict=False))
    )
