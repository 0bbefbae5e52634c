"""The sandbox measured: ``python -m benchmarks.sandbox [--mbpp FILE] [--workers N]``.

For every level that works here: HumanEval's and MBPP's references through the grader (tests in one
confined process, candidate in another), stubs of HumanEval, programs a second on all workers, CPU
time of each, and what the walls add to a program that does nothing, compared with the same fork
server without walls and with a fresh Python. CPU times hold on a busy machine, the others do not.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.usage import cpu_seconds
from stages.synthesize.grading import Grade, grade
from stages.synthesize.sandbox import LEVELS, Limits, Sandbox, SandboxError
from stages.synthesize.self_test import escapes
from stages.synthesize.source_code import parsed, unknown_names

ROOT = Path(__file__).parents[1]
HUMAN_EVAL = ROOT / "data" / "sample" / "benchmarks" / "HumanEval.jsonl.gz"
MBPP = ROOT.parent / "shared" / "data" / "open" / "benchmarks" / "mbpp.jsonl.gz"
LIMITS = Limits(seconds=60, cpu_seconds=20)
REPEATS = 200


@dataclass(frozen=True)
class Job:
    """One program to grade."""

    name: str
    candidate: str
    tests: str
    entry_point: str | None
    setup: str


def human_eval(path: Path) -> tuple[list[Job], list[Job]]:
    """References, and stubs in their place."""
    references, stubs = [], []
    for problem in _read(path):
        name, prompt, entry = problem["task_id"], problem["prompt"], problem["entry_point"]
        stub = f"{prompt}    pass\n"
        tests = f"{problem['test']}\ncheck({entry})"
        reference = prompt + problem["canonical_solution"]
        references.append(Job(name, reference, tests, entry, stub))
        stubs.append(Job(name, stub, tests, entry, stub))
    return references, stubs


def mbpp(path: Path) -> list[Job]:
    """References. The tests get the imports of the reference, which MBPP's tests rely on, and call
    the functions that it defines, also where these have the names of built-in ones."""
    jobs = []
    for problem in _read(path):
        tree = parsed(problem["code"])
        imports = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
        defined = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
        setup = "\n".join([*map(ast.unparse, imports), problem["test_setup_code"]])
        tests = "\n".join(problem["test_list"])
        entry = next((name for name in _called(tests) if name in defined), None)
        if unknown_names(tests) & defined:
            entry = None  # found by itself
        jobs.append(Job(f"MBPP/{problem['task_id']}", problem["code"], tests, entry, setup))
    return jobs


def _called(source: str) -> list[str]:
    """Names that are called in a program."""
    calls = [node for node in ast.walk(parsed(source)) if isinstance(node, ast.Call)]
    return [call.func.id for call in calls if isinstance(call.func, ast.Name)]


def _read(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def graded(sandbox: Sandbox, jobs: Sequence[Job], workers: int) -> list[Grade]:
    """The grades of all jobs; prints how many passed, and how fast."""

    def run(job: Job) -> Grade:
        return grade(sandbox, job.candidate, job.tests, job.entry_point, job.setup, LIMITS)

    run(jobs[0])  # the fork servers are up before the clock starts
    started, used = time.perf_counter(), cpu_seconds()
    with ThreadPoolExecutor(workers) as pool:
        grades = list(pool.map(run, jobs))
    seconds, cpu = time.perf_counter() - started, cpu_seconds() - used
    passed = sum(one.passed for one in grades)
    print(
        f"    {passed:4d} of {len(jobs)} pass; {len(jobs) / seconds:6.1f} programs/s on {workers}"
        f" workers; {1000 * cpu / len(jobs):5.1f} ms of CPU each"
    )
    return grades


def latency(act: Callable[[], object]) -> tuple[float, float]:
    """Median real time and mean CPU time of one program, in ms."""
    act()
    times = []
    used = cpu_seconds()
    for _ in range(REPEATS):
        started = time.perf_counter()
        act()
        times.append(time.perf_counter() - started)
    return 1000 * sorted(times)[REPEATS // 2], 1000 * (cpu_seconds() - used) / REPEATS


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--human-eval", type=Path, default=HUMAN_EVAL)
    parser.add_argument("--mbpp", type=Path, default=MBPP)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args()
    references, stubs = human_eval(options.human_eval)
    others = mbpp(options.mbpp) if options.mbpp.exists() else []

    bare = latency(lambda: subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True))
    print(f"a fresh Python:         {bare[0]:5.1f} ms, {bare[1]:4.1f} ms of CPU")
    with Sandbox("limits") as sandbox:
        without = latency(partial(sandbox.run, "", limits=LIMITS))
        print(f"fork server, no walls:  {without[0]:5.1f} ms, {without[1]:4.1f} ms of CPU")
    for level in LEVELS[:2]:
        with Sandbox(level) as sandbox:
            try:
                found = escapes(sandbox)
            except SandboxError as error:
                print(f"{level}: {error}")
                continue
            print(f"{level}: self-test {found or 'passed'}")
            full = latency(partial(sandbox.run, "", limits=LIMITS))
            print(
                f"    an empty program: {full[0]:5.1f} ms, {full[1]:4.1f} ms of CPU;"
                f" the walls add {full[0] - without[0]:.1f} ms"
            )
            for name, jobs in (("HumanEval", references), ("stubs", stubs), ("MBPP", others)):
                if jobs:
                    print(f"  {name}")
                    grades = graded(sandbox, jobs, options.workers)
                    for job, one in zip(jobs, grades, strict=True):
                        if not one.passed and name != "stubs":
                            print(f"      {job.name}: {one.reason} {one.detail[:90]}")


if __name__ == "__main__":
    main()
