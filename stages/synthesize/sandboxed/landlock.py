"""Landlock: the kernel refuses files outside of the named folders, whatever is mounted.

Rights and ABI versions are those of the kernel's documentation (userspace-api/landlock).
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Sequence

from stages.synthesize.sandboxed import syscalls

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE = 1 << 14
_RIGHTS = ((1, 13), (2, 14), (3, 15), (5, 16))
"""From which ABI on how many rights on files exist."""
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_CONNECT_TCP_AND_BIND = 3
_SCOPES = 3


def restrict(readable: Sequence[str], writable: Sequence[str]) -> None:
    """Holds this process to reading beneath ``readable`` and everything beneath ``writable``.

    TCP is refused where the ABI knows it (4), signals and abstract sockets to the outside too (6).
    Raises OSError where the kernel has no Landlock.
    """
    version = syscalls.landlock_version()
    handled = (1 << max((n for abi, n in _RIGHTS if version >= abi), default=0)) - 1
    attributes = struct.pack("=Q", handled)
    if version >= 4:
        attributes += struct.pack("=Q", _CONNECT_TCP_AND_BIND)
    if version >= 6:
        attributes += struct.pack("=Q", _SCOPES)
    ruleset = syscalls.landlock_ruleset(attributes)
    for path in readable:
        _allow(ruleset, _EXECUTE | _READ_FILE | _READ_DIR, path)
    for path in writable:
        _allow(ruleset, handled, path)
    syscalls.landlock_restrict(ruleset)
    os.close(ruleset)


def _allow(ruleset: int, access: int, path: str) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        access &= _OF_FILES
    syscalls.landlock_allow(ruleset, access, descriptor)
    os.close(descriptor)
