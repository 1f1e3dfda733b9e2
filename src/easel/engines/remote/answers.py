"""Interprets the image server's answers: a picture file, a link to one, or the reason why there is none.

Pure: nothing is sent or logged here. The server is not trusted. A caller sees at most one short line of the server's
error message, and nothing of a message that looks like a page, an address, a path or code, or that contains the key or
the prompt. Whether a file is a picture is not checked here.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import msgspec

from easel.domain.task import ErrorCode
from easel.engines.engine import DrawingFailed
from easel.engines.remote.exchange import ANSWER_BYTES_MAX, Answer, Silence, is_worth_retrying

LINK_CHARACTERS_MAX: Final = 4096
SENTENCE_CHARACTERS_MAX: Final = 200
ECHO_CHARACTERS_MIN: Final = 8
"""A shorter prompt occurs in too many harmless sentences to count as an echo."""


class Blame(Enum):
    """What a fault says about the server that answered, if there are others."""

    ORDER = "the order: no server would draw it"
    SIZE = "the size: another server may draw it"
    LOAD = "the load: another server may draw it, and this one later"
    SERVER = "the server: another one may draw it"


_BLAMES: Final = {
    ErrorCode.INVALID_PARAMETERS: Blame.ORDER,
    ErrorCode.CONTENT_POLICY_VIOLATION: Blame.ORDER,
    ErrorCode.RESOURCE_EXHAUSTED: Blame.SIZE,
    ErrorCode.IMAGE_DIMENSION_MISMATCH: Blame.SIZE,
}
_POLICY_CODES: Final = frozenset({"content_policy_violation", "moderation_blocked", "content_filter"})
_NOT_FOR_CALLERS = re.compile(r"[<>{}\\]|://|(?:^|[\s'\"(=])[~.]{0,2}/\w|Traceback")
_ABOUT_THE_MODEL = re.compile(r"(?:the |unknown |invalid |loaded )?model\b", re.IGNORECASE)
_OUT_OF_MEMORY = re.compile(r"out of memory", re.IGNORECASE)


class Fault(DrawingFailed):
    """Why there is no picture: code and message for the caller, and a hint for the operator if they can fix it."""

    is_temporary = False
    """Whether the same request may succeed in a moment."""
    is_from_load = False
    retry_after_s: float | None = None
    """When the server asked to be asked again."""
    server: str | None = None
    """The server's address, if there are several."""

    def __init__(self, code: ErrorCode, message: str, hint: str | None = None) -> None:
        super().__init__(code, message, hint)

    @property
    def blame(self) -> Blame:
        """What caused it."""
        if self.is_from_load:
            return Blame.LOAD
        return _BLAMES.get(self.code, Blame.SERVER)


@dataclass(frozen=True, slots=True)
class Withheld:
    """Texts that must not be repeated to a caller."""

    api_key: str | None
    prompt: str


class _Item(msgspec.Struct):
    b64_json: str | None = None
    url: str | None = None


class _Items(msgspec.Struct):
    data: list[_Item]


class NoPicture(Fault):
    """The answer has no picture. `hint` says what is wrong with the answer."""

    def __init__(self, hint: str) -> None:
        super().__init__(ErrorCode.GENERATION_FAILED_NO_CONTENT, "The image server answered without a picture", hint)


class EmptyPicture(Fault):
    """The picture has one colour. Models draw that when their numbers overflow, and no server reports it."""

    def __init__(self) -> None:
        message = "The image server's picture has one colour and no content"
        super().__init__(ErrorCode.GENERATION_FAILED_NO_CONTENT, message, "it drew one colour: see its log")


class Unreadable(Fault):
    """The answer contains something that cannot be read as a picture."""

    def __init__(self, hint: str) -> None:
        super().__init__(ErrorCode.IMAGE_PROCESSING_ERROR, "The image server's picture cannot be read", hint)


