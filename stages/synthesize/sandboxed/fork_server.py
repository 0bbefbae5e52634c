"""The fork server: a warm Python inside the sandbox that starts each program in its own cell.

Starting bubblewrap and Python anew for every program would cost several times as much as a fork of
this process (docs/sandbox.md). Every program gets a PID namespace, limits, and a system call filter
of its own (`walls.py`), is PID 1 there (when it ends the kernel ends all it started), and inherits
nothing but its three pipes. This process runs no code of others.

Spoken over a Unix socket: a frame with the request and, with it, the program's three descriptors;
then one frame with how it ended. ``{"kill": true}`` in between ends the program; the end of the
socket ends everything.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback

from stages.synthesize.sandboxed import frames, programs, syscalls
from stages.synthesize.sandboxed.room import enter_room
from stages.synthesize.sandboxed.values import Json
from stages.synthesize.sandboxed.walls import Limits, Walls, put_up

WARM = """
 array base64 bisect calendar cmath collections copy csv dataclasses datetime decimal difflib enum
 fractions functools hashlib heapq itertools json math numbers operator random re statistics string
 struct textwrap time traceback types typing unicodedata
"""
"""Modules that programs often import: loaded once, before the first fork."""

_RUN = {
    "program": programs.run_program,
    "candidate": programs.serve_candidate,
    "checker": programs.run_checker,
}
_NO_WALLS = 125
"""Exit status of a process whose walls could not be put up. It has run nothing."""


def main() -> None:
    """Serves until the socket ends. The only argument is a JSON object of settings: ``level``,
    ``paths``, ``user``, ``control`` (a descriptor)."""
    settings = json.loads(sys.argv[1])
    control = socket.socket(fileno=settings["control"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it closes the socket
    for name in WARM.split():
        importlib.import_module(name)
    try:
        if settings["level"] == "landlock":
            enter_room(settings["paths"])
        if settings["level"] != "limits":
            syscalls.end_with_parent()
    except OSError as error:
        control.sendall(frames.pack({"refused": str(error)}))
        return
    # Programs see the standard library, not this package.
    sys.path[:] = [path for path in sys.path if path.startswith(sys.base_prefix)]
    sys.argv[:] = [""]
    gc.collect()
    gc.freeze()
    server = _Server(
        control, Walls.of_level(settings["level"], settings["paths"]), settings["user"]
    )
    control.sendall(frames.pack({"ready": True}))
    while server.serve_one():
        pass


class _Server:
    def __init__(self, control: socket.socket, walls: Walls, user: int | None) -> None:
        self.control = control
        self.walls = walls
        self.user = user
        self.own = os.pidfd_open(os.getpid())

    def serve_one(self) -> bool:
        """Runs one program to its end; False when the socket has ended."""
        received = _receive(self.control)
        if received is None:
            return False
        request, descriptors = received
        if "kill" in request:  # came too late: that program had ended
            return True
        started = time.monotonic()
        trouble, trouble_end = os.pipe()
        child = self._fork(request, descriptors, trouble_end)
        for descriptor in (*descriptors, trouble_end):
            os.close(descriptor)
        handle = os.pidfd_open(child)
        timed_out, on = self._wait(handle, started + request["limits"]["seconds"])
        self._end(child)
        _, status, usage = os.wait4(child, 0)
        os.close(handle)
        with os.fdopen(trouble, "rb") as stream:
            message = stream.read().decode(errors="replace")
        code = os.waitstatus_to_exitcode(status)
        cpu = usage.ru_utime + usage.ru_stime
        ended: dict[str, Json] = {
            "code": code,
            "timed_out": timed_out or (code == -signal.SIGKILL and cpu >= _cpu_limit(request)),
            "seconds": time.monotonic() - started,
            "cpu_seconds": cpu,
        }
        if message:
            ended["refused"] = message
        self.control.sendall(frames.pack(ended))
        return on

    def _fork(self, request: dict[str, Json], descriptors: list[int], trouble: int) -> int:
        if self.walls.namespaces:
            syscalls.children_in_own_pid_namespace(self.own)
            syscalls.unshare(syscalls.CLONE_NEWPID)
        child = os.fork()
        if child:
            return child
        status = _NO_WALLS
        try:
            for place, descriptor in enumerate((*descriptors, trouble)):
                os.dup2(descriptor, place)
            os.closerange(4, 65536)
            status = _confined(request, self.walls, self.user)
        finally:
            os._exit(status)

    def _wait(self, child: int, deadline: float) -> tuple[bool, bool]:
        """Waits for the program's end, the deadline, or word from outside; returns whether it ran
        out of time and whether the socket is still there."""
        poll = select.poll()
        poll.register(child, select.POLLIN)
        poll.register(self.control, select.POLLIN)
        left = max(0.0, deadline - time.monotonic())
        ready = {descriptor for descriptor, _ in poll.poll(left * 1000)}
        if not ready:
            return True, True
        if child in ready:
            return False, True
        return False, _receive(self.control) is not None

    def _end(self, child: int) -> None:
        """Kills the program and all it has started. As PID 1 of its namespace it takes all with
        it; without one its session is as near as a kill can come."""
        if not self.walls.namespaces:
            for _ in range(3):
                try:
                    os.killpg(child, signal.SIGKILL)
                except ProcessLookupError:
                    break
        os.kill(child, signal.SIGKILL)


def _confined(request: dict[str, Json], walls: Walls, user: int | None) -> int:
    """Puts up the walls, runs the program, and returns its exit status. Descriptor 3 tells the
    server what went wrong before the program's first line."""
    try:
        put_up(walls, Limits(**request["limits"]), user)
    except BaseException as error:
        os.write(3, f"{type(error).__name__}: {error}".encode())
        return _NO_WALLS
    os.close(3)
    sys.stdin = os.fdopen(0, "r", closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    try:
        status = _RUN[request["kind"]](request)
        sys.stdout.flush()
    except MemoryError:
        return programs.OUT_OF_MEMORY
    except BaseException:
        traceback.print_exc()
        return 1
    return status


def _cpu_limit(request: dict[str, Json]) -> float:
    """Half of the limit: the kernel kills by its own, coarser count, and nobody else but the
    kernel kills unasked (short of memory, it says so nowhere)."""
    return float(request["limits"]["cpu_seconds"]) / 2


def _receive(control: socket.socket) -> tuple[dict[str, Json], list[int]] | None:
    """The next frame and the descriptors that came with its first byte; None at the end."""
    head, descriptors, _, _ = socket.recv_fds(control, frames.LENGTH.size, 4)
    while 0 < len(head) < frames.LENGTH.size:
        piece = control.recv(frames.LENGTH.size - len(head))
        if not piece:
            return None
        head += piece
    if not head:
        return None
    left = frames.LENGTH.unpack(head)[0]
    body = b""
    while len(body) < left:
        piece = control.recv(left - len(body))
        if not piece:
            return None
        body += piece
    return json.loads(body), list(descriptors)
