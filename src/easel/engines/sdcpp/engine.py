"""Z-Image-Turbo with stable-diffusion.cpp: on graphics cards of 4 GB and more of any maker, on Apple's, and on CPUs.

The library runs in a child process, since it may abort. A child that dies during a draw is replaced, and the picture is
tried once more. The same drawing gives the same picture on one machine. With the same weights it is the picture of the
zimage engine, within rounding. Steps are those of the sampling: reading the weights, the caption and the decoding are
none. The library makes the previews. One thread at a time may draw.
"""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import structlog

from easel.domain.task import ErrorCode
from easel.engines.engine import (
    Drawing,
    DrawingFailed,
    EngineUnusable,
    OfferPreview,
    OnStep,
    OutOfMemory,
    Pixels,
    canvas_px,
    crop_offset_px,
    no_previews,
)
from easel.engines.lora_layout import Lora
from easel.engines.sdcpp.frames import FrameWrong, Kind
from easel.engines.sdcpp.lora_file import LoraFile
from easel.engines.sdcpp.messages import (
    EMPTY,
    MEMORY,
    MULTIPLE_PX,
    STEPS,
    CancelOrder,
    DrawOrder,
    Failure,
    Hello,
    LoadOrder,
    Picture,
    Step,
    decode,
    decode_picture,
    encode,
)
from easel.engines.sdcpp.model_files import ModelFiles, locate
from easel.engines.sdcpp.process import ChildDied, ChildProcess
from easel.engines.sdcpp.prompts import PROMPT_TOKENS_MAX
from easel.engines.sdcpp.watching import Watching
from easel.engines.sdcpp.wheels import require_library, why_no_library

log = structlog.get_logger(__name__)

HELLO_TIMEOUT_S: Final = 120.0
"""A driver may compile its programs when it is first asked for devices."""
CANCEL_TIMEOUT_S: Final = 0.5
"""How long a child may take to obey a cancellation before it is ended."""
PROBE_TIMEOUT_S: Final = 10.0
NOT_DRAWN: Final = "The picture could not be drawn"
NO_CONTENT: Final = "The picture has no content"


@dataclass(frozen=True, slots=True)
class Use:
    """How to use the machine: see the settings of the same names. None leaves the choice to the library. Of a prompt,
    `prompt_tokens_max` tokens are read."""

    threads: int | None = None
    backend: str | None = None
    memory: str = "auto"
    vram_gb: float | None = None
    tiles: bool = False
    prompt_tokens_max: int = PROMPT_TOKENS_MAX


@dataclass(frozen=True, slots=True)
class LoraUse:
    """A LoRA, and the folder for the file that the library reads in its place."""

    lora: Lora
    folder: Path


