"""A real object store that speaks S3 on loopback: SeaweedFS, with signatures checked and three identities.

`ObjectStore` starts it on a folder of its own. Its buckets are created through its filer, because
Easel creates none.
"""

import json
import platform
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from easel.outside.pictures.storage import Pictures
from tests.support.command_line import environment
from tests.support.patience import eventually
from tests.support.ports import free_port

BUCKET = "pictures"
OWNER = ("AKIAOWNER", "the-owners-secret-0123456789")
READER = ("AKIAREADER", "the-readers-secret-0123456789")
PORTS = ("master", "volume", "filer", "s3")
START_TIMEOUT_S = 60.0

is_to_be_had = pytest.mark.skipif(
    sys.platform != "linux" and platform.machine() != "arm64", reason="there is no SeaweedFS for this system"
)


class ObjectStore:
    """`weed server`, with one bucket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: (free_port(), free_port()) for name in PORTS}
        self.url = f"http://127.0.0.1:{self.ports['s3'][0]}"
        self._filer_url = f"http://127.0.0.1:{self.ports['filer'][0]}"
        self._process: subprocess.Popen[bytes] | None = None
        all_in_it = {"name": "owner", "actions": ["Admin"], "credentials": [_credentials(OWNER)]}
        may_read = {"name": "reader", "actions": [f"Read:{BUCKET}"], "credentials": [_credentials(READER)]}
        (folder / "identities.json").write_text(json.dumps({"identities": [all_in_it, may_read]}))

    def start(self) -> None:
        """Start it, and wait until it can store and serve objects."""
        options = {
            "dir": self.folder,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.telemetry": "false",
            "master.electionTimeout": "500ms",
            "master.volumeSizeLimitMB": 64,
            "volume.max": 8,
            "volume.minFreeSpace": 0,
            "s3.config": self.folder / "identities.json",
            "s3.autoCreateBucket": "false",
            "s3.iam": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
        }
        for name, (port, grpc_port) in self.ports.items():
            options |= {f"{name}.port": port, f"{name}.port.grpc": grpc_port}
        with (self.folder / "weed.log").open("ab") as log:
            self._process = subprocess.Popen(
                [Path(sys.executable).parent / "weed", "server", "-filer", "-s3",
                 *(f"-{name}={value}" for name, value in options.items())],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(),
            )  # fmt: skip
        eventually(lambda: self._answers(f"{self._filer_url}/") and self._answers(self.url), START_TIMEOUT_S)
        self.make_bucket(BUCKET)

    def _answers(self, url: str) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "weed.log").read_text()[-4000:]
        try:
            return httpx2.get(url, trust_env=False, timeout=30).status_code < 500
        except httpx2.HTTPError:
            return False

    def make_bucket(self, name: str) -> None:
        """Create a bucket if it is missing, and wait until it accepts objects."""
        httpx2.post(f"{self._filer_url}/buckets/{name}/", trust_env=False, timeout=30)
        eventually(lambda: self._put_probe(name), START_TIMEOUT_S)

    def _put_probe(self, bucket: str) -> bool:
        probe = f"{self._filer_url}/buckets/{bucket}/probe"
        if httpx2.put(probe, content=b"probe", trust_env=False, timeout=30).status_code >= 300:
            return False
        return httpx2.delete(probe, trust_env=False, timeout=30).status_code < 300

    def remove_bucket(self, name: str) -> None:
        """Delete a bucket and everything in it."""
        answer = httpx2.delete(f"{self._filer_url}/buckets/{name}/?recursive=true", trust_env=False, timeout=30)
        assert answer.status_code < 300

    def held(self, path: str) -> httpx2.Response:
        """The content of `bucket/key`, read from the filer rather than through S3."""
        return httpx2.get(f"{self._filer_url}/buckets/{path}", trust_env=False, timeout=30)

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """Stop it, and delete the sockets that it leaves in /tmp."""
        if self._process is not None:
            self.kill()
        for ports in self.ports.values():
            for port in ports:
                for socket in Path("/tmp").glob(f"seaweedfs-*{port}.sock"):
                    socket.unlink()

    def environment(self, identity: tuple[str, str] = OWNER) -> dict[str, str]:
        """The environment variables of a process that uses the store."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": identity[0],
            "AWS_SECRET_ACCESS_KEY": identity[1],
        }

    def pictures(
        self, url: str = f"s3://{BUCKET}/easel", identity: tuple[str, str] = OWNER, deadline_s: float = 10
    ) -> Pictures:
        """Pictures in the store."""
        options = {name.lower(): value for name, value in self.environment(identity).items()}
        return Pictures(url, options, deadline_s=deadline_s)


def _credentials(identity: tuple[str, str]) -> dict[str, str]:
    return {"accessKey": identity[0], "secretKey": identity[1]}
