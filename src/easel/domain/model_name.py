"""The form of a model's name. It does not check whether the model exists."""

import re
from typing import Final

LENGTH_MAX: Final = 64
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._/-]{{0,{LENGTH_MAX - 1}}}")


def is_model_name(text: str) -> bool:
    """Whether a text has 1 to 64 letters, digits, dots, hyphens, underscores or slashes, and begins with a letter or
    digit."""
    return _NAME.fullmatch(text) is not None