class TooLate(Fault):
    """The server, a gateway in front of it, or this engine gave up waiting."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.GENERATION_TIMEOUT, "The image server took too long")


def picture_or_link(outcome: Answer | Silence, withheld: Withheld) -> bytes | str:
    """A picture file, or the link that the server sent instead. Raises Fault."""
    answer = success(outcome, withheld)
    try:
        item = msgspec.json.decode(answer.body, type=_Items).data[0]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, IndexError):
        raise NoPicture("its answer is not in OpenAI's format") from None
    if item.b64_json:
        try:
            return base64.b64decode(item.b64_json, validate=True)
        except (binascii.Error, ValueError):
            raise Unreadable("its b64_json is not valid base64") from None
    if item.url and len(item.url) <= LINK_CHARACTERS_MAX:
        return item.url
    raise NoPicture("its answer has neither b64_json nor url")


def success(outcome: Answer | Silence, withheld: Withheld) -> Answer:
    """The answer, if it is complete and successful. Raises Fault."""
    if isinstance(outcome, Silence) or not 200 <= outcome.status < 300:
        raise _fault(outcome, withheld)
    if not outcome.is_whole:
        raise Unreadable(f"its answer is larger than {ANSWER_BYTES_MAX} bytes")
    # Compression was not requested, and unpacking could turn a small answer into a huge one.
    if outcome.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise NoPicture("its answer is compressed, which was not requested")
    return outcome


def _fault(outcome: Answer | Silence, withheld: Withheld) -> Fault:
    fault = _silence(outcome) if isinstance(outcome, Silence) else _failure(outcome, withheld)
    fault.is_temporary = is_worth_retrying(outcome)
    if isinstance(outcome, Answer):
        fault.is_from_load = outcome.status == 429
        fault.retry_after_s = outcome.retry_after_s
    return fault


def _silence(silence: Silence) -> Fault:
    if silence.is_late:
        return TooLate()
    message = "The image server cannot be reached"
    return Fault(ErrorCode.SERVICE_UNAVAILABLE, message, f"{silence.reason}: is it running at EASEL_REMOTE_URL?")


def _failure(answer: Answer, withheld: Withheld) -> Fault:
    said = _said(answer.body)
    if answer.status >= 500:
        return _breakdown(answer, said)
    if said.is_about_policy:
        # Servers have no common way to say whether it was the prompt or the picture that they refused.
        message = "Content policy violation.\nThe image server refused the prompt or the picture drawn from it."
        return Fault(ErrorCode.CONTENT_POLICY_VIOLATION, message)
    match answer.status:
        case 400 | 403 | 404 | 422 if said.is_about_model:
            return _refused_easel(answer, "it does not serve this model: check EASEL_REMOTE_MODEL")
        case 401 | 403:
            return _refused_easel(answer, "check EASEL_REMOTE_API_KEY")
        case 404:
            return _refused_easel(answer, "check EASEL_REMOTE_URL and EASEL_REMOTE_MODEL")
        case 400 | 422:
            return _refused_order(said, withheld)
        case 408:
            return TooLate()
        case 429:
            return Fault(ErrorCode.SERVICE_UNAVAILABLE, "The image server is too busy")
        case status if 300 <= status < 400:
            return _refused_easel(
                answer, "set EASEL_REMOTE_URL to its final address, because redirects are not followed"
            )
    return _refused_easel(answer, "see its log")


def _breakdown(answer: Answer, said: "_Said") -> Fault:
    if answer.status == 504:
        return TooLate()
    if _OUT_OF_MEMORY.search(said.message):
        return Fault(ErrorCode.RESOURCE_EXHAUSTED, "The image server has too little memory for this picture")
    return Fault(ErrorCode.SERVICE_UNAVAILABLE, "The image server failed", f"it answered {answer.status}")


def _refused_easel(answer: Answer, hint: str) -> Fault:
    return Fault(ErrorCode.SERVICE_ERROR, "The image server refused Easel", f"it answered {answer.status}: {hint}")


def _refused_order(said: "_Said", withheld: Withheld) -> Fault:
    sentence = _for_callers(said.message, withheld)
    message = "The image server refused this order" + (f": {sentence}" if sentence else "")
    return Fault(ErrorCode.INVALID_PARAMETERS, message)


@dataclass(frozen=True, slots=True)
class _Said:
    """The error in a failed answer's body. Empty if its format is unknown."""

    message: str = ""
    labels: frozenset[str] = frozenset()
    """The code and the type."""
    param: str = ""

    @property
    def is_about_policy(self) -> bool:
        return not self.labels.isdisjoint(_POLICY_CODES)

    @property
    def is_about_model(self) -> bool:
        return self.param == "model" or "model_not_found" in self.labels or bool(_ABOUT_THE_MODEL.match(self.message))


def _said(body: bytes) -> _Said:
    """Reads OpenAI's `{"error": {…}}` or `{"error": "…"}`, FastAPI's `{"detail": …}`, and `{"message": …}`, beside
    which stable-diffusion.cpp has an error without details."""
    try:
        decoded: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Said()
    if isinstance(decoded, dict):
        inner = decoded.get("error") or decoded.get("detail")
        if inner and not (isinstance(inner, str) and isinstance(decoded.get("message"), str)):
            decoded = inner
    if isinstance(decoded, list):
        decoded = next(iter(decoded), None)
    if isinstance(decoded, str):
        return _Said(decoded)
    if not isinstance(decoded, dict):
        return _Said()
    labels = frozenset(str(decoded.get(name)) for name in ("code", "type"))
    return _Said(str(decoded.get("message") or decoded.get("msg") or ""), labels, str(decoded.get("param") or ""))


def _for_callers(text: str, withheld: Withheld) -> str | None:
    """The text as one printable line, or None if it may contain something that callers must not see."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    prompt = " ".join(withheld.prompt.split()).casefold()
    if _NOT_FOR_CALLERS.search(line) or (withheld.api_key and withheld.api_key in line):
        return None
    if len(prompt) >= ECHO_CHARACTERS_MIN and prompt in line.casefold():
        return None
    return line if len(line) <= SENTENCE_CHARACTERS_MAX else line[: SENTENCE_CHARACTERS_MAX - 1] + "…"