class SdCpp:
    """Draws with the model in `files`, in a child that `command` starts. A child that shows no sign of life for
    `silence_max_s` is ended."""

    name = "sdcpp"
    model = None

    def __init__(
        self,
        files: ModelFiles,
        use: Use,
        command: tuple[str, ...],
        silence_max_s: float,
        lora: LoraUse | None = None,
    ) -> None:
        self._files = files
        self._lora = lora
        self._lora_file: LoraFile | None = None
        self._use = use
        self._command = command
        self._silence_max_s = silence_max_s
        self._order: LoadOrder | None = None
        self._child: ChildProcess | None = None
        self._draws = 0

    @property
    def draws_at_once(self) -> int:
        """One, because a draw uses the whole device."""
        return 1

    @property
    def tasks_at_once(self) -> int:
        """Two: a picture is encoded while the next is drawn."""
        return 2

    @property
    def offers_previews(self) -> Literal[True]:
        """Yes."""
        return True

    def load(self) -> None:
        """Fetch the files if none are named, check them, start the child, and let it draw a small picture."""
        order = self._order = self._load_order()
        try:
            self._child = self._loaded_child(order, lambda: None)
        except ChildDied as died:
            raise EngineUnusable(
                f"stable-diffusion.cpp ended while it loaded {order.transformer} ({died}): use other files, or another "
                "backend (EASEL_SDCPP_BACKEND)."
            ) from None

    def draw(self, drawing: Drawing, on_step: OnStep, offer_preview: OfferPreview = no_previews) -> Pixels:
        """Draw with both sides rounded up to multiples of 16 pixels and cut the picture from the middle."""
        on_step(0, STEPS)
        try:
            picture = self._try(drawing, on_step, offer_preview)
        except ChildDied as died:
            if died.signal == signal.SIGKILL:
                raise OutOfMemory(f"{died}, as systems do when memory runs out") from None
            log.warning("sdcpp_child_exited", words=str(died))
            on_step(0, STEPS)
            try:
                picture = self._try(drawing, on_step, offer_preview)
            except ChildDied as again:
                raise DrawingFailed(ErrorCode.SERVICE_ERROR, NOT_DRAWN, f"stable-diffusion.cpp: {again}") from None
        return _cut(picture, drawing)

    def probe(self) -> None:
        """Ask the child for a sign of life. One that gives none is replaced before the next draw."""
        if self._child is None:
            return
        try:
            self._child.send(Kind.PING)
            give_up_s = time.monotonic() + PROBE_TIMEOUT_S
            while (left_s := give_up_s - time.monotonic()) > 0:
                frame = self._child.receive(left_s)
                if frame is not None and frame[0] is Kind.PONG:
                    return
        except ChildDied:
            pass
        self.close()

    def close(self) -> None:
        """End the child. The next draw starts another."""
        if self._child is not None:
            self._child.end()
            self._child = None

    @property
    def child_pid(self) -> int | None:
        """The child's process id. None while there is none."""
        return None if self._child is None else self._child.pid

    def _load_order(self) -> LoadOrder:
        files = locate(self._files)
        for warning in files.warnings:
            log.warning("sdcpp_files_warning", words=warning)
        use = self._use
        if self._lora is not None:
            self._lora_file = LoraFile(self._lora.lora, files.transformer, self._lora.folder)
        return LoadOrder(
            transformer=str(files.transformer),
            text_encoder=str(files.text_encoder),
            autoencoder=str(files.autoencoder),
            threads=use.threads,
            backend=use.backend,
            memory=use.memory,
            vram_gb=use.vram_gb,
            tiles=use.tiles,
            prompt_tokens_max=use.prompt_tokens_max,
            lora=None if self._lora_file is None else str(self._lora_file.path),
            lora_tensors=0 if self._lora_file is None else self._lora_file.tensors,
        )

    def _loaded_child(self, order: LoadOrder, ask: Callable[[], None]) -> ChildProcess:
        """A new child that has loaded the model. Raises ChildDied, EngineUnusable, and what `ask` raises."""
        child, hello = greeted(self._command)
        try:
            require_library(hello)
            child.send(Kind.LOAD, encode(order))
            for kind, content in child.frames(self._silence_max_s, ask):
                if kind is Kind.LOADED:
                    break
                if kind is Kind.FAILED:
                    raise EngineUnusable(_why_not_loaded(order, decode(Failure, content)))
        except FrameWrong as wrong:
            child.end()
            raise ChildDied(str(wrong)) from None
        except BaseException:
            child.end()
            raise
        log.info("sdcpp_loaded", version=hello.version, devices=hello.devices, pid=child.pid)
        return child

    def _living_child(self, on_step: OnStep) -> ChildProcess:
        """The child, or another if it ended since the last draw."""
        assert self._order is not None, "load() comes first"
        if self._child is not None and self._child.is_alive:
            return self._child
        self.close()
        try:
            return self._loaded_child(self._order, lambda: on_step(0, STEPS))
        except EngineUnusable as error:
            raise DrawingFailed(ErrorCode.SERVICE_ERROR, NOT_DRAWN, str(error)) from None

    def _try(self, drawing: Drawing, on_step: OnStep, offer_preview: OfferPreview) -> Picture:
        """Draw once. Raises ChildDied, what `on_step` raises, and what the interface says."""
        child = self._child = self._living_child(on_step)
        self._draws += 1
        order = DrawOrder(
            number=self._draws,
            prompt=drawing.prompt,
            width_px=canvas_px(drawing.width_px, MULTIPLE_PX),
            height_px=canvas_px(drawing.height_px, MULTIPLE_PX),
            seed=drawing.seed,
        )
        try:
            child.send(Kind.DRAW, encode(order))
            answer = self._answer(child, order, on_step, Watching(child, order, offer_preview))
        except ChildDied:
            self.close()
            raise
        except FrameWrong as wrong:
            self.close()
            raise ChildDied(str(wrong)) from None
        except BaseException:
            self._cancel(child, order.number)
            raise
        if isinstance(answer, Failure):
            raise _failed(answer, drawing)
        return answer

    def _answer(self, child: ChildProcess, order: DrawOrder, on_step: OnStep, watching: Watching) -> Picture | Failure:
        """Raises ChildDied, FrameWrong, and what `on_step` raises."""
        done = 0

        def ask() -> None:
            watching.offer()
            on_step(done, STEPS)

        for kind, content in child.frames(self._silence_max_s, ask):
            match kind:
                case Kind.STEP:
                    step = decode(Step, content)
                    done = max(done, step.done) if step.number == order.number else done
                case Kind.PREVIEW:
                    watching.received(content)
                case Kind.FAILED:
                    failure = decode(Failure, content)
                    if failure.number == order.number:
                        return failure
                case Kind.PICTURE:
                    picture = decode_picture(content)
                    if picture.number == order.number:
                        return _of_size(picture, order)
        raise AssertionError("frames never end")

    def _cancel(self, child: ChildProcess, number: int) -> None:
        """Let the child stop, and end it if it does not within a moment, as while it computes a long step."""
        give_up_s = time.monotonic() + CANCEL_TIMEOUT_S
        try:
            child.send(Kind.CANCEL, encode(CancelOrder(number)))
            while (left_s := give_up_s - time.monotonic()) > 0:
                frame = child.receive(left_s)
                if frame is not None and frame[0] in {Kind.FAILED, Kind.PICTURE}:
                    return
        except ChildDied:
            pass
        self.close()


