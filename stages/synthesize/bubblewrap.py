"""The first level's room, built by bubblewrap, and what of the machine both levels show."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from stages.synthesize.sandboxed.room import DEVICES

PACKAGE = Path(__file__).parent / "sandboxed"
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_CAPABILITIES = ("CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_KILL")
"""What the fork server needs to build each program's cell: namespaces, an unprivileged user, and
to kill it. Programs have none."""


@cache
def python() -> str:
    """The interpreter itself, not a virtual environment's link to it."""
    return os.path.realpath(sys.executable)


@cache
def shown_paths() -> tuple[str, ...]:
    """Files and folders that Python needs: interpreter, standard library, shared libraries."""
    config = sysconfig.get_config_vars()
    library = Path(str(config.get("LIBDIR")), str(config.get("INSTSONAME") or "none"))
    wanted = [
        python(),
        sysconfig.get_path("stdlib", vars={"base": sys.base_prefix}),
        sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix}),
        str(library),
        *_LIBRARIES,
    ]
    # A virtual environment's own paths lead to its base.
    return tuple(dict.fromkeys(path for path in wanted if Path(path).exists()))


def bubblewrap_command(package_at: str) -> list[str]:
    """The command that runs what follows it in a room of its own.

    Namespaces for everything, so no network; a read-only root with `shown_paths`, this package at
    ``package_at``, a few devices, no /proc and an empty environment. Raises FileNotFoundError where
    there is no ``bwrap``.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise FileNotFoundError("bubblewrap (bwrap) is not installed")
    command = [bwrap, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    command += [
        "--unshare-cgroup-try",
        "--hostname",
        "sandbox",
        "--new-session",
        "--as-pid-1",
        "--clearenv",
    ]
    if os.getuid() != 0:
        command += ["--unshare-user"]
    command += ["--cap-drop", "ALL"]
    for capability in _CAPABILITIES:
        command += ["--cap-add", capability]
    # Folders that bwrap makes on the way to a file are closed to the programs' user.
    for folder in _parents((*shown_paths(), *DEVICES)):
        command += ["--perms", "0755", "--dir", folder]
    for path in shown_paths():
        command += ["--ro-bind", path, path]
    for device in DEVICES:
        command += ["--dev-bind", device, device]
    command += ["--ro-bind", str(PACKAGE), package_at, "--dir", "/tmp", "--chdir", "/"]
    return [*command, "--remount-ro", "/", "--"]


def _parents(paths: Sequence[str]) -> list[str]:
    """All folders above the paths but the root, each before what is in it."""
    found = {str(folder) for path in paths for folder in Path(path).parents}
    return sorted(found - {"/"})


def python_command(arguments: Sequence[str], path: str) -> list[str]:
    """Python on the fork server, with nothing on its path but ``path`` and the standard library."""
    boot = f"import sys; sys.path.insert(0, {path!r}); "
    boot += "from stages.synthesize.sandboxed.fork_server import main; main()"
    return [python(), "-s", "-S", "-P", "-B", "-c", boot, *arguments]
