"""The sandbox from outside: outcomes, pipes, levels, the self-test, and what it leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stages.synthesize import bubblewrap
from stages.synthesize.sandbox import LEVELS, Limits, Outcome, Sandbox, SandboxError
from stages.synthesize.sandboxed.seccomp import build_filter
from stages.synthesize.self_test import escapes, find_sandbox
from tests.stages.synthesize.hostile import wait_until_gone

ROOT = Path(__file__).resolve().parents[3]
PATIENT = Limits(seconds=30, cpu_seconds=20)


def test_no_attempt_of_the_self_test_succeeds(sandbox: Sandbox) -> None:
    assert escapes(sandbox) == []


def test_the_self_test_reports_what_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = iter(
        [Outcome("ok", 0, b"open a socket\nfork\n", b"", 0, 0), Outcome("ok", 0, b"", b"", 0, 0)]
    )
    monkeypatch.setattr(Sandbox, "run", lambda *_, **__: next(ended))
    found = escapes(Sandbox("landlock"))
    assert found == ["open a socket", "fork", "an endless loop ended with ok"]


def test_without_walls_the_same_attempts_succeed(tmp_path: Path) -> None:
    """So the walls are what makes them fail, and not a mistake in the attempts."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    program = f"import os, socket\nprint(open({str(secret)!r}).read())\n"
    program += (
        "socket.socket().close()\nos.close(os.memfd_create('x'))\nprint(os.listdir('/proc')[0])"
    )
    with Sandbox("limits") as sandbox:
        outcome = sandbox.run(program, limits=PATIENT)
    assert outcome.status == "ok"
    assert outcome.stdout.startswith(b"hunter2\n")


def test_the_strongest_level_that_holds_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {"bubblewrap": ["fork"], "landlock": [], "limits": ["everything"]}
    monkeypatch.setattr("stages.synthesize.self_test.escapes", lambda box: held[box.level])
    assert find_sandbox().level == "landlock"
    held["landlock"] = ["mount"]
    with pytest.raises(SandboxError, match=r"bubblewrap: fork\n  landlock: mount\nInstall"):
        find_sandbox()
    assert find_sandbox(weakest="limits").level == "limits"
    held["bubblewrap"] = []
    assert find_sandbox(weakest="limits").level == "bubblewrap"


def test_a_missing_bubblewrap_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda _: None)
    with pytest.raises(SandboxError, match="not installed"):
        Sandbox("bubblewrap").run("pass")
    with pytest.raises(ValueError, match="choose one of"):
        Sandbox("docker")


def test_how_programs_end(sandbox: Sandbox) -> None:
    def status(program: str) -> tuple[str, int]:
        outcome = sandbox.run(program, limits=PATIENT)
        return outcome.status, outcome.returncode

    assert status("") == ("ok", 0)
    assert status("raise SystemExit(3)") == ("failed", 3)
    assert status("import sys; sys.exit('no')") == ("failed", 1)
    assert status("1 / 0") == ("failed", 1)
    assert status("import os; os._exit(5)") == ("failed", 5)
    assert status("raise MemoryError") == ("memory", 77)
    assert status("x = ")[0] == "failed"
    assert status("if __name__ == '__main__': raise SystemExit(4)") == ("failed", 4)


def test_input_and_output_of_any_bytes(sandbox: Sandbox) -> None:
    copy = "import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d)"
    data = bytes(range(256)) * 1000
    assert sandbox.run(copy, data, PATIENT).stdout == data
    outcome = sandbox.run("print('\\ud800')", limits=PATIENT)
    assert outcome.status == "failed"
    assert b"surrogates not allowed" in outcome.stderr


def test_pipes_that_nobody_reads_do_not_block(sandbox: Sandbox) -> None:
    """Both directions are full at once: 1 MB of input unread, 300 kB written to each output."""
    program = """
import sys
sys.stdout.write("o" * 300_000); sys.stdout.flush()
sys.stderr.write("e" * 300_000); sys.stderr.flush()
"""
    outcome = sandbox.run(program, b"i" * 1_000_000, PATIENT)
    assert (outcome.status, len(outcome.stdout), len(outcome.stderr)) == ("ok", 300_000, 300_000)


def test_the_hash_seed_is_chosen(sandbox: Sandbox) -> None:
    program = "print(hash('tamis'))"
    first = [sandbox.run(program, limits=PATIENT).stdout for _ in range(2)]
    assert first[0] == first[1]
    assert sandbox.run(program, limits=PATIENT, hash_seed=1).stdout != first[0]


def test_threads_may_share_a_sandbox(sandbox: Sandbox) -> None:
    printed: dict[int, bytes] = {}

    def run(number: int) -> None:
        printed[number] = sandbox.run(f"print({number})", limits=PATIENT).stdout

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert printed == {number: b"%d\n" % number for number in range(4)}


def test_a_killed_parent_leaves_nothing_running(sandbox: Sandbox) -> None:
    mark = f"t{os.getpid()}-orphan"
    program = f"import ctypes; ctypes.CDLL(None).prctl(15, {mark.encode()!r})\n"
    program += "print('up', flush=True)\nwhile True: pass"
    script = f"""
import sys
from stages.synthesize.sandbox import Limits, Sandbox
with Sandbox({sandbox.level!r}).running("program", {{"source": {program!r}}}, Limits(60, 60)) as r:
    while b"up" not in r.stdout: r.wait()
    print("up", flush=True)
    sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert wait_until_gone(mark) == []


def test_a_dead_fork_server_is_an_error_and_the_next_program_gets_a_new_one(
    sandbox: Sandbox,
) -> None:
    def kill_the_server() -> None:
        with own.running("program", {"source": "while True: pass"}, PATIENT) as running:
            running._server._process.kill()
            running.finish()

    with Sandbox(sandbox.level) as own:
        with pytest.raises(SandboxError, match="is gone"):
            kill_the_server()
        assert own.run("print('well')").stdout == b"well\n"


def test_an_ordinary_user_has_both_levels(tmp_path: Path) -> None:
    """Run as `nobody`, with the system's Python, since ours may lie where nobody may read."""
    python = shutil.which("python3", path="/usr/bin")
    if os.getuid() != 0 or python is None:
        pytest.skip("needs root, to become somebody else, and a Python in /usr/bin")
    script = "import sys; assert sys.version_info >= (3, 11)\n"
    script += "from stages.synthesize.self_test import escapes\n"
    script += "from stages.synthesize.sandbox import Sandbox\n"
    script += "for level in sys.argv[1:]: print(level, escapes(Sandbox(level)))"
    levels = [level for level in LEVELS[:2] if level != "bubblewrap" or shutil.which("bwrap")]
    ran = subprocess.run(
        [python, "-B", "-c", script, *levels],
        cwd=ROOT,
        user=65534,
        group=65534,
        extra_groups=[],
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    if "AssertionError" in ran.stderr or "No module named" in ran.stderr:
        pytest.skip(f"the system's Python is too old, or {ROOT} is closed to others")
    assert ran.stdout.splitlines() == [f"{level} []" for level in levels], ran.stderr


def test_filters_are_built_for_both_machines() -> None:
    for machine in ("x86_64", "aarch64"):
        program = build_filter(machine)
        assert len(program) % 8 == 0
        assert len(program) // 8 < 4096  # the kernel's limit
    with pytest.raises(KeyError):
        build_filter("sparc")
