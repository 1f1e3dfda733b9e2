"""What can be the name of a model. It does not know which models there are."""

import re
from typing import Final

LENGTH_MAX: Final = 64
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._/-]{{0,{LENGTH_MAX - 1}}}")


def is_model_name(text: str) -> bool:
    """Whether a text is one to 64 letters, digits, dots, hyphens, underscores and slashes, the first a letter or
    digit."""
    return _NAME.fullmatch(text) is not None
