"""Seeds of code: functions of the corpus that can be tested, and tasks of a file."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from pipeline.corpus import open_view
from pipeline.fingerprint import fingerprint
from pipeline.task import Json, TaskRun
from stages.synthesize.cases import EXAMPLE, Case, derive_cases, example_calls
from stages.synthesize.code_config import (
    IMPLEMENT,
    TASK,
    TESTS,
    CodeTestsConfig,
    FunctionSeedsConfig,
    SandboxConfig,
)
from stages.synthesize.functions import Function, pure_functions
from stages.synthesize.json_lines import given_lines, read_lines, write_lines
from stages.synthesize.prompts import load_template
from stages.synthesize.requests import Request, write_requests
from stages.synthesize.sandbox import Limits, Sandbox
from stages.synthesize.self_test import find_sandbox
from stages.synthesize.verification import verify_tests

FUNCTIONS_FILE = "functions.jsonl"
TEMPLATES = {IMPLEMENT: "code-implement", TESTS: "code-tests", TASK: "code-task"}
_SPARE = 3
"""Candidates for every function wanted: most cannot be tested with values of ours."""
_FEWEST, _MOST, _FILES = 4, 200, 64
"""Functions in a file to be tested, and how many files there are before files grow."""


@lru_cache(maxsize=2)
def shared_sandbox(weakest: str) -> Sandbox:
    """The sandbox of this process; found, with its self-test, once."""
    return find_sandbox(weakest)


def functions_of_part(run: TaskRun) -> Json:
    """Writes ``functions.jsonl``: pure functions of a part's documents, those with the smallest
    hashes, some more than are wanted."""
    config = FunctionSeedsConfig(**run.arguments["seeds"])
    table = open_view(run.store, run.arguments["view"], ("id", "text", "locator")).table
    found: dict[str, dict[str, Json]] = {}
    for row in range(table.num_rows):
        document = table["id"][row].as_py().hex()
        for function in pure_functions(table["text"][row].as_py(), config.max_lines):
            place = fingerprint([config.seed, document, function.name])
            found[place] = {
                "hash": place,
                "id": document,
                "source": run.arguments["source"],
                "locator": table["locator"][row].as_py(),
                "function": asdict(function),
            }
    places = heapq.nsmallest(_SPARE * config.count, found)
    write_lines(run.output / FUNCTIONS_FILE, [found[place] for place in places])
    return {"functions": len(found)}


def rank_functions(run: TaskRun) -> Json:
    """Brings the functions of all parts into the order of their hashes, copies once; writes the
    first of them into files of few, ``functions-*.jsonl``, to be tested side by side."""
    config = FunctionSeedsConfig(**run.arguments["seeds"])
    found: dict[str, dict[str, Json]] = {}
    for path in run.arguments["functions"]:
        for seed in read_lines(run.path(path)):
            other = found.setdefault(seed["function"]["source"], seed)
            found[seed["function"]["source"]] = min(seed, other, key=_place)
    ranked = sorted(found.values(), key=_place)[: _SPARE * config.count]
    size = max(_FEWEST, min(_MOST, -(-len(ranked) // _FILES)))
    for number, begin in enumerate(range(0, len(ranked), size)):
        write_lines(run.output / f"functions-{number:05d}.jsonl", ranked[begin : begin + size])
    return {"functions": len(found), "candidates": len(ranked)}


def test_functions(run: TaskRun) -> Json:
    """Writes ``functions.jsonl``: those of a file that tests can tell from wrong versions, with
    such tests."""
    tests = CodeTestsConfig(**run.arguments["tests"])
    config = SandboxConfig(**run.arguments["sandbox"])
    sandbox = shared_sandbox(config.weakest)
    tested = []
    candidates = read_lines(run.path(run.arguments["candidates"]))
    for seed in candidates:
        cases = _testing_cases(sandbox, function_of(seed["function"]), tests, config.limits)
        if cases:
            tested.append({**seed, "cases": [asdict(case) for case in cases]})
    write_lines(run.output / FUNCTIONS_FILE, tested)
    return {"tried": len(candidates), "testable": len(tested), "level": sandbox.level}


def request_functions(run: TaskRun) -> Json:
    """Takes the first functions that can be tested, and writes the requests."""
    config = FunctionSeedsConfig(**run.arguments["seeds"])
    tested = [seed for path in run.arguments["tested"] for seed in read_lines(run.path(path))]
    chosen = tested[: config.count]
    asked = write_requests(run.output, _requests(chosen, config), run.arguments["chunk"])
    return {"seeds": len(chosen), "requests": asked}


def _place(seed: dict[str, Json]) -> str:
    return str(seed["hash"])


def _testing_cases(
    sandbox: Sandbox, function: Function, tests: CodeTestsConfig, limits: Limits
) -> list[Case]:
    """Cases that tell a function from wrong versions; none where there are no such."""
    examples = [(call, EXAMPLE) for call in example_calls(function.docstring, function.name)]
    cases = derive_cases(sandbox, function, examples, tests.count, limits)
    if not cases:
        return []
    program = "\n".join(case.assertion(function.name) for case in cases)
    verdict = verify_tests(
        sandbox, function.source, function.name, program, limits, tests.mutants, tests.min_killed
    )
    return cases if verdict.kept else []


def function_of(content: dict[str, Json]) -> Function:
    """A function from the JSON of its fields."""
    return Function(**{**content, "annotations": tuple(content["annotations"])})


def _requests(seeds: list[dict[str, Json]], config: FunctionSeedsConfig) -> Iterator[Request]:
    for seed in seeds:
        function = seed["function"]
        origin = {"kind": "corpus", **{key: seed[key] for key in ("id", "source", "locator")}}
        about = {"function": function, "cases": seed["cases"]}
        for made in config.make:
            messages = load_template(TEMPLATES[made]).messages(
                head=function["head"], source=function["source"].strip(), name=function["name"]
            )
            told = {"made": made, "seed": {**origin, "function": function["name"]}, **about}
            yield Request(f"{made}/{seed['id']}/{function['name']}", messages, told)


def tasks_of_file(run: TaskRun) -> Json:
    """Writes a request for each task of a file (location ``tasks``). Raises ValueError naming file
    and line of what is no task."""
    path = Path(run.locations["tasks"])
    sha256 = run.arguments["sha256"]
    given = given_lines(path, run.arguments["count"])
    requests = [_task(line, place, sha256) for place, line in given]
    asked = write_requests(run.output, requests, run.arguments["chunk"])
    return {"seeds": asked, "requests": asked}


def _task(line: str, place: str, sha256: str) -> Request:
    try:
        record = json.loads(line)
        text, tests, name = record["task"], record.get("tests", []), record.get("name")
        fits = isinstance(text, str) and isinstance(tests, list) and (name or not tests)
    except (ValueError, KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise ValueError(
            f'{place}: not a task. Each line is {{"task": …}}, with "name" and "tests" (a'
            " list of assertions) where they are known."
        )
    seed = {"kind": "file", "id": place, "source": place.split(":")[0], "sha256": sha256}
    about = {"made": TASK, "seed": seed, "task": text, "name": name, "tests": tests}
    return Request(f"{TASK}/{place}", load_template(TEMPLATES[TASK]).messages(task=text), about)
