"""System calls that Python 3.11 has no function for, through libc."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
from typing import Any

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
_MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63

_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION = 1
_LANDLOCK_PATH_BENEATH = 1

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _call(name: str, *arguments: Any) -> int:
    """libc's function; raises OSError where it returns -1."""
    assert _libc is not None, "the sandbox needs Linux"
    result: int = getattr(_libc, name)(*arguments)
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def _syscall(number: int, *arguments: Any) -> int:
    return _call("syscall", ctypes.c_long(number), *arguments)


def unshare(flags: int) -> None:
    """Leaves the namespaces in ``flags`` for new ones."""
    _call("unshare", ctypes.c_int(flags))


def children_in_own_pid_namespace(self_pidfd: int) -> None:
    """The next child starts in this process's own PID namespace again."""
    _call("setns", ctypes.c_int(self_pidfd), ctypes.c_int(CLONE_NEWPID))


def end_with_parent() -> None:
    """This process is killed when its parent ends."""
    _call("prctl", _PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """mount(2)."""
    _call(
        "mount",
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        data.encode() if data else None,
    )


def change_root(folder: str) -> None:
    """Makes ``folder``, a mount point, the root of the mount namespace, and forgets the old one."""
    os.chdir(folder)
    _syscall(_PIVOT_ROOT[os.uname().machine], b".", b".")
    _call("umount2", b".", ctypes.c_int(_MNT_DETACH))
    os.chdir("/")


def drop_capabilities() -> None:
    """Gives up every capability for good, and all that executing a file could bring back."""
    for capability in range(_LAST_CAPABILITY + 1):
        try:
            _call("prctl", _PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)
        except OSError:  # past the kernel's last one (EINVAL), or none to drop any more (EPERM)
            break
    _call("prctl", _PR_CAP_AMBIENT, ctypes.c_ulong(_PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    header = struct.pack("=II", _CAPABILITY_VERSION_3, 0)
    _call("capset", header, struct.pack("=6I", 0, 0, 0, 0, 0, 0))
    _call("prctl", _PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0)
    _call("prctl", _PR_SET_DUMPABLE, ctypes.c_ulong(0), 0, 0, 0)


def install_filter(program: bytes) -> None:
    """Installs a seccomp filter: BPF instructions of 8 bytes each."""
    instructions = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))

    loaded = Program(len(program) // 8, ctypes.addressof(instructions))
    _call("prctl", _PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.byref(loaded))


def landlock_version() -> int:
    """The kernel's Landlock ABI, 0 when it has none."""
    try:
        return _syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    except OSError:
        return 0


def landlock_ruleset(attributes: bytes) -> int:
    """A descriptor of a new rule set."""
    return _syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)


def landlock_allow(ruleset: int, access: int, descriptor: int) -> None:
    """Allows ``access`` beneath the file or folder that ``descriptor`` has open."""
    rule = struct.pack("=Qi", access, descriptor)
    _syscall(_LANDLOCK_ADD, ruleset, _LANDLOCK_PATH_BENEATH, rule, 0)


def landlock_restrict(ruleset: int) -> None:
    """Holds this process and its children to the rules, for good. Needs no_new_privs."""
    _syscall(_LANDLOCK_RESTRICT, ruleset, 0)
