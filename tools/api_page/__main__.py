"""Writes the API page and the OpenAPI document that the service serves: `python -m tools.api_page`."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from easel.web.reference.endpoints import DOCUMENT_FILE, PAGE_FILE
from tools.api_page.document import document, served
from tools.api_page.page import page_template


def made() -> Mapping[Path, bytes]:
    """The contents of both files."""
    return {
        PAGE_FILE: page_template(document()).encode(),
        DOCUMENT_FILE: msgspec.json.format(msgspec.json.encode(served()), indent=1) + b"\n",
    }


def main() -> None:
    """Write both files."""
    for path, content in made().items():
        path.write_bytes(content)
        print(f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}: {len(content)} bytes")


if __name__ == "__main__":
    main()
