"""The table of engines: their names, how each is created from the settings, and what `easel doctor` reports about it.

A new engine is a folder in `engines/`, its own settings, and one entry here. An engine's modules are imported inside
the functions that need them, so that neither the web process nor the command line loads PyTorch or a drawing library.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from easel.engines.engine import Engine, EngineUnusable, Observation
from easel.runtime import process_environment
from easel.settings import settings
from easel.settings.settings import Settings, SettingsWrong

if TYPE_CHECKING:
    from easel.engines.lora_layout import Lora
    from easel.engines.remote.engine import Remote
    from easel.engines.sdcpp.model_files import ModelFiles

DRAW_ON_GPU_S: Final = 5.0


def _one_worker(config: Settings) -> list[str]:
    return [config.device]


def _this_cpu(_config: Settings) -> str:
    return "cpu"


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """One engine. Setting names are those of the fields of Settings, such as `remote_url`."""

    description: str
    """A few words about the engine, for the documentation."""
    make: Callable[[Settings], Engine]
    """Creates the engine without loading it. Raises EngineUnusable if it is not installed."""
    look: Callable[[Settings], Iterator[Observation]]
    """Yields what `easel doctor` reports about the engine. Loads no large weights. Raises EngineUnusable."""
    devices: Callable[[Settings], list[str]] = _one_worker
    """The devices that `easel serve` starts a worker on, one each. Raises EngineUnusable."""
    place: Callable[[Settings], str] = _this_cpu
    """Where a worker's pictures are drawn, for operators. Called in the worker, before the engine is loaded."""
    required: Mapping[str, str] = field(default_factory=dict)
    """Settings that the engine requires, each with a description for the error message."""
    only_here: tuple[str, ...] = ()
    """Settings that are refused with engines that do not list them, because ignoring them would hide a mistake."""
    draw_guess_s: Callable[[Settings], float] | None = None
    """About how many seconds a picture of 1024x1024 takes, until one was measured. None if nothing is known."""


def engine(config: Settings) -> Engine:
    """The engine that the settings name, not yet loaded. Raises EngineUnusable if it is not installed."""
    return ENGINES[config.engine].make(config)


def devices(config: Settings) -> list[str]:
    """The devices that `easel serve` starts a worker on, one each. Raises EngineUnusable."""
    return ENGINES[config.engine].devices(config)


def place(config: Settings) -> str:
    """Where a worker's pictures are drawn, for operators: a device, or how many image servers."""
    return ENGINES[config.engine].place(config)


def draw_guesses_s(config: Settings) -> dict[str, float]:
    """About how many seconds a picture takes with each engine of which that is known."""
    return {name: entry.draw_guess_s(config) for name, entry in ENGINES.items() if entry.draw_guess_s is not None}


def look(config: Settings) -> Iterator[Observation]:
    """Yield what `easel doctor` reports about the engine. If this fails, the last observation says why."""
    try:
        yield from ENGINES[config.engine].look(config)
    except EngineUnusable as error:
        yield Observation(f"{config.engine}: {error}", is_usable=False)


def check(config: Settings) -> None:
    """Check the engine's name and the settings that belong to engines. Raises SettingsWrong."""
    if config.engine in REMOVED:
        raise SettingsWrong(f"EASEL_ENGINE can no longer be {config.engine}: {REMOVED[config.engine]}.")
    if config.engine not in ENGINES:
        raise SettingsWrong(f"EASEL_ENGINE must be one of {', '.join(sorted(ENGINES))}.")
    for name, description in ENGINES[config.engine].required.items():
        if getattr(config, name) is None:
            raise SettingsWrong(
                f"{settings.variable(name)} is required with EASEL_ENGINE={config.engine}: {description}."
            )
    allowed = ENGINES[config.engine].only_here
    for owner, entry in ENGINES.items():
        for name in entry.only_here:
            if name not in allowed and getattr(config, name) != settings.default(name):
                raise SettingsWrong(
                    f"{settings.variable(name)} is for the {owner} engine: set EASEL_ENGINE={owner} as well, "
                    f"or unset {settings.variable(name)}."
                )


def _sketch(config: Settings) -> Engine:
    from easel.engines.sketch.engine import Sketch

    return Sketch(step_s=config.sketch_step_s)


def _sketch_draw_guess_s(config: Settings) -> float:
    return 0.2 + 8 * config.sketch_step_s


def _look_at_sketch(config: Settings) -> Iterator[Observation]:
    _sketch(config).load()  # it takes a few milliseconds
    yield Observation("sketch: draws vector scenes by rules, without AI; EASEL_ENGINE=zimage draws with Z-Image-Turbo")


def _zimage(config: Settings) -> Engine:
    process_environment.keep_compiled(config.compiled_folder)
    from easel.engines.zimage.engine import ZImage

    return ZImage(
        config.model,
        config.device,
        gpu_memory=config.gpu_memory,
        weights=config.weights,
        attention=config.attention,
        lora=_lora(config),
    )


def _zimage_device(config: Settings) -> str:
    from easel.engines.zimage.devices import automatic, described, pick

    return described(pick(automatic()[0] if config.device == "auto" else config.device))


def _zimage_draw_guess_s(config: Settings) -> float:
    """On a processor, from two cores: 17 to 33 minutes. On a GPU, computed for an H200 and not measured: a second."""
    from easel.engines.zimage.nvidia import look

    if config.device == "cpu" or (config.device == "auto" and sys.platform != "darwin" and not look().has_gpu):
        return 3000.0 / (os.cpu_count() or 1)
    return DRAW_ON_GPU_S


