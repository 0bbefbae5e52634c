"""Memory and CPU time of a program and all its processes."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

EVERY = 0.1
"""Seconds between two looks: shorter peaks can be missed."""
GROWN = 1.1
"""How much more than at the last close look there must be for another: it costs 6 ms a process, in
which a program that keeps all cores busy would be slowed."""

_SHARED = re.compile(rb"^(Pss|Pss_File):\s+(\d+) kB", re.MULTILINE)
_RESIDENT = re.compile(rb"^(RssAnon|RssFile|RssShmem):\s+(\d+) kB", re.MULTILINE)


class Memory(NamedTuple):
    """Bytes in use by a tree of processes, a page that k of them share counted 1/k in each (PSS).

    ``own``: memory that the processes have written (heap, shared memory). ``files``: pages of files
    that they map, which the system may drop and read again. The two peaks need not be at one time.
    """

    own: int
    files: int


def run_measured(command: Sequence[str]) -> Memory:
    """Runs Python with these arguments, beside this process; the peak of its memory.

    What it prints is shown only when it fails, as SystemExit. Without Linux's ``/proc`` the
    resident set is taken as ``own``.
    """
    peak = _Peak()
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=printed, stderr=subprocess.STDOUT
        )
        try:
            while process.poll() is None:
                peak.look(process.pid)
                time.sleep(EVERY)
        finally:
            process.terminate()
            process.wait()
        if process.returncode:
            printed.seek(0)
            raise SystemExit(
                f"{printed.read().decode(errors='replace')}\n"
                f"{' '.join(command)} failed with status {process.returncode}."
            )
    return peak.memory


def cpu_seconds() -> float:
    """CPU time so far of this process and its descendants, ended ones included. Unlike the wall
    time it does not grow when other programs keep the cores busy."""
    used = 0.0
    current = psutil.Process()
    for process in (current, *current.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used += times.user + times.system + times.children_user + times.children_system
    return used


class _Peak:
    """The most memory of a tree of processes so far. What each has resident, shared pages counted
    in full, is cheap to ask; what share of that is PSS is asked where it has grown."""

    def __init__(self) -> None:
        self.memory = Memory(0, 0)
        self.asked = Memory(0, 0)  # resident at the last close look
        self.shares = 1.0, 1.0

    def look(self, pid: int) -> None:
        """Looks at a process and its descendants; those that end meanwhile count nothing."""
        try:
            root = psutil.Process(pid)
            processes = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        resident = _added(map(_resident, processes))
        if any(now > GROWN * then for now, then in zip(resident, self.asked, strict=True)):
            shared = _added(map(_shared, processes))
            if any(shared):
                resident = _added(map(_resident, processes))
                own, files = (a / max(1, b) for a, b in zip(shared, resident, strict=True))
                self.shares = min(own, 1.0), min(files, 1.0)
            self.asked = resident
        now = (int(a * b) for a, b in zip(resident, self.shares, strict=True))
        self.memory = Memory(*map(max, self.memory, now))


def _added(memories: Iterable[Memory]) -> Memory:
    own = files = 0
    for memory in memories:
        own, files = own + memory.own, files + memory.files
    return Memory(own, files)


def _resident(process: psutil.Process) -> Memory:
    """What a process has in memory, pages that it shares included."""
    fields = _fields(process, "status", _RESIDENT)
    if fields:
        return Memory(fields[b"RssAnon"] + fields[b"RssShmem"], fields[b"RssFile"])
    try:
        return Memory(int(process.memory_info().rss) if sys.platform != "linux" else 0, 0)
    except psutil.NoSuchProcess:
        return Memory(0, 0)


def _shared(process: psutil.Process) -> Memory:
    """The same as PSS; nothing where the system does not tell."""
    fields = _fields(process, "smaps_rollup", _SHARED)
    if b"Pss" not in fields:
        return Memory(0, 0)
    files = fields.get(b"Pss_File", 0)
    return Memory(fields[b"Pss"] - files, files)


def _fields(process: psutil.Process, name: str, line: re.Pattern[bytes]) -> dict[bytes, int]:
    """Bytes by name in a file of ``/proc``; empty when the process or the file is not there."""
    try:
        found = line.findall(Path(f"/proc/{process.pid}/{name}").read_bytes())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return {}
    return {field: int(kilobytes) * 1024 for field, kilobytes in found}
