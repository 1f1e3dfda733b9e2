"""The published Z-Image-Turbo: the revisions on the hub that Easel downloads, and the digests of their large files.

There are two. Tongyi-MAI's has its transformer in float32 and takes 32.8 GB. Comfy-Org's has the same weights in bf16,
in three files, and takes 20.7 GB. The engine draws in bf16 on a GPU, so it draws the same from both. A later revision
is not taken by itself, and a hub or mirror cannot put other weights in their place. The small files belong to the
revision, and are compared with what the engine expects (`identity`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Published:
    """A model on the hub, one of its revisions, the SHA-256 of each large file, and how much is downloaded. If it is
    split, those files are all that is needed."""

    model: str
    revision: str
    digests: Mapping[str, str]
    download_bytes: int
    is_split: bool


TURBO = Published(
    model="Tongyi-MAI/Z-Image-Turbo",
    revision="f332072aa78be7aecdf3ee76d5c247082da564a6",
    digests={
        "text_encoder/model-00001-of-00003.safetensors": (
            "328a91d3122359d5547f9d79521205bc0a46e1f79a792dfe650e99fc2d651223"
        ),
        "text_encoder/model-00002-of-00003.safetensors": (
            "6cd087b316306a68c562436b5492edbcf6e16c6dba3a1308279caa5a58e21ca5"
        ),
        "text_encoder/model-00003-of-00003.safetensors": (
            "7ca841ee75b9c61267c0c6148fd8d096d3d21b6d3e161256a9b878154f91fc52"
        ),
        "tokenizer/tokenizer.json": "aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4",
        "transformer/diffusion_pytorch_model-00001-of-00003.safetensors": (
            "95facd593e2549e8252acb571c653d57f7ddb7f1060d4e81712f152555a88804"
        ),
        "transformer/diffusion_pytorch_model-00002-of-00003.safetensors": (
            "a4bbe43ee184a1fb5af4b412d27555f532893bdc3165b1149e304ed82b5d7015"
        ),
        "transformer/diffusion_pytorch_model-00003-of-00003.safetensors": (
            "aba4e37a590e63210878160a718d916d80398f4e1f78ab6c9b2b2a00d92769fa"
        ),
        "vae/diffusion_pytorch_model.safetensors": ("f5b59a26851551b67ae1fe58d32e76486e1e812def4696a4bea97f16604d40a3"),
    },
    download_bytes=32_800_000_000,
    is_split=False,
)

DEFAULT = Published(
    model="Comfy-Org/z_image_turbo",
    revision="d24c4cf2a0cd98a42f23467e27e3d76ee9438b8e",
    digests={
        "split_files/diffusion_models/z_image_turbo_bf16.safetensors": (
            "2407613050b809ffdff18a4ac99af83ea6b95443ecebdf80e064a79c825574a6"
        ),
        "split_files/text_encoders/qwen_3_4b.safetensors": (
            "6c671498573ac2f7a5501502ccce8d2b08ea6ca2f661c458e708f36b36edfc5a"
        ),
        "split_files/vae/ae.safetensors": "afc8e28272cb15db3919bacdb6918ce9c1ed22e96cb12c4d5ed0fba823529e38",
    },
    download_bytes=20_690_152_836,
    is_split=True,
)
"""The digests are those that several public projects state for these files. They have not been compared with a download
here: a file that differs is deleted, and the start fails."""

MODELS: Mapping[str, Published] = {known.model: known for known in (TURBO, DEFAULT)}


def different_files(folder: Path, published: Published) -> list[Path]:
    """The large files in a downloaded folder that are missing or not the published ones. Reads all of them."""
    files = {folder / name: digest for name, digest in published.digests.items()}
    return [file for file, digest in files.items() if not file.is_file() or sha256(file) != digest]


def sha256(file: Path) -> str:
    """The digest of a file's content."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