def _zimage_devices(config: Settings) -> list[str]:
    from easel.engines.zimage.device_list import list_devices

    return list_devices() if config.device == "auto" else [config.device]


def _look_at_zimage(config: Settings) -> Iterator[Observation]:
    from easel.engines.zimage.device_list import look_at_devices
    from easel.engines.zimage.look import look_at_files

    yield from look_at_files(config.model, config.lora_file_and_scale)
    try:
        yield from look_at_devices(config.device, config.attention)
    except EngineUnusable as error:
        yield Observation(str(error), is_usable=False, subject="device")


def _sdcpp(config: Settings) -> Engine:
    from easel.engines.sdcpp.engine import LoraUse, SdCpp, Use
    from easel.engines.sdcpp.process import program

    use = Use(
        threads=config.sdcpp_threads,
        backend=config.sdcpp_backend,
        memory=config.sdcpp_memory,
        vram_gb=config.sdcpp_vram_gb,
        tiles=config.sdcpp_tiles,
    )
    # The worker gives up a little later, so that the child is replaced and not the worker.
    silence_max_s = 0.9 * config.step_timeout_s
    lora = _lora(config)
    return SdCpp(
        _sdcpp_files(config),
        use,
        program(_path(config.sdcpp_python)),
        silence_max_s,
        None if lora is None else LoraUse(lora, config.lora_folder),
    )


def _sdcpp_files(config: Settings) -> "ModelFiles":
    from easel.engines.sdcpp.model_files import ModelFiles

    return ModelFiles(
        folder=_path(config.sdcpp_model),
        transformer=_path(config.sdcpp_transformer),
        text_encoder=_path(config.sdcpp_text_encoder),
        autoencoder=_path(config.sdcpp_autoencoder),
    )


def _lora(config: Settings) -> "Lora | None":
    from easel.engines.lora_layout import Lora

    return None if config.lora_file_and_scale is None else Lora(*config.lora_file_and_scale)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text).expanduser()


def _sdcpp_draw_guess_s(config: Settings) -> float:
    from easel.engines.sdcpp.speed import guess_s, is_for_processor

    cores = config.sdcpp_threads or os.cpu_count() or 1
    return guess_s(1024, 1024, cores, on_processor=is_for_processor(config.sdcpp_backend))


def _look_at_sdcpp(config: Settings) -> Iterator[Observation]:
    from easel.engines.sdcpp.look import look_at_files, look_at_library
    from easel.engines.sdcpp.process import program

    yield from look_at_files(_sdcpp_files(config), _lora(config))
    yield from look_at_library(program(_path(config.sdcpp_python)))


def _remote(config: Settings) -> "Remote":
    from easel.engines.remote.checks import CHECK_TIMEOUT_S
    from easel.engines.remote.engine import Remote, RemoteServers

    assert config.remote_urls, "`check` refuses settings without any"
    return Remote(
        RemoteServers(
            urls=config.remote_urls,
            model=config.remote_model,
            api_key=config.remote_api_key,
            timeout_s=config.remote_timeout_s,
            draws_at_once=config.remote_draws_at_once,
            steps=config.remote_steps,
            check_timeout_s=CHECK_TIMEOUT_S if config.remote_check else 0.0,
        )
    )


def _servers(config: Settings) -> str:
    count = len(config.remote_urls)
    return "1 image server" if count == 1 else f"{count} image servers"


def _look_at_remote(config: Settings) -> Iterator[Observation]:
    for look in _remote(config).look():
        yield Observation(f"remote: {look.words}", is_usable=look.state == "ok")


def _blank(config: Settings) -> Engine:
    from easel.engines.blank.engine import Blank

    return Blank(step_s=config.blank_step_s)


def _look_at_blank(_config: Settings) -> Iterator[Observation]:
    yield Observation("blank: draws plain colour, for benchmarks and tests")


ENGINES: Final[dict[str, EngineEntry]] = {
    "sketch": EngineEntry(
        description="Easel Sketch: vector scenes by rules, without AI, on any CPU",
        make=_sketch,
        look=_look_at_sketch,
        draw_guess_s=_sketch_draw_guess_s,
    ),
    "zimage": EngineEntry(
        description="Z-Image-Turbo, on CUDA, MPS or a CPU",
        make=_zimage,
        look=_look_at_zimage,
        draw_guess_s=_zimage_draw_guess_s,
        devices=_zimage_devices,
        place=_zimage_device,
        only_here=("model", "lora", "weights"),
    ),
    "sdcpp": EngineEntry(
        description="Z-Image-Turbo with stable-diffusion.cpp, on small graphics cards of any maker, Apple's, or a CPU",
        make=_sdcpp,
        look=_look_at_sdcpp,
        draw_guess_s=_sdcpp_draw_guess_s,
        place=lambda config: config.sdcpp_backend or "the library's choice",
        only_here=("lora", "sdcpp_model", "sdcpp_transformer", "sdcpp_text_encoder", "sdcpp_autoencoder"),
    ),
    "remote": EngineEntry(
        description="image servers with OpenAI's API",
        make=_remote,
        look=_look_at_remote,
        place=_servers,
        required={"remote_url": "the address of an image server, such as http://127.0.0.1:30000"},
    ),
    "blank": EngineEntry(
        description="plain colour, for benchmarks and tests",
        make=_blank,
        look=_look_at_blank,
    ),
}
"""The engines, by their names in EASEL_ENGINE."""

REMOVED: Final[Mapping[str, str]] = {"nano": "Easel Nano was removed, and sketch replaces it"}
"""Names of engines of earlier versions, each with what the operator should know. Their tasks keep these names."""
