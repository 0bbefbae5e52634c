"""Which level works on this machine: found by trying to break out of each.

A level that starts is not yet a level that holds (a kernel without Landlock, a container without
namespaces, a bwrap of another build), so the self-test runs real attempts and wants to see every
one of them fail.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from stages.synthesize.sandbox import LEVELS, Limits, Sandbox, SandboxError

_LIMITS = Limits(seconds=20.0, cpu_seconds=10, memory_bytes=256 << 20)
_SECRET = "tamis-sandbox-canary"

_ATTEMPTS = """
import ctypes, os, socket, sys
import glob, sched  # not loaded yet: the standard library must be there to be read
canary, = sys.stdin.read().splitlines()
libc = ctypes.CDLL(None, use_errno=True)

def reads(path):
    return open(path, "rb").read()

def system_call(number, *arguments):
    if libc.syscall(number, *arguments) == -1:
        raise OSError(ctypes.get_errno(), "refused")

def forks():
    if os.fork() == 0:
        os._exit(0)

def is_root():
    if os.getuid() and os.geteuid():
        raise PermissionError("an ordinary user")

def checked(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), "refused")

attempts = {
    "read a file of the host": lambda: reads(canary),
    "read /etc/passwd": lambda: reads("/etc/passwd"),
    "read an environment": lambda: reads("/proc/self/environ"),
    "list processes": lambda: os.listdir("/proc"),
    "write beside a file of the host": lambda: open(canary + ".out", "w"),
    "write to /": lambda: open("/tamis-escape", "w"),
    "write to /tmp": lambda: open("/tmp/tamis-escape", "w"),
    "write to /dev/shm": lambda: open("/dev/shm/tamis-escape", "w"),
    "open a socket": lambda: socket.socket(),
    "open a local socket": lambda: socket.socket(socket.AF_UNIX),
    "fork": forks,
    "keep memory in memfd": lambda: os.memfd_create("x"),
    "make a user namespace": lambda: checked("unshare", 0x10000000),
    "mount": lambda: checked("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "trace": lambda: checked("ptrace", 0, 0, 0, 0),
    "use io_uring": lambda: system_call(425, 1, 0),
    "be root": is_root,
    "become root": lambda: os.setresuid(0, 0, 0),
    "use more memory than allowed": lambda: bytearray(1 << 30),
    "execute": lambda: os.execv(sys.executable, ["x", "-c", "print('execute')"]),
}
for name, attempt in attempts.items():
    try:
        attempt()
    except (OSError, MemoryError):
        continue
    print(name, flush=True)
"""


def escapes(sandbox: Sandbox) -> list[str]:
    """What a program in the sandbox manages to do that it must not; empty when the walls hold.

    Raises SandboxError when the level cannot even start a program.
    """
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder, "canary")
        canary.write_text(_SECRET)
        canary.chmod(0o644)
        Path(folder).chmod(0o777)
        outcome = sandbox.run(_ATTEMPTS, f"{canary}\n".encode(), _LIMITS)
        written = sorted(path.name for path in Path(folder).iterdir() if path != canary)
    found = outcome.stdout.decode(errors="replace").splitlines()
    if outcome.status != "ok":
        detail = outcome.stderr.decode(errors="replace").strip().splitlines()[-1:]
        found.append(f"the attempts ended with {outcome.status} {detail}")
    endless = sandbox.run("while True: pass", limits=Limits(seconds=0.2))
    if endless.status != "timeout":
        found.append(f"an endless loop ended with {endless.status}")
    return found + [f"wrote {name}" for name in written]


def find_sandbox(weakest: str = "landlock") -> Sandbox:
    """The strongest level that holds here, no weaker than ``weakest``.

    ``limits`` has no walls to test and is used only where ``weakest`` names it. Raises SandboxError
    with what each level failed at, and the cure.
    """
    failures = []
    for level in LEVELS[: LEVELS.index(weakest) + 1]:
        if level == "limits":
            return Sandbox(level)
        sandbox = Sandbox(level)
        try:
            found = escapes(sandbox)
        except SandboxError as error:
            found = [str(error)]
        if not found:
            return sandbox
        sandbox.close()
        failures.append(f"  {level}: {'; '.join(found)}")
    raise SandboxError(
        "No sandbox works here, so no program was run:\n"
        + "\n".join(failures)
        + "\nInstall bubblewrap (the package `bubblewrap`) and allow user namespaces, or run where"
        " they are allowed. Code that is trusted can do without walls:"
        " `sandbox: {weakest: limits}`."
    )
