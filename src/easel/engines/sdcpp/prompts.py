r"""Writes prompts so that stable-diffusion.cpp reads them as plain text.

The library takes brackets, `:1.5)` and `BREAK` for signs of AUTOMATIC1111's WebUI, which change how much words count.
Only an opening round bracket can be escaped. `(:1)` is an empty text with the weight 1: it leaves no trace, and what it
separates is joined again before it becomes tokens. Tried with stable-diffusion.cpp master-898, in cyllama 0.7.0.

The library neither composes characters (NFC), as the model's tokenizer does, nor stops at a limit.
"""

import re
import unicodedata
from typing import Final

NOTHING: Final = "(:1)"
TOKENS_MAX: Final = 1504
"""The longest caption for which the transformer has positions, as the zimage engine cuts it: 1536 less a block of
32."""
TEMPLATE_TOKENS: Final = 8
"""What the turn of a chat takes in which a prompt stands."""
PROMPT_TOKENS_MAX: Final = TOKENS_MAX - TEMPLATE_TOKENS

_AS_ROUND: Final = str.maketrans("[]", "()")
_BEFORE_BRACKET: Final = re.compile(r"(?<!\\)\\(\\\\)*(?=\()")
_WEIGHT: Final = re.compile(r":(?=[+-]?[.\d])", re.ASCII)
_SPLIT: Final = re.compile(r'" to (\d+) tokens \[(.*)\]\s*\Z', re.DOTALL)
_PRINTABLE: Final = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_BYTES: Final = {chr(byte): byte for byte in _PRINTABLE} | {
    chr(0x100 + index): byte for index, byte in enumerate(sorted(set(range(0x100)) - set(_PRINTABLE)))
}
"""What byte-level tokenizers call each byte."""


def plain(prompt: str) -> str:
    """The prompt as the tokenizer shall see it: composed, without NUL, and with round brackets for square ones, because
    the library has no way to write those."""
    return unicodedata.normalize("NFC", prompt).replace("\0", "").translate(_AS_ROUND)


def escaped(text: str) -> str:
    r"""A plain text in the library's language. An odd backslash before an opening bracket, as in `\(`, is dropped."""
    text = _BEFORE_BRACKET.sub(lambda found: found[0][1:], text).replace("(", r"\(")
    return _WEIGHT.sub(f":{NOTHING}", text).replace("BREAK", f"B{NOTHING}REAK")


def tokens_in_log(line: str) -> list[str] | None:
    """The tokens of a text, from the line that the library logs about them. None if the line is about something
    else."""
    if "split prompt " not in line:
        return None
    found = _SPLIT.search(line[max(line.rfind('" to '), 0) :])
    if found is None:
        return None
    tokens = found[2].removeprefix('"').removesuffix('", ').split('", "')
    return tokens if len(tokens) == int(found[1]) else None


def first_tokens(tokens: list[str], count: int) -> str:
    """The text of the first tokens, without a character that would be cut in two."""
    found = bytes(_BYTES[sign] for token in tokens[:count] for sign in token if sign in _BYTES)
    return found.decode("utf-8", errors="ignore")
