"""Pieces of hostile programs, and looking for what they leave behind."""

from __future__ import annotations

import time
from pathlib import Path

CTYPES = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, *arguments):
    result = getattr(libc, name)(*arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def mark(word):
    libc.prctl(15, word.encode(), 0, 0, 0)
"""

REPORT = """
def report(name, act):
    try:
        print(name, "SUCCEEDED", act())
    except BaseException as error:
        print(name, type(error).__name__)
"""


def successes(stdout: bytes) -> list[str]:
    """Lines of ``report`` that say that an attempt succeeded."""
    return [line for line in stdout.decode(errors="replace").splitlines() if "SUCCEEDED" in line]


def marked_processes(mark: str) -> list[str]:
    """Processes on this machine that carry the mark as their name."""
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == mark:
                found.append(comm.parent.name)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def wait_until_gone(mark: str, seconds: float = 20.0) -> list[str]:
    """Marked processes that are still there when none could be, or time is up."""
    until = time.monotonic() + seconds
    while (found := marked_processes(mark)) and time.monotonic() < until:
        time.sleep(0.02)
    return found
