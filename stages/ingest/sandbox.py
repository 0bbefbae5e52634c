"""HTML extraction in a process of its own, which hostile pages may hang, crash or fill.

The process stays for many pages, which are sent in batches, so that a page costs no process. When
a page kills it, that page is quarantined and the others go to a new process.
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
from types import TracebackType
from typing import IO

from stages.ingest.child import ANSWER, COUNT, LENGTHS, OUT_OF_MEMORY, READY
from stages.ingest.record import Found, Outcome, Page, Quarantined, excerpt

BATCH_PAGES = 64
BATCH_BYTES = 4_000_000

_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
_BOOT += "from stages.ingest.child import main; main()"


class Extractor:
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

    def __enter__(self) -> Extractor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def outcomes(self, found: Iterable[Outcome | Page]) -> Iterator[Outcome]:
        """The same outcomes in the same order, with each page as its text.

        A page is quarantined as ``extraction_timeout``, ``extraction_crash`` (also when it runs
        out of memory) or ``extraction_error`` (the extractor raised an error). Raises RuntimeError
        when the process cannot be started, which no page is to blame for.
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
                yield self._death(pages[done])
                done += 1
            pages = pages[done:]

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

    def _death(self, page: Page) -> Quarantined:
        """The page that the process died over; the process is cleared away."""
        assert self._process is not None
        status = self._process.wait()
        self._stop()
        reason, detail = "extraction_crash", f"the extractor ended with status {status}"
        if status in (-signal.SIGPROF, -signal.SIGALRM):
            reason = "extraction_timeout"
            detail = f"the page took more than {self.seconds:g} s (extraction_seconds)"
        elif status == OUT_OF_MEMORY:
            detail = f"the page needs more than {self.memory_bytes} bytes (extraction_memory_bytes)"
        elif status < 0:
            detail = f"the extractor died of {signal.Signals(-status).name}"
        return Quarantined(reason, page.locator, detail, excerpt(page.payload), len(page.payload))

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            return self._process
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
            self._stop()
            raise RuntimeError(
                f"the process that extracts HTML with {self.extractor} did not start"
                f" (status {status}):\n{errors[-2000:]}"
            )
        return self._process

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
        if self._errors is not None:
            self._errors.close()
            self._errors = None
