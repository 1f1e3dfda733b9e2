"""Behaviours of the tests' image server that read orders as real image servers do.

Each follows its server's source, named beside it with its version: what it reads of a request, what it ignores, and how
it answers and refuses. Pictures are plain, in a colour derived from the seed that the server used.
"""

import base64
import json
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, Final

from tests.support.image_server import Asked, Behaviour, lists, picture, reply, says


@dataclass(frozen=True)
class Drew:
    """A picture that a server drew, and by which orders."""

    prompt: str
    width_px: int
    height_px: int
    seed: int
    steps: int
    guidance: float


def colour(seed: int) -> tuple[int, int, int]:
    """The colour of pictures drawn with this seed."""
    return seed % 251, seed // 251 % 251, 7


@dataclass
class SdCpp:
    """stable-diffusion.cpp, examples/server/routes_openai.cpp at 97d29908 (August 2026).

    It reads prompt, n and size. Everything else comes from its own defaults, or from the first block of orders in the
    prompt. Blocks are removed once, wherever they are.
    """

    drew: list[Drew] = field(default_factory=list)
    lists: Behaviour = field(default_factory=lambda: lists("sd-cpp-local", owned_by="local"))

    BLOCK: ClassVar = re.compile(r"<sd_cpp_extra_args>(.*?)</sd_cpp_extra_args>")

    def __call__(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        """Answer one order."""
        prompt: str = asked.body.get("prompt", "")
        if not prompt:
            says(400, {"error": "prompt required"})(handler, asked)
            return
        width_px, height_px = map(int, asked.body["size"].split("x"))
        found = self.BLOCK.search(prompt)
        orders: dict[str, Any] = {}
        if found is not None:
            try:
                orders = json.loads(found[1])
            except ValueError:
                says(400, {"error": "invalid sd_cpp_extra_args"})(handler, asked)
                return
        sampling = orders.get("sample_params", {})
        drew = Drew(
            orders.get("prompt", self.BLOCK.sub("", prompt)),
            orders.get("width", width_px),
            orders.get("height", height_px),
            orders.get("seed", 42),
            sampling.get("sample_steps", 20),
            sampling.get("guidance", {}).get("txt_cfg", 7.0),
        )
        self.drew.append(drew)
        file = picture(drew.width_px, drew.height_px, colour=colour(drew.seed))
        item = {"b64_json": base64.b64encode(file).decode()}
        answer = {"created": 1, "data": [item] * orders.get("batch_count", 1), "output_format": "png"}
        reply(handler, 200, json.dumps(answer).encode())


_ATTENTION: Final = re.compile(
    r"\\\(|\\\)|\\\[|\\\]|\\\\|\\|\(|\[|:([+-]?[.\d]+)\)|\)|\]|\bBREAK\b|[^\\()\[\]:B]+|:|\bB", re.ASCII
)


def read_attention(prompt: str) -> list[tuple[str, float]]:
    """How stable-diffusion.cpp reads a prompt: parts of it, each with a weight (`parse_prompt_attention` of
    src/core/util.cpp at 97d29908)."""
    reader = _AttentionReader()
    rest = prompt
    # The source searches what is left as a text of its own, so a word may begin there.
    while (match := _ATTENTION.search(rest)) is not None:
        reader.read(match[0], match[1])
        rest = rest[match.end() :]
    return reader.parts()


class _AttentionReader:
    def __init__(self) -> None:
        self._texts: list[str] = []
        self._weights: list[float] = []
        self._open: dict[str, list[int]] = {"(": [], "[": []}

    def read(self, text: str, weight: str | None) -> None:
        """Read one token; `weight` is the number in `:1.5)`."""
        if text in self._open:
            self._open[text].append(len(self._texts))
        elif weight:
            self._close("(", float(weight))
        elif not (text == ")" and self._close("(", 1.1)) and not (text == "]" and self._close("[", 1 / 1.1)):
            self._texts.append("(" if text == "\\(" else text)
            self._weights.append(-1.0 if text == "BREAK" else 1.0)

    def parts(self) -> list[tuple[str, float]]:
        """The parts. A bracket that is still open ends here."""
        while self._close("(", 1.1) or self._close("[", 1 / 1.1):
            pass
        return list(zip(self._texts, self._weights, strict=True))

    def _close(self, bracket: str, weight: float) -> bool:
        """Weigh what stands since the last open bracket; False if there is none."""
        if not self._open[bracket]:
            return False
        start = self._open[bracket].pop()
        self._weights[start:] = [each * weight for each in self._weights[start:]]
        return True
