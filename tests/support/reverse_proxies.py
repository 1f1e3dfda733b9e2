"""nginx and Caddy in front of a service, with the configurations of `deploy/` and real TLS."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trustme

from tests.support.paths import ROOT
from tests.support.patience import eventually
from tests.support.ports import free_port

NAME: Final = "images.your-domain.com"
NGINX: Final = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
CADDY: Final = shutil.which("caddy")


@dataclass(frozen=True, slots=True)
class Front:
    """A running proxy: where it listens, whom its clients trust, and its access log."""

    port: int
    plain_port: int
    trust: ssl.SSLContext
    log: Path
    redirects: bool
    """Whether the plain port leads to the other one."""

    @property
    def url(self) -> str:
        """The address that clients use. The certificate is for `localhost`."""
        return f"https://localhost:{self.port}"


Configure = Callable[[Path, Mapping[str, int], Path, Path], list[str]]


def nginx(folder: Path, ports: Mapping[str, int], certificate: Path, key: Path) -> list[str]:
    """The configuration of `deploy/nginx`, and the command that runs it."""
    assert NGINX is not None
    server = (ROOT / "deploy/nginx/easel.conf").read_text()
    for written, wanted in {
        "listen [::]:80;": "",
        "listen [::]:443 ssl http2;": "",
        "listen 80;": f"listen 127.0.0.1:{ports['plain']};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{ports['tls']} ssl http2;",
        f"/etc/letsencrypt/live/{NAME}/fullchain.pem": str(certificate),
        f"/etc/letsencrypt/live/{NAME}/privkey.pem": str(key),
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{ports['easel']};",
        # The log is that of the distribution, and the host is written with its port here.
        "server_name images.your-domain.com;": "server_name localhost;",
        "Host $host;": "Host $http_host;",
    }.items():
        assert written in server, written
        server = server.replace(written, wanted)
    temporary = "".join(
        f"{kind}_temp_path {folder / kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if folder.owner() == "root" else ""
    (folder / "nginx.conf").write_text(
        f"pid {folder / 'pid'};\nerror_log {folder / 'error.log'};\ndaemon off;\n{user}"
        f"events {{}}\nhttp {{\naccess_log {folder / 'access.log'};\n{temporary}{server}}}\n"
    )
    return [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, ports: Mapping[str, int], certificate: Path, key: Path) -> list[str]:
    """The configuration of `deploy/caddy`, and the command that runs it."""
    assert CADDY is not None
    site = (ROOT / "deploy/caddy/Caddyfile").read_text()
    options = (
        f"{{\n\tadmin off\n\tauto_https disable_redirects\n\thttp_port {ports['plain']}\n\thttps_port {ports['tls']}\n"
        f"\tstorage file_system {folder / 'caddy'}\n}}\n"
    )
    for written, wanted in {
        f"\n{NAME} {{": f"\n{options}\nlocalhost {{\n\ttls {certificate} {key}\n\tbind 127.0.0.1",
        "reverse_proxy 127.0.0.1:8000": f"reverse_proxy 127.0.0.1:{ports['easel']}",
    }.items():
        assert written in site, written
        site = site.replace(written, wanted)
    (folder / "Caddyfile").write_text(site)
    return [CADDY, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@contextmanager
def fronted(configure: Configure, folder: Path, port: int, ports: Mapping[str, int]) -> Iterator[Front]:
    """A proxy in front of the service at `port`, on `ports['tls']` and `ports['plain']`."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    issued.private_key_pem.write_to_path(str(key))
    for part in issued.cert_chain_pems:
        part.write_to_path(str(certificate), append=True)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    command = configure(folder, {**ports, "easel": port}, certificate, key)
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    with (folder / "proxy.log").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        eventually(lambda: _listens(running, ports["tls"], folder))
        yield Front(ports["tls"], ports["plain"], trust, folder / "access.log", redirects=configure is nginx)
    finally:
        running.terminate()
        running.wait(20)


def proxy_ports() -> dict[str, int]:
    """Free ports for a proxy."""
    return {"tls": free_port(), "plain": free_port()}


def _listens(running: subprocess.Popen[bytes], port: int, folder: Path) -> bool:
    assert running.poll() is None, (folder / "proxy.log").read_text()
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0
