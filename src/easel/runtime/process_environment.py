"""What Easel changes in its own process's environment, for libraries that read nothing else.

Nothing here is a setting. Children inherit what was changed. A change reaches only what is loaded or connected after it.
"""

import contextlib
import os
import re
from pathlib import Path
from typing import Final

_NO_TELEMETRY: Final = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY", "DO_NOT_TRACK")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "127.0.0.0/8", "0.0.0.0", "::1")  # noqa: S104 - asked, not bound
"""As different libraries read NO_PROXY: some know networks, others only what is written out."""
_LIBPQ: Final = re.compile(r"PG[A-Z_]+")


def copy() -> dict[str, str]:
    """A copy of this process's environment, for its children."""
    return dict(os.environ)


def send_no_telemetry() -> None:
    """Have no library report to its makers, whatever the environment said. onnxruntime would look up a collector and
    keep a device id in the home folder as soon as it is imported, unless it was told before."""
    for name in _NO_TELEMETRY:
        os.environ[name] = "1"


def keep_loopback_direct() -> None:
    """Keep what goes to this machine away from any proxy that the environment names."""
    named = [name for name in os.environ if name.lower() in {"http_proxy", "https_proxy", "all_proxy"}]
    for name in named:
        if not os.environ[name].strip():
            os.environ[name] = ""  # as blank as before, and known to every library for unset
    if not any(os.environ[name] for name in named):
        return
    spared = ",".join(os.environ.get(name, "") for name in ("NO_PROXY", "no_proxy"))
    hosts = [host.strip() for host in spared.split(",") if host.strip()]
    if "*" not in hosts:
        # Libraries disagree on which of the two wins.
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(dict.fromkeys([*hosts, *_LOOPBACK]))


def libpq_variables() -> list[str]:
    """The variables that are set and steer PostgreSQL's client library, such as PGSERVICE."""
    return sorted(name for name in os.environ if _LIBPQ.fullmatch(name))


def forget_libpq_variables() -> None:
    """Connect to the private database as Easel says and no otherwise: those variables are for other databases."""
    for name in libpq_variables():
        del os.environ[name]


def keep_compiled(folder: Path) -> None:
    """Have PyTorch's compiler, which asks the environment where, keep what it makes; an operator's own choice stands.

    It is code that will be run, so nobody else may write there. Where there can be no such folder, PyTorch takes a
    temporary one.
    """
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.access(folder, os.W_OK | os.X_OK):
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))
