"""Changes Easel's own environment for libraries that cannot be configured otherwise.

Nothing here is a setting. Child processes inherit the changes. A change only affects what is loaded or connected later.
"""

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_NO_TELEMETRY: Final = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY", "DO_NOT_TRACK")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "127.0.0.0/8", "0.0.0.0", "::1")  # noqa: S104 - compared, not bound
"""Libraries read NO_PROXY differently: some understand networks, others only literal hosts."""
_NO_GPUS: Final = ("", "-1", "NoDevFiles")
_VOID: Final = ("void", "none")
"""What NVIDIA's containers know as no GPU."""
_LIBPQ: Final = re.compile(r"PG[A-Z_]+")


def copy() -> dict[str, str]:
    """A copy of this process's environment, for its children."""
    return dict(os.environ)


def replace(environment: Mapping[str, str]) -> None:
    """Replace the whole environment, in a process that was forked."""
    os.environ.clear()
    os.environ.update(environment)


def set_variable(name: str, value: str) -> None:
    """Set a variable, for this process and its children."""
    os.environ[name] = value


def send_no_telemetry() -> None:
    """Switch off the telemetry of all libraries, whatever the environment says.

    Without this, onnxruntime resolves a collector and stores a device id in the home folder when it is imported.
    """
    for name in _NO_TELEMETRY:
        os.environ[name] = "1"


def keep_loopback_direct() -> None:
    """Exempt connections to this machine from any proxy in the environment."""
    named = [name for name in os.environ if name.lower() in {"http_proxy", "https_proxy", "all_proxy"}]
    for name in named:
        if not os.environ[name].strip():
            os.environ[name] = ""  # still blank, and recognised as unset by every library
    if not any(os.environ[name] for name in named):
        return
    spared = ",".join(os.environ.get(name, "") for name in ("NO_PROXY", "no_proxy"))
    hosts = [host.strip() for host in spared.split(",") if host.strip()]
    if "*" not in hosts:
        # Libraries disagree on which of the two takes precedence.
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(dict.fromkeys([*hosts, *_LOOPBACK]))


def libpq_variables() -> list[str]:
    """The variables in the environment that configure libpq, such as PGSERVICE."""
    return sorted(name for name in os.environ if _LIBPQ.fullmatch(name))


def forget_libpq_variables() -> None:
    """Remove the variables of libpq, which are for other databases, before connecting to the private one."""
    for name in libpq_variables():
        del os.environ[name]


def hides_gpus() -> bool:
    """Whether whoever started this process hid every NVIDIA GPU from it."""
    return os.environ.get("CUDA_VISIBLE_DEVICES") in _NO_GPUS or os.environ.get("NVIDIA_VISIBLE_DEVICES") in _VOID


def c_compiler() -> str | None:
    """The C compiler that whoever started this process chose."""
    return os.environ.get("CC") or None


def keep_compiled(folder: Path) -> None:
    """Let PyTorch's compiler, which is configured by the environment, cache its output in this folder.

    A folder that the operator has chosen takes precedence. The cache contains code that will be executed, so only its
    owner may write there. If the folder cannot be created, PyTorch uses a temporary one.
    """
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.access(folder, os.W_OK | os.X_OK):
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))
