"""The child process that compares mathematical answers with math-verify.

It starts with a line of ``READY``. Then each line in is a JSON list ``[gold, answer]``, and each
line out one of ``VERDICTS``. The kernel ends it when a comparison takes too much CPU or real time;
one that wants too much memory ends it with ``OUT_OF_MEMORY``. math-verify's own time-outs are
signals that a comparison can outlive (``5^(5^(5^…))``), so they are off.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys

from stages.worker_process import OUT_OF_MEMORY, limit_time, private_output

READY = "ready\n"
RIGHT, WRONG, UNREADABLE = "right", "wrong", "unreadable"
REAL_PER_CPU = 10
"""Real seconds a comparison may take for each CPU second it may use: a machine may be busy."""


def main() -> None:
    """Serves comparisons until standard input ends. The only argument is JSON: ``seconds`` of CPU
    for a comparison, ``memory_bytes`` of address space."""
    settings = json.loads(sys.argv[1])
    seconds = settings["seconds"]
    output = os.fdopen(private_output(), "w")
    logging.disable()  # math-verify warns that its time-outs are off
    compare("1", "1")
    memory = settings["memory_bytes"]
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    output.write(READY)
    output.flush()
    try:
        for line in sys.stdin:
            gold, answer = json.loads(line)
            limit_time(seconds, REAL_PER_CPU * seconds)
            verdict = _verdict(gold, answer)
            limit_time(0, 0)
            output.write(verdict + "\n")
            output.flush()
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _verdict(gold: str, answer: str) -> str:
    try:
        return compare(gold, answer)
    except MemoryError:
        raise
    except Exception:  # parsers of hostile text raise anything
        return UNREADABLE


def compare(gold: str, answer: str) -> str:
    """Whether two final answers are the same mathematically: ``right``, ``wrong``, or
    ``unreadable`` when one of them is no mathematics."""
    from math_verify import parse, verify

    parsed = [parse(_boxed(text), parsing_timeout=None) for text in (gold, answer)]
    if not all(parsed):
        return UNREADABLE
    return RIGHT if verify(parsed[0], parsed[1], timeout_seconds=None) else WRONG


def _boxed(text: str) -> str:
    """The answer as math-verify reads final answers best."""
    return f"\\boxed{{{text}}}"


if __name__ == "__main__":
    main()
