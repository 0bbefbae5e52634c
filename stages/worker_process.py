"""The start of a child process that hostile input may hang, crash or fill."""

from __future__ import annotations

import os
import resource
import signal

OUT_OF_MEMORY = 77
"""Exit status after a MemoryError."""


def private_output() -> int:
    """Standard output for the answers alone, as a new descriptor: whatever a library prints goes to
    standard error. The kernel's timers end the process, which leaves no core; Ctrl-C does not."""
    output = os.dup(1)
    os.dup2(2, 1)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the parent's, which closes the pipe
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return output


def limit_time(cpu_seconds: float, real_seconds: float) -> None:
    """Lets the kernel end the process after so much CPU or real time from now; 0 lifts both."""
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    signal.setitimer(signal.ITIMER_REAL, real_seconds)
