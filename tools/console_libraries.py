"""Fetches the libraries of the console's page and of its tests from npm: `python -m tools.console_libraries`.

Each manifest (`versions.json`) names packages, versions, licences and digests. Without an option the command fetches
the versions of the manifests again; `--newest` takes the newest ones and writes them down. It needs `npm`, which checks
each package against the registry's digest.

A file is committed as it is published, but for two things that a browser without a build step needs: names of packages
in imports become addresses of files, and the comment that names a source map, which is not committed, goes.
"""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.support.paths import DATA, ROOT

VENDOR: Final = ROOT / "src" / "easel" / "web" / "console" / "static" / "vendor"
MANIFESTS: Final = (VENDOR / "versions.json", DATA / "axe-core" / "versions.json")
_IMPORT: Final = re.compile(r"""(\bfrom\s*|\bimport\s*)(["'])([^"'./][^"']*)\2""")
_SOURCE_MAP: Final = re.compile(r"\n?//# sourceMappingURL=\S+\s*$")


def as_committed(published: str, addresses: Mapping[str, str]) -> str:
    """A published module as a browser can load it. `addresses` has the file of each package. Raises KeyError."""
    text = _IMPORT.sub(lambda found: f"{found[1]}{found[2]}./{addresses[found[3]]}{found[2]}", published)
    return _SOURCE_MAP.sub("\n", text)


def digest(content: bytes) -> str:
    """The digest of a committed file, as manifests name it."""
    return f"sha256-{hashlib.sha256(content).hexdigest()}"


def libraries(manifest: Path) -> list[dict[str, Any]]:
    """The entries of a manifest, one for each file."""
    entries: list[dict[str, Any]] = json.loads(manifest.read_text(encoding="utf-8"))["libraries"]
    return entries


def fetch(manifest: Path, *, newest: bool) -> None:
    """Fetch the files of a manifest and write it anew."""
    entries = libraries(manifest)
    addresses = {entry["module"]: entry["file"] for entry in entries}
    with tempfile.TemporaryDirectory() as folder:
        packages = {
            name: _Package(name, None if newest else version, Path(folder))
            for name, version in {entry["package"]: entry["version"] for entry in entries}.items()
        }
        for entry in entries:
            package = packages[entry["package"]]
            content = package.read(entry["published"])
            if entry["file"].endswith(".js") and not entry.get("unchanged"):
                content = as_committed(content.decode(), addresses).encode()
            (manifest.parent / entry["file"]).write_bytes(content)
            entry |= {"version": package.version, "licence": package.licence, "integrity": package.integrity}
            entry["digest"] = digest(content)
            print(f"{entry['file']}: {package.name} {package.version} ({package.licence}), {len(content)} bytes")
    manifest.write_text(manifest_text(entries), encoding="utf-8")


def manifest_text(entries: list[dict[str, Any]]) -> str:
    """A manifest as it is written."""
    return json.dumps({"libraries": entries}, indent=2) + "\n"


class _Package:
    """A package, fetched into a folder."""

    def __init__(self, name: str, version: str | None, folder: Path) -> None:
        self.name = name
        command = ["npm", "pack", "--json", "--pack-destination", str(folder), f"{name}@{version or 'latest'}"]
        packed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        told: dict[str, Any] = packed[0] if isinstance(packed, list) else next(iter(packed.values()))
        self.version: str = told["version"]
        self.integrity: str = told["integrity"]
        self._file = folder / told["filename"].removeprefix("@").replace("/", "-")
        self.licence: str = json.loads(self.read("package.json"))["license"]

    def read(self, path: str) -> bytes:
        """A file of the package."""
        with tarfile.open(self._file) as archive:
            member = archive.extractfile(f"package/{path}")
            assert member is not None, f"{self.name} has no file {path}"
            return member.read()


def main() -> None:
    """Fetch the files of both manifests."""
    newest = sys.argv[1:] == ["--newest"]
    if sys.argv[1:] and not newest:
        sys.exit("usage: python -m tools.console_libraries [--newest]")
    for manifest in MANIFESTS:
        fetch(manifest, newest=newest)


if __name__ == "__main__":
    main()
