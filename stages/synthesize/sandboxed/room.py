"""The second level's room: what bubblewrap would build, built with the system calls themselves.

New namespaces, a root of its own that shows only what Python needs, no network, no /proc. Landlock
is laid over every program later (`walls.py`), so a fault in either leaves the other.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from stages.synthesize.sandboxed import syscalls
from stages.synthesize.sandboxed.syscalls import (
    MS_BIND,
    MS_NODEV,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
)

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
"""All that a program sees of /dev: no /dev/shm, which has no limit of size, and no terminals."""

_ROOM = Path("/mnt")
_NAMESPACES = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWNET
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWCGROUP
    | syscalls.CLONE_NEWPID
)


def enter_room(paths: Sequence[str]) -> None:
    """Goes on in a child, in namespaces and a root where only ``paths`` and devices exist. This
    process waits for the child and ends with it.

    Raises OSError where the kernel does not permit it (an ordinary user needs user namespaces).
    """
    user, group = os.getuid(), os.getgid()
    if user == 0:
        syscalls.unshare(_NAMESPACES)
    else:
        syscalls.unshare(_NAMESPACES | syscalls.CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    child = os.fork()  # a PID namespace begins with the next child
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    syscalls.mount("none", "/", None, MS_REC | MS_PRIVATE)
    # /mnt is covered in this namespace only. The room is laid out there, then becomes "/".
    syscalls.mount("tmpfs", str(_ROOM), "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    os.umask(0o022)
    for path in (*paths, *DEVICES):
        _show(Path(path))
    (_ROOM / "tmp").mkdir(exist_ok=True)
    syscalls.change_root(str(_ROOM))
    syscalls.mount("none", "/", None, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)


def _show(path: Path) -> None:
    """Binds a file or folder to the same place in the room."""
    there = _ROOM.joinpath(*path.parts[1:])
    if path.is_dir():
        there.mkdir(parents=True, exist_ok=True)
    else:
        there.parent.mkdir(parents=True, exist_ok=True)
        there.touch()
    syscalls.mount(str(path), str(there), None, MS_BIND | MS_REC)