def greeted(command: tuple[str, ...]) -> tuple[ChildProcess, Hello]:
    """A new child, and what it says of itself. Raises EngineUnusable."""
    try:
        child = ChildProcess(command)
    except OSError as error:
        raise EngineUnusable(
            f"{command[0]} cannot be started ({error.strerror}): correct EASEL_SDCPP_PYTHON."
        ) from None
    try:
        frame = child.receive(HELLO_TIMEOUT_S)
        if frame is None:
            raise ChildDied(f"it said nothing within {HELLO_TIMEOUT_S:g} seconds")
        kind, content = frame
        if kind is Kind.HELLO:
            return child, decode(Hello, content)
        words = decode(Failure, content).words
    except (ChildDied, FrameWrong) as error:
        words = str(error)
    child.end()
    raise EngineUnusable(why_no_library(words))


def _why_not_loaded(order: LoadOrder, failure: Failure) -> str:
    if failure.problem == MEMORY:
        return (
            f"There is too little memory for the model in {order.transformer} ({failure.words}): use more strongly "
            "quantized files, or set EASEL_SDCPP_MEMORY to offload or disk."
        )
    return (
        f"stable-diffusion.cpp cannot draw with {order.transformer} ({failure.words}): copy or download the files again, "
        "or set EASEL_SDCPP_BACKEND=cpu."
    )


def _of_size(picture: Picture, order: DrawOrder) -> Picture:
    if (picture.width_px, picture.height_px) != (order.width_px, order.height_px):
        raise FrameWrong("it drew a picture of another size than ordered")
    return picture


def _failed(failure: Failure, drawing: Drawing) -> Exception:
    if failure.problem == MEMORY:
        return OutOfMemory(f"too little memory for {drawing.width_px}x{drawing.height_px} pixels: {failure.words}")
    if failure.problem == EMPTY:
        return DrawingFailed(ErrorCode.GENERATION_FAILED_NO_CONTENT, NO_CONTENT, failure.words)
    return DrawingFailed(ErrorCode.SERVICE_ERROR, NOT_DRAWN, f"stable-diffusion.cpp: {failure.words}")


def _cut(picture: Picture, drawing: Drawing) -> Pixels:
    """The middle of the canvas."""
    left_px = crop_offset_px(picture.width_px, drawing.width_px)
    top_px = crop_offset_px(picture.height_px, drawing.height_px)
    rows = range(top_px, top_px + drawing.height_px)
    starts = [(row * picture.width_px + left_px) * 3 for row in rows]
    rgb = b"".join(picture.rgb[start : start + drawing.width_px * 3] for start in starts)
    pixels = Pixels(drawing.width_px, drawing.height_px, rgb, picture.tokens_cut)
    if pixels.has_one_colour:
        raise DrawingFailed(ErrorCode.GENERATION_FAILED_NO_CONTENT, NO_CONTENT, "the model drew one colour")
    return pixels
