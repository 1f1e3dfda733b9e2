"""Reads a picture classifier's folder as Hugging Face's libraries write it: its labels, weights and preprocessing.

Two formats are supported: transformers' (`config.json` with `id2label`, `preprocessor_config.json`) and timm's
(`config.json` with `label_names` and `pretrained_cfg`), which needs an ONNX file. Unknown preprocessing makes a folder
unusable, since a model silently judges badly when its input differs from its training. Nothing is run or downloaded.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec

from easel.domain.errors import Unusable
from easel.outside.judges.classifier.labels import meaning

CONFIG_BYTES_MAX: Final = 4 * 1024 * 1024
SIDE_MAX_PX: Final = 2048
VERSION_CHARACTERS: Final = 12
_SHOWN_MAX: Final = 20
_ONNX: Final = ("model.onnx", "onnx/model.onnx")
_SAFETENSORS: Final = "model.safetensors"
_RESAMPLE_BY_NAME: Final[Mapping[str, int]] = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}
"""Pillow's numbers, which `preprocessor_config.json` uses too."""
_WITH_RULES_OF_THEIR_OWN: Final = ("ConvNext", "EfficientNet", "Levit", "MobileViT", "PoolFormer")
_ONE_NUMBER_IS_SHORTEST_EDGE: Final = ("CLIP", "ChineseCLIP", "Bit", "MobileNetV1", "MobileNetV2")


class ClassifierUnusable(Unusable):
    """The picture classifier cannot be used."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a picture is preprocessed, in this order."""

    resize_px: tuple[int, int] | int | None
    """Height and width, or the length of the shortest edge, which keeps the proportions."""
    resample: int
    crop_px: tuple[int, int] | None
    """Height and width of the central crop, padded with black where the picture is smaller."""
    factor: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ClassifierFolder:
    """The content of a folder. `version` is a digest of `config.json` and the weights."""

    path: Path
    labels: tuple[str, ...]
    is_multi_label: bool
    preparation: Preparation
    runtime: Literal["onnxruntime", "transformers"]
    weights: Path
    version: str


