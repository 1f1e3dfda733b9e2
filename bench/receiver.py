"""The receiver of callbacks, a process of its own (`bench/load/receiver.py`), as whoever measures starts and asks
it."""

import http.client
import os
from pathlib import Path
from typing import Final

import msgspec

from bench.contender import HOST, Part, python
from bench.load.plans import Receiver
from bench.load.receiver import CLOSING_PATH, PATH, READY

ASK_TIMEOUT_S: Final = 30.0


class CallbackReceiver:
    """The running process. Raises Unstartable where it does not start."""

    def __init__(self, folder: Path) -> None:
        self._authority_file = folder / "receiver-authority.pem"
        command = python("bench.load.receiver", str(self._authority_file))
        self._part = Part(command, os.environ, folder / "receiver.log")
        try:
            self._part.wait_for_line("\n")
        except BaseException:
            self._part.stop()
            raise
        self._port, self._control_port = map(int, self._part.log().partition(READY)[2].split()[:2])

    def settings(self) -> dict[str, str]:
        """Settings of an Easel that may call here."""
        return {
            "EASEL_CALLBACK_ALLOW_HOSTS": f"{HOST}:{self._port}",
            "EASEL_CALLBACK_CA_FILE": str(self._authority_file),
        }

    def target(self, *, is_closing: bool = False) -> Receiver:
        """Its addresses, for a load generator. With `is_closing` it closes each connection after one callback."""
        path = CLOSING_PATH if is_closing else PATH
        return Receiver(f"https://{HOST}:{self._port}{path}", HOST, self._control_port)

    def arrivals(self) -> dict[str, float]:
        """For each task, when its callback had arrived first, in Unix seconds."""
        connection = http.client.HTTPConnection(HOST, self._control_port, timeout=ASK_TIMEOUT_S)
        try:
            connection.request("GET", "/arrivals")
            return msgspec.json.decode(connection.getresponse().read(), type=dict[str, float])
        finally:
            connection.close()

    def stop(self) -> None:
        """End it."""
        self._part.stop()
