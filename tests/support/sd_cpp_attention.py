"""How stable-diffusion.cpp reads the signs of AUTOMATIC1111's WebUI in a prompt."""

import re
from typing import Final

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
