"""The time from the start of a service to the first order that it accepts."""

import http.client
import json
import time
from typing import Final

from bench.contender import HOST, Contender

START_TIMEOUT_S: Final = 60.0
ASK_EVERY_S: Final = 0.005
_ORDER: Final = json.dumps({"model": "z-image-turbo", "prompt": "a cute cat", "size": "376x376"})


class NeverAccepted(Exception):
    """It did not accept an order in time."""


def first_accepted_s(contender: Contender) -> float:
    """Start it; the time until an order is accepted. It goes on running."""
    began_s = time.perf_counter()
    contender.start()
    while not _accepts_order(contender):
        if time.perf_counter() - began_s > START_TIMEOUT_S:
            raise NeverAccepted(f"{contender.name} accepted no order within {START_TIMEOUT_S:g} seconds.")
        time.sleep(ASK_EVERY_S)
    return time.perf_counter() - began_s


def _accepts_order(contender: Contender) -> bool:
    key = contender.first_key()
    if key is None:
        return False
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    connection = http.client.HTTPConnection(HOST, contender.port, timeout=START_TIMEOUT_S)
    try:
        connection.request("POST", "/v1/images/generations", _ORDER, headers)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
