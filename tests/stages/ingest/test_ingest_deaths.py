"""The extractor's process dies: by a kill from outside no page is lost, by its own fault one is."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from stages.ingest import extractor_process
from stages.ingest.extractor_process import BATCH_PAGES, Extractor
from stages.ingest.record import Found, Outcome, Page, Quarantined

MEMORY = 4_000_000_000
SLOW = b"<div>" * 5_000 + b"slow" + b"</div>" * 5_000
"""Takes resiliparse about a second."""
CRASHING = (
    "import ctypes, stages.ingest.child as child; extract = child.extract_text; "
    "child.extract_text = lambda html, name: "
    "ctypes.string_at(0) if 'segfault' in html else extract(html, name); "
)
"""Put before the child's ``main``: a page with the word makes it read address 0."""


def page(text: str) -> Page:
    return Page(f"<html><body><p>{text}</p></body></html>".encode(), "utf-8", text, None, None)


def summary(outcome: Outcome) -> str:
    return outcome.text if isinstance(outcome, Found) else outcome.reason


def extracted(pages: list[Page]) -> list[Outcome]:
    with Extractor("resiliparse", 60, MEMORY) as extractor:
        return list(extractor.outcomes(pages))


@contextmanager
def killer(kills: int) -> Iterator[list[int]]:
    """Kills the extracting children of this process as soon as they are seen, up to ``kills`` of
    them; yields the list of those that it has killed."""
    stop = threading.Event()
    killed: list[int] = []

    def watch() -> None:
        while not stop.is_set() and len(killed) < kills:
            for child in psutil.Process().children():
                try:
                    ours = "stages.ingest.child" in " ".join(child.cmdline())
                except psutil.Error:
                    continue
                if ours and child.pid not in killed:
                    killed.append(child.pid)
                    child.kill()
                    break
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_one_death_in_the_middle_of_a_page_changes_nothing(number: signal.Signals) -> None:
    slow = Page(SLOW, "utf-8", "slow", None, None)
    pages = [page("first"), slow, page("second"), page("third")]
    undisturbed = extracted(pages)
    with Extractor("resiliparse", 60, MEMORY) as extractor:
        outcomes = extractor.outcomes(pages)
        found = [next(outcomes)]
        process = extractor._process
        assert process is not None
        os.kill(process.pid, number)  # the first answer is out, so the child works on the slow page
        found += outcomes
        assert extractor._process is not process
    assert process.returncode == -number
    assert found == undisturbed
    assert [summary(outcome) for outcome in found][::2] == ["first", "second"]
    assert all(isinstance(outcome, Found) for outcome in found)


def test_a_kill_between_two_batches_changes_nothing() -> None:
    given = [page(f"page {n}") for n in range(BATCH_PAGES + 3)]
    with Extractor("resiliparse", 60, MEMORY) as extractor:

        def pages() -> Iterator[Page]:
            yield from given[:BATCH_PAGES]
            assert extractor._process is not None
            extractor._process.kill()
            extractor._process.wait()
            yield from given[BATCH_PAGES:]

        found = [summary(outcome) for outcome in extractor.outcomes(pages())]
    assert found == [one.locator for one in given]


def test_a_kill_at_any_time_leaves_the_same_task(raw: Path, ingest: Any, tmp_path: Path) -> None:
    records = []
    for n, body in enumerate([page("first").payload, SLOW, page("second").payload]):
        http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
        head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:x:{n}>\r\n"
        head += "Content-Type: application/http; msgtype=response\r\n"
        head += f"Content-Length: {len(http)}\r\n\r\n"
        records.append(head.encode() + http + b"\r\n\r\n")
    (raw / "a.warc").write_bytes(b"".join(records))
    undisturbed = ingest()
    assert len(undisturbed.texts) == 3
    (tmp_path / "workspace").rename(tmp_path / "first")
    with killer(1) as killed:
        disturbed = ingest()
    assert len(killed) == 1
    (a,), (b,) = undisturbed.receipts, disturbed.receipts
    assert not b.cached
    assert (a.files, a.value) == (b.files, b.value)


def test_a_page_killed_twice_from_outside_fails_the_task_and_is_not_kept(
    raw: Path, ingest: Any, tmp_path: Path
) -> None:
    (raw / "a.warc").write_bytes(
        b"WARC/1.0\r\nWARC-Type: resource\r\nWARC-Record-ID: <urn:x:0>\r\n"
        b"Content-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(SLOW) + SLOW + b"\r\n\r\n"
    )
    with killer(1_000), pytest.raises(RuntimeError, match=r"SIGKILL|status -9"):
        ingest()
    assert not list((tmp_path / "workspace").rglob("quarantine.jsonl"))
    assert len(ingest().texts) == 1


def test_the_error_after_two_kills_names_the_page(monkeypatch: Any) -> None:
    slow = Page(SLOW, "utf-8", "a.warc#slow", None, None)
    with Extractor("resiliparse", 60, MEMORY) as extractor:
        started = extractor._start

        def start() -> tuple[int, str] | None:
            """Starts the real process, and stops it for good once it is ready."""
            failure = started()
            assert extractor._process is not None
            os.kill(extractor._process.pid, signal.SIGKILL)
            return failure

        monkeypatch.setattr(extractor, "_start", start)
        with pytest.raises(RuntimeError, match=r"SIGKILL twice over a\.warc#slow.*Nothing is lost"):
            list(extractor.outcomes([slow]))


def test_a_page_that_crashes_the_process_costs_only_itself(monkeypatch: Any) -> None:
    boot, main = extractor_process._BOOT.split("from stages")
    monkeypatch.setattr(extractor_process, "_BOOT", f"{boot}{CRASHING}from stages{main}")
    names = ["one", "a segfault", "two", "three", "another segfault"]
    found = extracted([page(name) for name in names])
    crash = "extraction_crash"
    assert [summary(outcome) for outcome in found] == ["one", crash, "two", "three", crash]
    crashed = found[1]
    assert isinstance(crashed, Quarantined)
    assert crashed.locator == "a segfault"
    assert "SIGSEGV" in crashed.detail
