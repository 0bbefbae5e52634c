"""The child process that extracts HTML: reads pages from standard input, writes texts.

It starts with a line of ``READY``. A batch is a count (u32) and for each page its lengths (u32,
u16), payload and charset. The child reads a whole batch before it answers, so neither side ever
waits on a full pipe, then writes one frame a page: failed (u8), lengths (u32, u16), text or error,
and encoding. The kernel ends it when a page takes too much CPU time or too much real time.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from typing import BinaryIO

from stages.ingest.extraction import decode_html, extract_text
from stages.worker_process import OUT_OF_MEMORY, limit_time, private_output

READY = b"ready\n"
COUNT = struct.Struct("<I")
LENGTHS = struct.Struct("<IH")
ANSWER = struct.Struct("<BIH")
REAL_PER_CPU = 20
"""Real seconds a page may take for each CPU second it may use: a machine may be busy."""


def main() -> None:
    """Serves pages until standard input ends. The only argument is a JSON object of settings."""
    settings = json.loads(sys.argv[1])
    seconds = settings["seconds"]
    output = os.fdopen(private_output(), "wb")
    memory = settings["memory_bytes"]
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    extract_text("<html><body><p>Warm up.</p></body></html>", settings["extractor"])
    output.write(READY)
    output.flush()
    while batch := _read_batch(sys.stdin.buffer):
        for payload, charset in batch:
            limit_time(seconds, REAL_PER_CPU * seconds)
            failed, text, encoding = _extract(payload, charset, settings["extractor"])
            limit_time(0, 0)
            output.write(ANSWER.pack(failed, len(text), len(encoding)) + text + encoding)
            output.flush()


def _extract(payload: bytes, charset: str, extractor: str) -> tuple[bool, bytes, bytes]:
    try:
        html, encoding = decode_html(payload, charset or None)
        text = extract_text(html, extractor)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Exception as error:
        return True, f"{type(error).__name__}: {error}".encode(errors="replace")[:1000], b""
    return False, text.encode(errors="replace"), encoding.encode()


def _read_batch(stream: BinaryIO) -> list[tuple[bytes, str]]:
    head = stream.read(COUNT.size)
    if len(head) < COUNT.size:
        return []
    batch = []
    for _ in range(COUNT.unpack(head)[0]):
        n_payload, n_charset = LENGTHS.unpack(stream.read(LENGTHS.size))
        batch.append((stream.read(n_payload), stream.read(n_charset).decode()))
    return batch


if __name__ == "__main__":
    main()
