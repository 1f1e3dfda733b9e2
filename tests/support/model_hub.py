"""The part of a model hub that downloads need, on loopback: one model, served from a folder."""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

MODEL = "easel-tests/tiny"
COMMIT = "0123456789" * 4


class HubServer(ThreadingHTTPServer):
    """The part of a model hub that downloads need: one model, served from a folder, and a list of the requests."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.folder = folder
        self.asked: list[str] = []
        self.pretended_bytes: dict[str, int] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def listing(self) -> list[dict[str, str | int]]:
        files = sorted(file for file in self.folder.rglob("*") if file.is_file())
        names = [str(file.relative_to(self.folder)) for file in files]
        return [
            {
                "type": "file",
                "path": name,
                "size": self.size_bytes(name),
                "oid": hashlib.sha1(name.encode()).hexdigest(),
            }
            for name in names
        ]

    def size_bytes(self, name: str) -> int:
        return self.pretended_bytes.get(name, (self.folder / name).stat().st_size)


class HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        if path.startswith(f"/api/models/{MODEL}/revision/"):
            self.send(json.dumps({"id": MODEL, "sha": COMMIT, "siblings": []}).encode(), with_body)
        elif path.startswith(f"/api/models/{MODEL}/tree/"):
            self.send(json.dumps(self.server.listing()).encode(), with_body)
        elif path.startswith(f"/{MODEL}/resolve/{COMMIT}/"):
            self.send_file(path.removeprefix(f"/{MODEL}/resolve/{COMMIT}/"), with_body)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def send_file(self, name: str, with_body: bool) -> None:
        body = (self.server.folder / name).read_bytes()
        self.send(body, with_body, self.server.size_bytes(name), hashlib.sha1(name.encode()).hexdigest())

    def send(self, body: bytes, with_body: bool, length: int | None = None, etag: str = "none") -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Do not log."""
