"""Memory and CPU time of a program and all its processes."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

EVERY = 0.1
"""Seconds between two looks: shorter peaks can be missed."""

_LINE = re.compile(rb"^(Pss|Pss_File):\s+(\d+) kB", re.MULTILINE)


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
    own = files = 0
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=printed, stderr=subprocess.STDOUT
        )
        try:
            while process.poll() is None:
                now = _tree(process.pid)
                own, files = max(own, now.own), max(files, now.files)
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
    return Memory(own, files)


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


def _tree(pid: int) -> Memory:
    """What a process and its descendants use now; those that end meanwhile count nothing."""
    own = files = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            used = _process(process)
            own, files = own + used.own, files + used.files
    except psutil.NoSuchProcess:
        pass
    return Memory(own, files)


def _process(process: psutil.Process) -> Memory:
    try:
        found = _LINE.findall(Path(f"/proc/{process.pid}/smaps_rollup").read_bytes())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        found = []
    fields = {name: int(kilobytes) * 1024 for name, kilobytes in found}
    if b"Pss" not in fields:
        try:
            return Memory(int(process.memory_info().rss) if sys.platform != "linux" else 0, 0)
        except psutil.NoSuchProcess:
            return Memory(0, 0)
    files = fields.get(b"Pss_File", 0)
    return Memory(fields[b"Pss"] - files, files)
