"""A sandbox for hostile Python programs: what is outside of it. docs/sandbox.md has the threats.

A program runs in a cell inside of a room. The room (namespaces, no network, a read-only root with
nothing but Python) is built once, by bubblewrap (level ``bubblewrap``) or with the system calls
themselves and Landlock (level ``landlock``). In it a fork server (`sandboxed/fork_server.py`) puts
every program into a cell of its own. Programs can be hostile to the cell; nothing that decides
anything runs in there.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from stages.closing import Closing
from stages.synthesize.running import ForkServer, Outcome, Running, SandboxError
from stages.synthesize.sandboxed.values import Json
from stages.synthesize.sandboxed.walls import DEFAULT_LIMITS, Limits

__all__ = [
    "DEFAULT_LIMITS",
    "LEVELS",
    "Limits",
    "Outcome",
    "Running",
    "Sandbox",
    "SandboxError",
]

LEVELS = ("bubblewrap", "landlock", "limits")
"""From strong to weak. ``limits``, resource limits and nothing else, is for trusted code."""


class Sandbox(Closing):
    """Starts programs at one level. May be used by several threads; close it, or use ``with``."""

    def __init__(self, level: str = "bubblewrap") -> None:
        if level not in LEVELS:
            raise ValueError(f"level {level!r}: choose one of {', '.join(LEVELS)}")
        self.level = level
        self._idle: dict[int, list[ForkServer]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Ends the fork servers that are idle; those in use end with what uses them."""
        with self._lock:
            idle = [server for servers in self._idle.values() for server in servers]
            self._idle.clear()
        for server in idle:
            server.close()

    def run(
        self,
        program: str,
        stdin: bytes = b"",
        limits: Limits = DEFAULT_LIMITS,
        hash_seed: int = 0,
    ) -> Outcome:
        """Runs Python source as a main module, to its end.

        ``hash_seed`` fixes the order of sets. Raises SandboxError when the sandbox is broken.
        """
        with self.running("program", {"source": program}, limits, hash_seed) as running:
            running.feed(stdin)
            running.end_input()
            return running.finish()

    @contextlib.contextmanager
    def running(
        self, kind: str, request: dict[str, Json], limits: Limits, hash_seed: int = 0
    ) -> Iterator[Running]:
        """A program that runs meanwhile: ``kind`` is one of `sandboxed.programs`' three. It is
        killed at the end of the block, if it still runs."""
        with self._lock:
            servers = self._idle.setdefault(hash_seed, [])
            server = servers.pop() if servers else None
        server = server or ForkServer(self.level, hash_seed)
        try:
            running = server.start({"kind": kind, **request}, limits)
            yield running
            running.kill()
            running.finish()
        except BaseException:
            server.close()
            raise
        with self._lock:
            self._idle.setdefault(hash_seed, []).append(server)
