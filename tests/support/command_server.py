"""A program that runs `easel …` in forks of itself, with every command imported already.

Half a second of imports is most of what a command costs, and tests run hundreds. Each command here is still a process
of its own, with its own environment, arguments and streams: it runs `easel.__main__` and ends as any process does. What a
fork cannot show is the start of the interpreter.

`command_line` starts this program and sends requests over a socket: JSON, with three descriptors. The first two become the
command's output and errors; the third takes its process id and then its exit status, a line each.
"""

import atexit
import gc
import json
import os
import socket
import sys
import threading
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, Final

REQUEST_BYTES_MAX: Final = 1_000_000
OUTPUT, ERRORS = 1, 2
_COMMANDS_FOLDER: Final = "easel.commands"


def load_commands() -> None:
    """Import what the commands import. An import that starts a thread would be lost in a fork, and is refused."""
    package = import_module(_COMMANDS_FOLDER)
    folder = Path(package.__path__[0])
    for file in sorted(folder.rglob("[a-z]*.py")):
        import_module(".".join([_COMMANDS_FOLDER, *file.relative_to(folder).with_suffix("").parts]))
    import_module("easel.__main__")
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "an import started a thread"


def next_command(requests: socket.socket) -> dict[str, Any] | None:
    """Serve until nobody can send requests any more, and return None. Returns a request in the process that runs it."""
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
    """Start the command, and report its id and its status. Returns in the command's own process alone."""
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
        _exit(_run_command())


def _run_command() -> int:
    """The exit status of `easel`, as the interpreter would make it."""
    try:
        sys.modules["easel.__main__"].main(prog_name="easel")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)  # noqa: T201
    except BaseException:  # noqa: BLE001 - what nobody caught is shown, as by the interpreter
        traceback.print_exc()
    else:
        return 0
    return 1


def _exit(status: int) -> None:
    """End as the interpreter does, but without freeing every object, which would copy the shared memory."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
