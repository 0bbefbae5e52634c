"""Programs that try to break out, to stay, to fill the machine, or to read what is not theirs.

Every attack runs on both levels. That an attempt would be noticed is shown by `test_sandbox.py`:
without walls the same attempts succeed.
"""

from __future__ import annotations

import os
import signal
import textwrap
from pathlib import Path

import pytest

from stages.synthesize.sandbox import Limits, Sandbox
from tests.stages.synthesize.dangerous_calls import CALLS, DANGEROUS, FOREIGN
from tests.stages.synthesize.hostile import CTYPES, REPORT, marked_processes, successes

MACHINE = os.uname().machine
PATIENT = Limits(seconds=20.0, cpu_seconds=10)


def program(*parts: str) -> str:
    return "\n".join(textwrap.dedent(part) for part in parts)


@pytest.mark.parametrize(
    "attack",
    [
        "while True: pass",
        "import time; time.sleep(600)",
        """
        import signal
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True: signal.pause()
        """,
        """
        while True:
            try: raise SystemExit
            except BaseException: pass
        """,
        "import os; os.read(0, 1)",
    ],
    ids=["loop", "sleep", "ignored-signals", "swallowed-exceptions", "waits-for-input"],
)
def test_what_does_not_end_is_ended(sandbox: Sandbox, attack: str) -> None:
    limits = Limits(seconds=0.3)
    with sandbox.running("program", {"source": program(attack)}, limits) as running:
        assert running.finish().status == "timeout"


def test_cpu_time_is_limited_by_itself(sandbox: Sandbox) -> None:
    outcome = sandbox.run("while True: pass", limits=Limits(seconds=60, cpu_seconds=1))
    assert outcome.status == "timeout"
    assert outcome.cpu_seconds < 2


@pytest.mark.parametrize(
    ("processes", "attack"),
    [
        (1, "while True: os.fork()"),
        (16, "while True:\n try: os.fork()\n except OSError: pass"),
        (8, "if os.fork(): os._exit(0)\nif os.fork(): os._exit(0)\nwhile True: pass"),
    ],
    ids=["bomb-alone", "bomb", "double-fork-daemon"],
)
def test_nothing_is_left_running(sandbox: Sandbox, processes: int, attack: str) -> None:
    mark = f"t{os.getpid()}-{processes}"
    source = program(CTYPES, f"mark({mark!r})", attack)
    sandbox.run(source, limits=Limits(seconds=0.3, processes=processes))
    assert marked_processes(mark) == []
    assert sandbox.run("print('well')").stdout == b"well\n"


def test_a_marked_process_would_be_seen(sandbox: Sandbox) -> None:
    mark = f"t{os.getpid()}-seen"
    source = program(CTYPES, f"mark({mark!r})", "print('up', flush=True)", "os.read(0, 1)")
    with sandbox.running("program", {"source": source}, PATIENT) as running:
        while b"up" not in running.stdout:
            running.wait()
        assert len(marked_processes(mark)) == 1
    assert marked_processes(mark) == []