class _Timm(msgspec.Struct):
    input_size: tuple[int, int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"
    crop_pct: float = 1.0
    crop_mode: str = "center"
    label_names: list[str] | None = None


class _Config(msgspec.Struct):
    id2label: dict[str, str] | None = None
    label_names: list[str] | None = None
    problem_type: str | None = None
    architecture: str | None = None
    pretrained_cfg: _Timm | None = None


_Size = int | dict[str, int | None] | None


class _Preprocessor(msgspec.Struct):
    image_processor_type: str | None = None
    feature_extractor_type: str | None = None
    do_resize: bool | None = True
    size: _Size = None
    resample: int | None = None
    do_center_crop: bool | None = None
    crop_size: _Size = None
    do_rescale: bool | None = True
    rescale_factor: float = 1 / 255
    do_normalize: bool | None = True
    image_mean: float | list[float] | None = None
    image_std: float | list[float] | None = None
    do_pad: bool | None = None
    do_flip_channel_order: bool | None = None

    @property
    def kind(self) -> str:
        return self.image_processor_type or self.feature_extractor_type or ""


_Document = TypeVar("_Document", _Config, _Preprocessor)


def read_folder(path: Path) -> ClassifierFolder:
    """Read the folder, including all weights for the version. Raises ClassifierUnusable."""
    if not path.is_dir():
        raise ClassifierUnusable(
            f"{path} is not a folder: a picture classifier is a folder with config.json and model.onnx."
        )
    config = _read(path / "config.json", _Config)
    labels = _labels(path, config)
    runtime, weights = _weights(path, is_timm=config.id2label is None)
    return ClassifierFolder(
        path=path,
        labels=labels,
        is_multi_label=config.problem_type == "multi_label_classification",
        preparation=_preparation(path, config),
        runtime=runtime,
        weights=weights,
        version=_version(path / "config.json", weights),
    )


def _labels(path: Path, config: _Config) -> tuple[str, ...]:
    named = config.label_names or (config.pretrained_cfg and config.pretrained_cfg.label_names) or []
    if config.id2label is not None:
        named = [config.id2label.get(str(number), "") for number in range(len(config.id2label))]
    if not named or not all(named):
        raise ClassifierUnusable(
            f"{path / 'config.json'} does not name the labels 0, 1, 2 … in id2label or label_names."
        )
    if not any(meaning(label) for label in named):
        shown = ", ".join(ascii(label[:80]) for label in named[:_SHOWN_MAX])
        raise ClassifierUnusable(
            f"The picture classifier in {path} has no label that Easel refuses: {shown}. "
            "It needs one such as nsfw, porn, gore or hate_symbols. If its labels have other names, rename them in "
            "config.json."
        )
    if len(named) == 1 and config.problem_type != "multi_label_classification":
        raise ClassifierUnusable(
            f"The picture classifier in {path} has only one label, which would always have the probability 1."
        )
    return tuple(named)


def _weights(path: Path, *, is_timm: bool) -> tuple[Literal["onnxruntime", "transformers"], Path]:
    for name in _ONNX:
        if (path / name).is_file():
            return "onnxruntime", path / name
    if (path / _SAFETENSORS).is_file() and not is_timm:
        return "transformers", path / _SAFETENSORS
    of_timm = " A folder in timm's format needs model.onnx: export it (timm has onnx_export.py)." if is_timm else ""
    raise ClassifierUnusable(
        f"{path} has neither {' nor '.join(_ONNX)}, nor a {_SAFETENSORS} that can be used.{of_timm}"
    )


def _version(config: Path, weights: Path) -> str:
    """A digest of the config and the weights, including an ONNX model's files of external tensors."""
    digest = hashlib.sha256()
    try:
        for file in (config, weights, *sorted(weights.parent.glob(f"{weights.name}?data*"))):
            with file.open("rb") as content:
                while chunk := content.read(1024 * 1024):
                    digest.update(chunk)
    except OSError as error:
        raise ClassifierUnusable(f"{weights} cannot be read ({type(error).__name__}).") from error
    return digest.hexdigest()[:VERSION_CHARACTERS]


def _preparation(path: Path, config: _Config) -> Preparation:
    file = path / "preprocessor_config.json"
    if config.pretrained_cfg is not None and not file.is_file():
        preparation = _of_timm(path, config.pretrained_cfg)
    else:
        preparation = _of_transformers(file, _read(file, _Preprocessor))
    end_px = preparation.crop_px or preparation.resize_px
    if not isinstance(end_px, tuple) or not all(0 < side_px <= SIDE_MAX_PX for side_px in end_px):
        raise ClassifierUnusable(
            f"{path} does not resize all pictures to one size, of at most {SIDE_MAX_PX} pixels per side."
        )
    numbers = (preparation.factor, *preparation.mean, *preparation.std)
    if not all(math.isfinite(number) for number in numbers) or 0 in preparation.std:
        raise ClassifierUnusable(
            f"{path} has a mean, a standard deviation or a factor that cannot be used for scaling."
        )
    return preparation


def _of_timm(path: Path, timm: _Timm) -> Preparation:
    channels, height_px, width_px = timm.input_size
    is_known = timm.crop_mode in {"center", "squash"} and timm.interpolation in _RESAMPLE_BY_NAME
    if channels != 3 or height_px != width_px or not is_known or not 0 < timm.crop_pct <= 1:
        raise ClassifierUnusable(
            f"{path / 'config.json'} prepares pictures in a way that Easel does not support: input_size must be a square with "
            f"three channels, crop_mode center or squash, and interpolation one of {', '.join(_RESAMPLE_BY_NAME)}."
        )
    edge_px = math.floor(height_px / timm.crop_pct)
    return Preparation(
        resize_px=edge_px if timm.crop_mode == "center" else (edge_px, edge_px),
        resample=_RESAMPLE_BY_NAME[timm.interpolation],
        crop_px=(height_px, width_px),
        factor=1 / 255,
        mean=timm.mean,
        std=timm.std,
    )


def _of_transformers(file: Path, given: _Preprocessor) -> Preparation:
    if given.do_pad or given.do_flip_channel_order or given.kind.startswith(_WITH_RULES_OF_THEIR_OWN):
        raise ClassifierUnusable(
            f"{file} prepares pictures in a way that Easel does not support ({given.kind or 'padded or flipped'}): "
            "choose another classifier, such as one with ViTImageProcessor."
        )
    is_square = not given.kind.startswith(_ONE_NUMBER_IS_SHORTEST_EDGE)
    resample = 2 if given.resample is None else given.resample
    if resample not in range(6):
        raise ClassifierUnusable(f"resample in {file} must be one of Pillow's numbers, 0 to 5.")
    crop_px = _size_px(file, "crop_size", given.crop_size, is_square=True) if given.do_center_crop else None
    if isinstance(crop_px, int):
        raise ClassifierUnusable(f"crop_size in {file} must have height and width.")
    return Preparation(
        resize_px=_size_px(file, "size", given.size, is_square=is_square) if given.do_resize else None,
        resample=resample,
        crop_px=crop_px,
        factor=given.rescale_factor if given.do_rescale else 1.0,
        mean=_three(file, "image_mean", given.image_mean) if given.do_normalize else (0.0, 0.0, 0.0),
        std=_three(file, "image_std", given.image_std) if given.do_normalize else (1.0, 1.0, 1.0),
    )


def _size_px(file: Path, name: str, size: _Size, *, is_square: bool) -> tuple[int, int] | int:
    if isinstance(size, int):
        size = {"height": size, "width": size} if is_square else {"shortest_edge": size}
    match {key: side_px for key, side_px in (size or {}).items() if side_px is not None}:
        case {"height": height_px, "width": width_px, **others} if not others:
            return height_px, width_px
        case {"shortest_edge": edge_px, **others} if not others and 0 < edge_px <= SIDE_MAX_PX:
            return edge_px
    raise ClassifierUnusable(
        f"{name} in {file} must be height and width, only shortest_edge, or one number, of at most {SIDE_MAX_PX} pixels."
    )


def _three(file: Path, name: str, values: float | list[float] | None) -> tuple[float, float, float]:
    if isinstance(values, float):
        return values, values, values
    if values is None or len(values) != 3:
        raise ClassifierUnusable(f"{name} in {file} must be three numbers.")
    return values[0], values[1], values[2]


def _read(file: Path, form: type[_Document]) -> _Document:
    try:
        with file.open("rb") as content:
            raw = content.read(CONFIG_BYTES_MAX)
        document: Any = msgspec.json.decode(raw)
        return msgspec.convert(document, type=form)
    except OSError as error:
        raise ClassifierUnusable(f"{file} is missing or cannot be read ({type(error).__name__}).") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ClassifierUnusable(f"{file} is not in the expected format: {error}.") from error
