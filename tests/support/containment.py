"""Runs `easel serve` as a container does: first process, read-only root, 64 MB of shared memory, a user id of its own.

Namespaces and mounts are the kernel's, so it needs root on Linux, and does not work in every container.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT
from tests.support.patience import eventually
from tests.support.running_service import START_TIMEOUT_S, STOP_TIMEOUT_S, Service

USER: Final = 471_147
"""Belongs to no account of this machine."""
DATA: Final = Path("/mnt")
"""Where the container has its volume."""
ENTRYPOINT: Final = ROOT / "deploy/container/easel-entrypoint"
_NAMESPACES: Final = ("unshare", "--fork", "--pid", "--mount", "--ipc", "--uts", "--kill-child")
_ENTER: Final = """
set -eu
mount --make-rprivate /
mount -t proc proc /proc
mount --bind "$1" /mnt
mount --bind "$1/.passwd" /etc/passwd
mount -t tmpfs -o size=64m,mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /run
mount -o remount,bind,ro /
shift
# The user may read the interpreter wherever it is installed, and write nothing that is not its own.
exec setpriv --reuid=USER --regid=0 --clear-groups --inh-caps=+dac_read_search --ambient-caps=+dac_read_search \\
    --bounding-set=-all,+dac_read_search --no-new-privs "$@"
""".replace("USER", str(USER))


def is_permitted() -> bool:
    """Whether this system lets us have the namespaces and the mounts."""
    if os.geteuid() != 0 or not all(shutil.which(name) for name in ("unshare", "nsenter", "setpriv")):
        return False
    return subprocess.run([*_NAMESPACES, "mount", "--make-rprivate", "/"], capture_output=True).returncode == 0


class Container(Service):
    """The service in such a container, started by the images' own entry point. `folder` is its volume."""

    def __init__(self, folder: Path, **settings: str) -> None:
        super().__init__(folder, **settings)
        self.environment |= {
            "EASEL_DATA_DIR": str(DATA / "easel"), "HOME": str(DATA), "TMPDIR": "/run", "EASEL_PORT": str(self.port),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin",
        }  # fmt: skip
        self.first = 0
        """The id of the first process outside of its namespace."""

    def start(self, *, wait: bool = True) -> None:
        entry = f"easel:x:{USER}:0:Easel:{DATA}:/usr/sbin/nologin\n"
        (self.data_dir / ".passwd").write_text(Path("/etc/passwd").read_text() + entry)
        os.chown(self.data_dir, USER, 0)
        with self.log_file.open("ab") as log:
            offset = log.tell()
            self.process = subprocess.Popen(
                [*_NAMESPACES, "sh", "-c", _ENTER, "sh", str(self.data_dir), str(ENTRYPOINT), "serve"],
                env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/",
            )  # fmt: skip
        eventually(lambda: self._is_ready(offset), START_TIMEOUT_S)
        self.first = int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text())

    def stop(self, number: int = 15) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        if process.poll() is None:
            os.kill(self.first, number)
        return process.wait(STOP_TIMEOUT_S)

    def within(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as the same user."""
        enter = ["nsenter", "--target", str(self.first), "--pid", "--mount", "--ipc", "setpriv", f"--reuid={USER}",
                 "--regid=0", "--clear-groups", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]  # fmt: skip
        return subprocess.run([*enter, *command], capture_output=True, text=True, env=self.environment)
