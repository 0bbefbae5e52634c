"""The compact trainer as a child process: how it is started, ended, and what it said."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.task import Json

_LAST_LINES = 20
_PATIENCE = 60.0
"""Seconds that an interrupted trainer has to finish its step and write its checkpoint."""
_PR_SET_PDEATHSIG = 1
_ALLOCATION = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
}
"""Keeps glibc from giving every large tensor back to the kernel: a step on a CPU takes 0.20 s
instead of 0.27."""


def trainer_options(config: Mapping[str, Json]) -> list[str]:
    """The config as options of ``python -m trainer``; what is null is left out."""
    return [
        f"--{name.replace('_', '-')}={value}"
        for name, value in sorted(config.items())
        if value is not None
    ]


def run_trainer(arguments: Sequence[str], log: Path, inherited: Sequence[int] = ()) -> None:
    """Runs ``python -m <arguments>`` with its output in ``log``; the child holds the file
    descriptors ``inherited`` as long as it lives. When this process is interrupted, the trainer is
    asked to end and given time to write its checkpoint.

    Raises RuntimeError with the trainer's last lines when it fails.
    """
    paths = os.pathsep.join(path or os.curdir for path in sys.path)
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_ALLOCATION, "PYTHONPATH": paths},
            preexec_fn=_end_with_parent,
            pass_fds=list(inherited),
        )
        try:
            returncode = process.wait()
        except BaseException:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    if returncode != 0:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
        raise RuntimeError(
            f"the trainer ended with exit code {returncode}. Building again goes on from its last"
            f" checkpoint, if it had one. Its last lines:\n{last}"
        )


def _end_with_parent() -> None:
    """Asks Linux to terminate the trainer when its parent dies, however it dies: a trainer that
    outlived its task would share its folder with the one that goes on."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
