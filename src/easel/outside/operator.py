"""Who runs this process, for the audit log: the system's user and the host."""

import os
import pwd
import socket


def operator_name() -> str:
    """Such as `alice@studio`. A user without a name, as containers have, is called by its number."""
    user_id = os.geteuid()
    try:
        user = pwd.getpwuid(user_id).pw_name
    except KeyError:
        user = str(user_id)
    return f"{user}@{socket.gethostname() or 'localhost'}"[:200]
