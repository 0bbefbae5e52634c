"""Fork servers and the programs that they run, seen from outside.

A `ForkServer` is the process in the room (`sandboxed/fork_server.py`) and the socket to it; a
`Running` is one program in its cell, with its three pipes.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import socket
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.synthesize.bubblewrap import bubblewrap_command, python_command, shown_paths
from stages.synthesize.sandboxed import frames
from stages.synthesize.sandboxed.programs import OUT_OF_MEMORY
from stages.synthesize.sandboxed.values import Json
from stages.synthesize.sandboxed.walls import Limits

_PACKAGE_AT = "/sandbox/stages/synthesize/sandboxed"
_ROOT = Path(__file__).resolve().parents[2]
_GRACE = 5.0
"""Seconds that the fork server may be late with its report before it is given up."""
_START_SECONDS = 30.0
_LOWEST_USER = 1_000_000_000
_SMALL_RANGE = 60_000
_SERVERS = 64
_count = itertools.count()


class SandboxError(RuntimeError):
    """The sandbox cannot do its work. No program was run without its walls."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    ``status``: ``ok`` (exit status 0), ``failed`` (another), ``timeout`` (real or CPU time),
    ``memory`` (a MemoryError that nobody caught), ``output`` (too much of it), ``killed`` (by a
    signal). ``returncode`` is negative for a signal. The program can bring about any status that
    it likes, so no verdict may hang on it alone.
    """

    status: str
    returncode: int
    stdout: bytes
    stderr: bytes
    seconds: float
    cpu_seconds: float


class ForkServer:
    """The process that starts programs one after another, and the socket to it."""

    def __init__(self, level: str, hash_seed: int) -> None:
        self.level = level
        self.control, theirs = socket.socketpair()
        descriptor, name = tempfile.mkstemp()
        Path(name).unlink()
        self._errors = os.fdopen(descriptor, "w+b")
        own_path = str(Path(_PACKAGE_AT).parents[2]) if level == "bubblewrap" else str(_ROOT)
        settings = {
            "level": level,
            "paths": list(shown_paths()),
            "user": _user() if os.getuid() == 0 and level != "limits" else None,
            "control": theirs.fileno(),
        }
        try:
            command = bubblewrap_command(_PACKAGE_AT) if level == "bubblewrap" else []
            # bwrap's environment would stay readable in /proc, so it starts with this alone.
            environment = {"PYTHONHASHSEED": str(hash_seed)}
            if command:
                command[-1:-1] = ["--setenv", "PYTHONHASHSEED", str(hash_seed)]
            self._process = subprocess.Popen(
                [*command, *python_command([json.dumps(settings)], own_path)],
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                pass_fds=[theirs.fileno()],
                env=environment,
                cwd="/",
            )
        except OSError as error:
            self.control.close()
            self._errors.close()
            raise SandboxError(f"level {level}: {error}") from error
        finally:
            theirs.close()
        ready = self.report(_START_SECONDS)
        if "ready" not in ready:
            problem = ready.get("refused") or self._printed()
            self.close()
            raise SandboxError(f"level {level} does not work here: {problem}")

    def start(self, request: dict[str, Json], limits: Limits) -> Running:
        """Starts a program. Raises SandboxError where the server is gone."""
        ours_in, theirs_out, theirs_err = os.pipe(), os.pipe(), os.pipe()
        theirs = (ours_in[0], theirs_out[1], theirs_err[1])
        message = frames.pack({**request, "limits": asdict(limits)})
        try:
            sent = socket.send_fds(self.control, [message], theirs)
            self.control.sendall(message[sent:])
        except OSError as error:
            raise SandboxError(f"the fork server is gone: {self._printed()}") from error
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        return Running(self, limits, ours_in[1], theirs_out[0], theirs_err[0])

    def report(self, seconds: float) -> dict[str, Json]:
        """The next frame from the fork server; ``{}`` when it is gone or late."""
        self.control.settimeout(seconds)
        try:
            head = self._receive(frames.LENGTH.size)
            content: dict[str, Json] = json.loads(self._receive(*frames.LENGTH.unpack(head)))
        except (OSError, EOFError):
            return {}
        return content

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.control.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def _printed(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-2000:].decode(errors="replace").strip()

    def close(self) -> None:
        """Ends it: it goes when its socket ends, and with it whatever still runs."""
        if self.control.fileno() < 0:
            return
        self.control.close()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


class Running:
    """A program that runs. Its output is read as it comes, so that it never waits for us, and
    counted: past the limit the program is killed. Input is written as fast as it takes it."""

    def __init__(
        self, server: ForkServer, limits: Limits, stdin: int, stdout: int, stderr: int
    ) -> None:
        self._server = server
        self._limits = limits
        self._stdin: int | None = stdin
        self._open = {stdout: bytearray(), stderr: bytearray()}
        self._stdout, self._stderr = self._open[stdout], self._open[stderr]
        self._waiting = bytearray()
        self._input_ends = False
        self._consumed = 0
        self._too_much = False
        self._outcome: Outcome | None = None
        self._deadline = time.monotonic() + limits.seconds + _GRACE
        for descriptor in (stdin, stdout, stderr):
            os.set_blocking(descriptor, False)

    def feed(self, data: bytes) -> None:
        """Adds to the program's input; written while output is read."""
        self._waiting += data

    def end_input(self) -> None:
        """Its input ends after what was fed."""
        self._input_ends = True

    def send(self, content: dict[str, Json]) -> None:
        """Adds a frame to its input."""
        self.feed(frames.pack(content))

    def receive(self) -> dict[str, Json] | None:
        """The next frame on its standard output; None when none can come any more, or what came is
        no frame."""
        while True:
            frame = self._next_frame()
            if frame is not None:
                try:
                    content = json.loads(frame)
                except (ValueError, RecursionError):
                    return None
                return content if isinstance(content, dict) else None
            if self._outcome is not None or all(
                held is not self._stdout for held in self._open.values()
            ):
                return None
            self._pump()

    def _next_frame(self) -> bytes | None:
        begin = self._consumed + frames.LENGTH.size
        if len(self._stdout) < begin:
            return None
        end = begin + frames.LENGTH.unpack_from(self._stdout, self._consumed)[0]
        if len(self._stdout) < end:
            return None
        self._consumed = end
        return bytes(self._stdout[begin:end])

    @property
    def stdout(self) -> bytes:
        """What it has written so far, as far as it was read."""
        return bytes(self._stdout)

    def wait(self) -> None:
        """Waits until there is news: output, room for input, or its end."""
        if self._outcome is None:
            self._pump()

    def kill(self) -> None:
        """Ends the program and all it has started."""
        if self._outcome is None:
            with contextlib.suppress(OSError):
                self._server.control.sendall(frames.pack({"kill": True}))

    def finish(self) -> Outcome:
        """Waits for its end; how it ended."""
        while self._outcome is None:
            self._pump()
        return self._outcome

    def _pump(self) -> None:
        """Waits until something happens on a pipe or the program has ended, and takes it in."""
        poll = select.poll()
        poll.register(self._server.control, select.POLLIN)
        for descriptor in self._open:
            poll.register(descriptor, select.POLLIN)
        self._close_input_if_done()
        if self._stdin is not None and self._waiting:
            poll.register(self._stdin, select.POLLOUT)
        left = self._deadline - time.monotonic()
        ready = {descriptor for descriptor, _ in poll.poll(max(0.0, left) * 1000)}
        if not ready:
            raise SandboxError("the fork server does not report; it was ended")
        if self._stdin in ready:
            self._write()
        for descriptor in [descriptor for descriptor in self._open if descriptor in ready]:
            self._read(descriptor)
        if self._server.control.fileno() in ready:
            self._end(self._server.report(_GRACE))

    def _write(self) -> None:
        assert self._stdin is not None
        try:
            written = os.write(self._stdin, self._waiting)
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._waiting.clear()
            self._input_ends = True
            return
        del self._waiting[:written]

    def _close_input_if_done(self) -> None:
        if self._stdin is not None and self._input_ends and not self._waiting:
            os.close(self._stdin)
            self._stdin = None

    def _read(self, descriptor: int) -> None:
        piece = os.read(descriptor, 65536)
        if not piece:
            del self._open[descriptor]
            os.close(descriptor)
            return
        room = self._limits.output_bytes - len(self._stdout) - len(self._stderr)
        self._open[descriptor].extend(piece[: max(0, room)])
        if len(piece) > room and not self._too_much:
            self._too_much = True
            self.kill()

    def _end(self, report: dict[str, Json]) -> None:
        if "refused" in report or "code" not in report:
            problem = report.get("refused", "the fork server is gone")
            self._close_pipes()
            raise SandboxError(f"a program could not be confined, and was not run: {problem}")
        survived = self._drain()
        self._close_pipes()
        if survived and self._server.level != "limits":
            raise SandboxError("something that a program started has outlived it")
        code = report["code"]
        status = "ok" if code == 0 else "killed" if code < 0 else "failed"
        if code == OUT_OF_MEMORY:
            status = "memory"
        if report["timed_out"]:
            status = "timeout"
        if self._too_much:
            status = "output"
        self._outcome = Outcome(
            status,
            code,
            bytes(self._stdout),
            bytes(self._stderr),
            report["seconds"],
            report["cpu_seconds"],
        )

    def _drain(self) -> bool:
        """Reads what is left. All that could write has ended, so the pipes must end too: True where
        one does not, since a process still holds it."""
        try:
            for descriptor in list(self._open):
                while descriptor in self._open:
                    self._read(descriptor)
        except BlockingIOError:
            return True
        return False

    def _close_pipes(self) -> None:
        for descriptor in self._open:
            os.close(descriptor)
        self._open.clear()
        if self._stdin is not None:
            os.close(self._stdin)
            self._stdin = None


def _user() -> int:
    """An unprivileged user id that no other fork server of this machine has, made of this
    process's id and a count, so that limits on processes count one program's alone. Where few ids
    are mapped two may share one, and get less than they may have."""
    mapped = 0
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        inside, _, count = (int(word) for word in line.split())
        mapped = max(mapped, inside + count)
    own = os.getpid() * _SERVERS + next(_count) % _SERVERS
    if mapped > _LOWEST_USER + own:
        return _LOWEST_USER + own
    return _SMALL_RANGE + own % max(1, min(mapped, 65_534) - _SMALL_RANGE)
