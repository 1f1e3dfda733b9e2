"""The name of the operator who runs this process, for the audit log."""

import os
import pwd
import socket


def operator_name() -> str:
    """User and host, such as `alice@studio`. If the user has no name, as in many containers, its id is used."""
    user_id = os.geteuid()
    try:
        user = pwd.getpwuid(user_id).pw_name
    except KeyError:
        user = str(user_id)
    return f"{user}@{socket.gethostname() or 'localhost'}"[:200]
