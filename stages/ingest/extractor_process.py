"""HTML extraction in a process of its own, which hostile pages may hang, crash or fill.

The process stays for many pages, which are sent in batches, so that a page costs no process. When
it dies over a page, that page is tried once more, alone in a new process: what kills the process
again is quarantined, and the other pages go on. A kill from outside (the kernel short of memory, an
operator) is never held against a page, since the outcome would stay in the corpus for good.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from stages.closing import Closing
from stages.ingest.child import ANSWER, COUNT, LENGTHS, READY
from stages.ingest.record import Found, Outcome, Page, Quarantined, excerpt
from stages.worker_process import OUT_OF_MEMORY

BATCH_PAGES = 64
BATCH_BYTES = 4_000_000

_LIMITS = (signal.SIGPROF, signal.SIGALRM)
"""Sent by the child's own timers."""
_CRASHES = (
    signal.SIGSEGV,
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGILL,
    signal.SIGFPE,
    signal.SIGSYS,
    signal.SIGTRAP,
)
"""What a process dies of by its own fault. Any other signal came from outside."""

_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
_BOOT += "from stages.ingest.child import main; main()"


class Extractor(Closing):
    """A context manager that holds the extracting process; it is started with the first page.

    ``seconds`` is CPU time a page, ``memory_bytes`` the process's address space, ``license`` that
    of the source.
    """

    def __init__(
        self, extractor: str, seconds: float, memory_bytes: int, license: str | None = None
    ) -> None:
        self.extractor = extractor
        self.seconds = seconds
        self.memory_bytes = memory_bytes
        self.license = license
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    def outcomes(self, found: Iterable[Outcome | Page]) -> Iterator[Outcome]:
        """The same outcomes in the same order, with each page as its text.

        A page is quarantined as ``extraction_timeout``, ``extraction_crash`` (also when it runs
        out of memory) or ``extraction_error`` (the extractor raised an error). Raises RuntimeError
        when the process cannot be started, or is killed from outside twice over the same page,
        which no page is to blame for.
        """
        held: list[Outcome | Page] = []
        pages, size = 0, 0
        for outcome in found:
            if isinstance(outcome, Page):
                pages += 1
                size += len(outcome.payload)
            elif not held:
                yield outcome
                continue
            else:
                size += outcome.size
            held.append(outcome)
            if pages >= BATCH_PAGES or size >= BATCH_BYTES:
                yield from self._resolve(held)
                held, pages, size = [], 0, 0
        yield from self._resolve(held)

    def _resolve(self, held: Sequence[Outcome | Page]) -> Iterator[Outcome]:
        texts = self._extract([outcome for outcome in held if isinstance(outcome, Page)])
        for outcome in held:
            yield next(texts) if isinstance(outcome, Page) else outcome

    def _extract(self, pages: Sequence[Page]) -> Iterator[Outcome]:
        while pages:
            process = self._running()
            done = 0
            if self._send(process, pages):
                for page in pages:
                    answer = self._answer(process, page)
                    if answer is None:
                        break
                    done += 1
                    yield answer
            if done < len(pages):
                yield self._after_death(pages[done])
                done += 1
            pages = pages[done:]

    def _after_death(self, page: Page) -> Outcome:
        """The outcome of the page that the process died over.

        Only the time limit counts at once. Everything else may be due to the pages before (memory
        that they left in pieces) or to the machine, so the page gets a process of its own.
        """
        status = self._reap()
        if -status not in _LIMITS:
            process = self._running()
            answer = self._answer(process, page) if self._send(process, [page]) else None
            if answer is not None:
                return answer
            status = self._reap()
        if _is_external(status):
            raise RuntimeError(
                f"the process that extracts HTML was killed with {signal.Signals(-status).name}"
                f" twice over {page.locator}, by the kernel or a person, not by its own fault."
                " Nothing is lost: free memory, lower extraction_memory_bytes, or use fewer"
                " workers, then run the same command again."
            )
        return self._death(page, status)

    def _reap(self) -> int:
        """The status of the dead process, which is cleared away."""
        assert self._process is not None
        status = self._process.wait()
        self.close()
        return status

    def _send(self, process: subprocess.Popen[bytes], pages: Sequence[Page]) -> bool:
        assert process.stdin is not None
        frames = [COUNT.pack(len(pages))]
        for page in pages:
            charset = (page.charset or "").encode()[:100]
            frames += [LENGTHS.pack(len(page.payload), len(charset)), page.payload, charset]
        try:
            process.stdin.write(b"".join(frames))
            process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def _answer(self, process: subprocess.Popen[bytes], page: Page) -> Outcome | None:
        """The outcome of the next page, or None when the process has died over it."""
        assert process.stdout is not None
        head = process.stdout.read(ANSWER.size)
        if len(head) < ANSWER.size:
            return None
        failed, n_text, n_encoding = ANSWER.unpack(head)
        body = process.stdout.read(n_text + n_encoding)
        if len(body) < n_text + n_encoding:
            return None
        text, encoding = body[:n_text].decode(), body[n_text:].decode()
        size = len(page.payload)
        if failed:
            begin = excerpt(page.payload)
            return Quarantined("extraction_error", page.locator, text, begin, size)
        metadata = None if encoding == "utf-8" else json.dumps({"charset": encoding})
        return Found(text, page.locator, size, page.url, page.timestamp, self.license, metadata)

    def _death(self, page: Page, status: int) -> Quarantined:
        """The page that the process died over, and why."""
        reason, detail = "extraction_crash", f"the extractor ended with status {status}"
        if -status in _LIMITS:
            reason = "extraction_timeout"
            detail = f"the page took more than {self.seconds:g} s (extraction_seconds)"
        elif status == OUT_OF_MEMORY:
            detail = f"the page needs more than {self.memory_bytes} bytes (extraction_memory_bytes)"
        elif status < 0:
            detail = f"the extractor died of {signal.Signals(-status).name}"
        return Quarantined(reason, page.locator, detail, excerpt(page.payload), len(page.payload))

    def _running(self) -> subprocess.Popen[bytes]:
        """The process, started when there is none; once more when a kill ended the start."""
        if self._process is None:
            failure = self._start()
            if failure is not None and _is_external(failure[0]):
                failure = self._start()
            if failure is not None:
                raise RuntimeError(
                    f"the process that extracts HTML with {self.extractor} did not start"
                    f" (status {failure[0]}):\n{failure[1][-2000:]}"
                )
        assert self._process is not None
        return self._process

    def _start(self) -> tuple[int, str] | None:
        """Starts the process; returns None, or the status and errors of one that died."""
        settings = {
            "extractor": self.extractor,
            "seconds": self.seconds,
            "memory_bytes": self.memory_bytes,
        }
        descriptor, name = tempfile.mkstemp()
        Path(name).unlink()
        self._errors = os.fdopen(descriptor, "w+b")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, json.dumps(settings), json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != READY:
            status = self._process.wait()
            self._errors.seek(0)
            errors = self._errors.read().decode(errors="replace")
            self.close()
            return status, errors
        return None

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
        if self._errors is not None:
            self._errors.close()
            self._errors = None


def _is_external(status: int) -> bool:
    """Whether a process that ended with ``status`` was killed by something else than itself."""
    return status < 0 and -status not in _LIMITS and -status not in _CRASHES
