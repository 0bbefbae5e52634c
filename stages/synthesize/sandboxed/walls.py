"""The walls around one program: put up in its own process, before its first line is read.

In this order, since each step takes away what the ones before it need: mounts, limits, identity,
capabilities, Landlock, system calls.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass

from stages.synthesize.sandboxed import landlock, syscalls
from stages.synthesize.sandboxed.room import DEVICES
from stages.synthesize.sandboxed.seccomp import build_filter

_OPEN_FILES = 64
_STACK_BYTES = 8 << 20
_INODE_BYTES = 4096
"""A temporary folder holds one file for every so many bytes of its size."""


@dataclass(frozen=True)
class Limits:
    """What one program may use.

    ``seconds`` is real time for all it does, ``cpu_seconds`` CPU time of its process,
    ``memory_bytes`` its address space, ``output_bytes`` what it may write to standard output and
    error together, ``tmp_bytes`` the size of its /tmp (0: there is none, nothing can be written),
    ``processes`` how many processes and threads there may be with it (1: no others).
    """

    seconds: float = 5.0
    cpu_seconds: int = 5
    memory_bytes: int = 512 << 20
    output_bytes: int = 1 << 20
    tmp_bytes: int = 0
    processes: int = 1


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Walls:
    """How strong a level's walls are.

    ``namespaces``: the program has a PID namespace of its own, and a mount namespace where it has
    a /tmp. ``landlock``: it is held to reading ``paths``. ``filter``: seccomp is on.
    """

    namespaces: bool
    landlock: bool
    filter: bool
    paths: tuple[str, ...]

    @staticmethod
    def of_level(level: str, paths: Sequence[str]) -> Walls:
        """The walls of a level that `stages.synthesize.sandbox.LEVELS` names."""
        isolated = level in ("bubblewrap", "landlock")
        return Walls(isolated, level == "landlock", isolated, tuple(paths))


def put_up(walls: Walls, limits: Limits, user: int | None) -> None:
    """Confines this process for good. ``user`` is the unprivileged user that it becomes, when it
    may choose. Raises OSError when any wall cannot be put up: nothing may run then."""
    os.setsid()
    has_tmp = walls.namespaces and limits.tmp_bytes > 0
    if has_tmp:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        _mount_tmp(limits.tmp_bytes)
    os.chdir("/tmp" if has_tmp else "/")
    os.umask(0o077)
    _set_limits(limits)
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    if walls.namespaces:
        syscalls.drop_capabilities()
    if walls.landlock:
        landlock.restrict(walls.paths, [*DEVICES, *(["/tmp"] if has_tmp else [])])
    if walls.filter:
        syscalls.install_filter(build_filter())


def _mount_tmp(size: int) -> None:
    options = f"size={size},nr_inodes={max(16, size // _INODE_BYTES)},mode=1777"
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("tmpfs", "/tmp", "tmpfs", flags, options)


def _set_limits(limits: Limits) -> None:
    for kind, most in (
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, max(limits.tmp_bytes, limits.output_bytes)),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_STACK, _STACK_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))
