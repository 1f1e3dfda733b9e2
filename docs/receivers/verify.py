"""Verifies callbacks from Easel. Needs only Python's standard library (3.9 or later).

Copy this file into your project, or run it to see callbacks arrive:

    EASEL_CALLBACK_SECRET=whsec_… python3 verify.py 8080

It answers plain HTTP on 127.0.0.1. Put your domain's TLS proxy in front of it.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_S = 300  # the sender's clock and yours may differ by this much; an older message may be a replay
BODY_BYTES_MAX = 1_000_000


class Rejected(Exception):
    """The request is not a valid callback for you, or too old. Answer 400 and do nothing."""


def verify(secret, headers, body, now_s=None):
    """Return the webhook-id of a callback, or raise Rejected.

    secret: the text that begins with `whsec_`. headers: anything with `.get(name)`, called with lower-case names.
    body: the received bytes, unparsed.
    """
    message_id = headers.get("webhook-id") or ""
    timestamp = headers.get("webhook-timestamp") or ""
    signatures = headers.get("webhook-signature") or ""
    if not (message_id and timestamp and signatures):
        raise Rejected("a webhook header is missing")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise Rejected("webhook-timestamp is not a whole number")
    now_s = time.time() if now_s is None else now_s
    if abs(now_s - int(timestamp)) > TOLERANCE_S:
        raise Rejected("webhook-timestamp is too far from the current time")

    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = message_id.encode() + b"." + timestamp.encode() + b"." + body
    expected = hmac.new(key, signed, hashlib.sha256).digest()
    # While a secret is being replaced, there are two signatures. One that matches is enough.
    for each in signatures.split(" "):
        version, _, text = each.partition(",")
        if version == "v1" and hmac.compare_digest(expected, _decoded(text)):
            return message_id
    raise Rejected("no signature matches")


def _decoded(text):
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


SEEN = set()  # in your service: a unique column of a table, kept for some days


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to a verified callback, 400 to anything else."""

    timeout = 10
    secret = ""

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            return self.answer(400)
        body = self.rfile.read(int(length))
        try:
            message_id = verify(self.secret, self.headers, body)
        except Rejected as reason:
            print("rejected:", reason, flush=True)
            return self.answer(400)
        if message_id not in SEEN:  # an id arrives again after a lost answer or a redelivery
            SEEN.add(message_id)
            task = json.loads(body)
            print(task["id"], task["status"], flush=True)  # in your service: queue it, and process it later
        return self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()


if __name__ == "__main__":
    Receiver.secret = os.environ["EASEL_CALLBACK_SECRET"]
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print(f"listening at http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