@pytest.mark.parametrize(
    ("attack", "statuses"),
    [
        ("x = bytearray(10 << 30)", {"memory"}),
        ("import array; x = array.array('d', [0.0]) * (10 << 27)", {"memory"}),
        ("x = []\nwhile True: x.append('y' * 1_000_000 + str(len(x)))", {"memory", "timeout"}),
        ("x = 10 ** 10 ** 8", {"timeout", "memory"}),
        ("import sys; sys.set_int_max_str_digits(0); str(1 << 10_000_000)", {"timeout", "memory"}),
        ("compile('(' * 1_000_000, 'x', 'exec')", {"failed", "killed", "memory"}),
        ("eval('-' * 1_000_000 + '1')", {"failed", "killed", "memory"}),
        (
            "import sys; sys.setrecursionlimit(1 << 30)\ndef f(): f()\nf()",
            {"killed", "memory", "timeout"},
        ),
        ("import ctypes; ctypes.string_at(0)", {"killed"}),
        ("import os; os.abort()", {"killed"}),
        ("import re; re.match(r'(a+)+$', 'a' * 40 + 'b')", {"timeout"}),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_what_exhausts_is_stopped(sandbox: Sandbox, attack: str, statuses: set[str]) -> None:
    outcome = sandbox.run(attack, limits=Limits(seconds=0.5, memory_bytes=128 << 20))
    assert outcome.status in statuses, outcome
    assert sandbox.run("print('well')").stdout == b"well\n"


def test_memory_outside_of_the_limits_is_refused(sandbox: Sandbox) -> None:
    source = program(
        CTYPES,
        REPORT,
        """
        report("memfd", lambda: os.memfd_create("x"))
        report("shm_open", lambda: attempt("shm_open", b"/x", os.O_CREAT | os.O_RDWR, 0o600))
        report("/dev/shm", lambda: open("/dev/shm/x", "w"))
        report("shmget", lambda: attempt("shmget", 0, 1 << 30, 0o1600))
        report("semget", lambda: attempt("semget", 0, 1, 0o1600))
        report("msgget", lambda: attempt("msgget", 0, 0o1600))
        report("mq_open", lambda: attempt("mq_open", b"/x", os.O_CREAT | os.O_RDWR, 0o600, None))
        report("memfd_secret", lambda: attempt("syscall", 447, 0))
        report("raise limits", lambda: __import__("resource").setrlimit(9, (1 << 40, 1 << 40)))
        report("big pipe", lambda: __import__("fcntl").fcntl(os.pipe()[0], 1031, 1 << 20))
        report("mlock", lambda: attempt("mlockall", 3))
        """,
    )
    outcome = sandbox.run(source, limits=PATIENT)
    assert successes(outcome.stdout) == []
    assert outcome.stdout.count(b"\n") == 11


def test_the_temporary_folder_has_a_size_and_a_number_of_files(sandbox: Sandbox) -> None:
    source = """
        import os
        try:
            for count in range(100):
                with open(f"/tmp/{count}", "wb") as f: f.write(bytes(65536))
        except OSError as error: print(error.errno)
        for name in os.listdir("/tmp"): os.unlink("/tmp/" + name)
        count = 0
        try:
            while True:
                open(f"/tmp/{count}", "w").close(); count += 1
        except OSError as error: print(error.errno)
        print(count < 1000)
    """
    outcome = sandbox.run(program(source), limits=Limits(seconds=20, tmp_bytes=1 << 20))
    assert outcome.stdout == b"28\n28\nTrue\n"  # ENOSPC, twice


@pytest.mark.parametrize("descriptor", [1, 2])
def test_a_flood_of_output_is_cut(sandbox: Sandbox, descriptor: int) -> None:
    source = f"import os\nwhile True: os.write({descriptor}, b'x' * 65536)"
    limits = Limits(seconds=20, output_bytes=200_000)
    outcome = sandbox.run(source, limits=limits)
    assert outcome.status == "output"
    assert len(outcome.stdout) + len(outcome.stderr) == 200_000


def test_host_files_can_be_neither_read_nor_written(sandbox: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    secret.chmod(0o666)
    home = Path.home()
    source = program(
        REPORT,
        f"""
        import glob, os
        open_paths = [{str(secret)!r}, "/etc/passwd", "/etc/shadow", "/etc/hostname",
            {str(home / ".ssh")!r}, {str(home / ".bashrc")!r}, "/proc/self/environ",
            "/proc/1/environ", "/proc/self/mounts", "/sys/kernel/notes", "/run", "/var/log",
            {str(Path(__file__))!r}]
        for path in open_paths:
            report("read " + path, lambda: open(path, "rb").read())
            report("list " + path, lambda: os.listdir(path))
        report("environ", lambda: [open(p).read() for p in glob.glob("/proc/*/environ")][0])
        for path in [{str(secret)!r}, {str(tmp_path / "new")!r}, "/x", "/tmp/../x", "/dev/x",
                os.__file__, os.__file__ + "x", "/sandbox/stages/synthesize/sandboxed/values.py",
                {str(Path(__file__).parents[3] / "stages/synthesize/sandboxed/values.py")!r}]:
            report("write " + path, lambda: open(path, "w"))
        os.symlink("/etc/passwd", "/tmp/link")
        report("through a link", lambda: open("/tmp/link").read())
        report("fifo", lambda: os.mkfifo("/tmp/fifo"))
        report("link", lambda: os.link({str(secret)!r}, "/tmp/hard"))
        report("device", lambda: os.mknod("/tmp/disk", 0o60600, os.makedev(8, 0)))
        report("remove", lambda: os.remove({str(secret)!r}))
        report("chmod", lambda: os.chmod({str(secret)!r}, 0))
        report("up", lambda: open("/proc/self/root/etc/passwd").read())
        """,
    )
    outcome = sandbox.run(source, limits=Limits(seconds=20, tmp_bytes=1 << 16))
    assert successes(outcome.stdout) == []
    assert outcome.status == "ok", outcome.stderr
    assert secret.read_text() == "hunter2"
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_nothing_is_inherited(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIS_SECRET", "hunter2")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    source = """
        import os, sys
        print(sorted(set(os.environ) - {"PYTHONHASHSEED", "PWD", "LC_CTYPE"}))
        print([n for n in range(3, 1024) if not fails(os.fstat, n)])
        print(os.getppid(), os.getpid())
        print([name for name in sys.modules if "tamis" in name or "conftest" in name])
    """
    fails = "def fails(f, x):\n    try: f(x)\n    except OSError: return True\n    return False\n"
    try:
        outcome = Sandbox(sandbox.level).run(fails + textwrap.dedent(source))
    finally:
        os.close(reading)
        os.close(writing)
    assert outcome.stdout.decode().splitlines() == ["[]", "[]", "0 1", "[]"]


def test_there_is_no_network(sandbox: Sandbox) -> None:
    source = program(
        REPORT,
        """
        import socket
        for family in ("AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
                number = getattr(socket, family)
                report(family, lambda: socket.socket(number, kind))
        report("pair", socket.socketpair)
        report("dns", lambda: socket.getaddrinfo("example.com", 80))
        """,
    )
    outcome = sandbox.run(source, limits=PATIENT)
    assert successes(outcome.stdout) == []
    assert outcome.stdout.count(b"\n") == 20


def test_other_processes_cannot_be_touched(sandbox: Sandbox) -> None:
    source = program(
        CTYPES,
        REPORT,
        f"""
        for pid in ({os.getpid()}, {os.getppid()}, 2, 1000000):
            report("kill", lambda: os.kill(pid, 9))
            report("pidfd", lambda: os.pidfd_open(pid))
            report("process_vm_readv", lambda: attempt("process_vm_readv", pid, 0, 0, 0, 0, 0))
            report("ptrace", lambda: attempt("ptrace", 16, pid, 0, 0))
            report("priority", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19))
            report("prlimit", lambda: __import__("resource").prlimit(pid, 9, (1, 1)))
        report("kill all", lambda: os.kill(-1, 9))
        report("kill group", lambda: os.killpg(os.getppid() or 12345, 9))
        """,
    )
    outcome = sandbox.run(source, limits=PATIENT)
    assert successes(outcome.stdout) == []
    assert sandbox.run("print('well')").stdout == b"well\n"


def test_dangerous_system_calls_are_refused(sandbox: Sandbox) -> None:
    calls = {name: (number, *DANGEROUS[name]) for name, number in CALLS[MACHINE].items()}
    source = program(
        CTYPES,
        REPORT,
        f"calls = {calls!r}",
        """
        for name, arguments in calls.items():
            report(name, lambda: attempt("syscall", *arguments))
        """,
    )
    outcome = sandbox.run(source, limits=PATIENT)
    assert successes(outcome.stdout) == []
    refused = outcome.stdout.decode().splitlines()
    assert [line for line in refused if not line.endswith(" PermissionError")] == ["clone3 OSError"]
    assert len(refused) == len(calls) > 40  # clone3 alone is not known at all


def test_calls_under_foreign_numbers_do_nothing(sandbox: Sandbox) -> None:
    call = f"report('foreign', lambda: attempt('syscall', {FOREIGN[MACHINE]}))"
    outcome = sandbox.run(program(CTYPES, REPORT, call))
    if MACHINE == "x86_64":  # where they are those of x32, which mean something else
        assert (outcome.status, outcome.returncode) == ("killed", -signal.SIGSYS)
        assert outcome.stdout == b""
    else:
        assert outcome.stdout == b"foreign PermissionError\n"


def test_a_crash_leaves_no_core(sandbox: Sandbox) -> None:
    before = {*Path.cwd().iterdir(), *Path("/").iterdir()}
    limits = Limits(seconds=20, tmp_bytes=1 << 20)
    outcome = sandbox.run("import os, signal; os.kill(1, 3); os.abort()", limits=limits)
    assert outcome.status == "killed"
    assert {*Path.cwd().iterdir(), *Path("/").iterdir()} == before


def test_programs_leave_nothing_for_the_next(sandbox: Sandbox) -> None:
    limits = Limits(seconds=20, tmp_bytes=1 << 20)
    source = """
        import builtins, json, os, sys
        open("/tmp/mine", "w").write("x")
        json.dumps = builtins.len = lambda *a: 42
        sys.modules["math"] = None
        os.environ["LEFT"] = "x"
    """
    assert sandbox.run(program(source), limits=limits).status == "ok"
    source = """
        import json, math, os
        print(os.listdir("/tmp"), json.dumps([]), len([]), "LEFT" in os.environ)
    """
    assert sandbox.run(program(source), limits=limits).stdout == b"[] [] 0 False\n"


def test_walls_are_up_before_atexit_and_threads_are_counted(sandbox: Sandbox) -> None:
    source = program(
        REPORT,
        """
        import atexit, socket, threading
        report("thread", threading.Thread(target=print).start)
        atexit.register(lambda: report("late socket", socket.socket))
        """,
    )
    outcome = sandbox.run(source)
    assert outcome.stdout == b"thread RuntimeError\nlate socket PermissionError\n", outcome
