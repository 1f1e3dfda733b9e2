"""Makes a customer's prompt harmless for image servers that read orders or signs in prompts.

Pure. The words that describe the picture stay as they are.
"""

import re
from typing import Final

ORDERS_TAG: Final = "sd_cpp_extra_args"
"""stable-diffusion.cpp's server obeys whatever JSON a prompt has between this tag and its end."""

_BETWEEN: Final = r"[\W_]*"
_ANY_ORDERS_TAG: Final = re.compile(
    f"<{_BETWEEN}{_BETWEEN.join(ORDERS_TAG.replace('_', ''))}(?:{_BETWEEN}>)?", re.IGNORECASE
)
"""The tag and its end in any case, with spaces, signs or invisible characters between the letters."""
_BACKSLASHES_BEFORE_BRACKETS: Final = re.compile(r"\\+(?=[()\[\]])")
_WEIGHT: Final = re.compile(r":(?=[+-]?[.\d]+\))")
_BREAK: Final = re.compile(r"BREAK\b", re.ASCII)
_AS_ROUND: Final = str.maketrans("[]", "()")


def without_orders(prompt: str) -> str:
    """The prompt without any tag that a server could take for an order of its operator."""
    while True:
        shorter = _ANY_ORDERS_TAG.sub("", prompt)
        # What is left on both sides of a tag may be another one.
        if shorter == prompt:
            return prompt
        prompt = shorter


def without_bars(prompt: str) -> str:
    """The prompt for LocalAI, which takes what follows a vertical bar for what the picture should not show."""
    return prompt.replace("|", "\N{FULLWIDTH VERTICAL LINE}")


def without_weights(prompt: str) -> str:
    r"""The prompt for a server that reads brackets, `:1.5)` and `BREAK` as signs of AUTOMATIC1111's WebUI.

    Brackets become literal round ones, since stable-diffusion.cpp knows `\(` but leaves the backslash in `\[`.
    """
    text = _BACKSLASHES_BEFORE_BRACKETS.sub("", prompt).translate(_AS_ROUND)
    return _BREAK.sub("Break", _WEIGHT.sub(": ", text)).replace("(", r"\(")
