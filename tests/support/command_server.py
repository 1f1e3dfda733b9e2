"""A program that runs `easel …` in forks of itself, with every command already imported.

Imports take half a second, which is most of what a command costs, and tests run hundreds of commands. Each command is
still a process of its own, with its own environment, arguments and streams. Only the start of the interpreter is left
out.

`command_line` starts this program and sends requests over a socket: JSON with three descriptors. The first two become
the command's standard output and standard error. The third receives its process id and then its exit status, a line
each.
"""

import gc
import json
import os
import socket
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from easel.runtime import forked

REQUEST_BYTES_MAX: Final = 1_000_000
OUTPUT, ERRORS = 1, 2
_COMMANDS_FOLDER: Final = "easel.commands"


def load_commands() -> None:
    """Import what the commands import. Fails if an import starts a thread, which a fork would lose."""
    package = import_module(_COMMANDS_FOLDER)
    folder = Path(package.__path__[0])
    for file in sorted(folder.rglob("[a-z]*.py")):
        import_module(".".join([_COMMANDS_FOLDER, *file.relative_to(folder).with_suffix("").parts]))
    import_module("easel.__main__")
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "an import started a thread"


def next_command(requests: socket.socket) -> dict[str, Any] | None:
    """Serve until the other end closes, and return None. In a forked process, return the request that it has to run."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES_MAX, 3)
        if not message:
            return None
        keeper = os.fork()
        if keeper == 0:
            requests.close()
            _keep(descriptors)
            return json.loads(message)  # type: ignore[no-any-return]
        os.waitpid(keeper, 0)
        for descriptor in descriptors:
            os.close(descriptor)


def _keep(descriptors: list[int]) -> None:
    """Fork the command, and report its id and its status. Returns only in the command's own process."""
    if os.fork():  # the server need not wait
        os._exit(0)
    output, errors, report = descriptors
    command = os.fork()
    if command:
        os.write(report, f"{command}\n".encode())
        _, status = os.waitpid(command, 0)
        os.write(report, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    os.dup2(output, OUTPUT)
    os.dup2(errors, ERRORS)
    for descriptor in descriptors:
        os.close(descriptor)


def become(request: dict[str, Any]) -> None:
    """Take on the command's environment, folder and arguments."""
    os.environ.clear()  # noqa: TID251 - the command gets its own
    os.environ.update(request["environment"])  # noqa: TID251
    time.tzset()
    os.chdir(request["folder"])
    sys.argv = [str(sys.modules["easel.__main__"].__file__), *request["arguments"]]


def main() -> None:
    """Serve on the inherited socket that the first argument names."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    load_commands()
    # The collector would write to every object, and so copy the memory that forks share.
    gc.freeze()
    request = next_command(requests)
    if request is not None:
        become(request)
        forked.run_and_exit(lambda: sys.modules["easel.__main__"].main(prog_name="easel"))


if __name__ == "__main__":
    main()
