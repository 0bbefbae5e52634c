"""Seeds of code: functions of the corpus that can be tested, and tasks of a file."""

from __future__ import annotations

import gzip
import heapq
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from pipeline.corpus import open_view
from pipeline.fingerprint import fingerprint
from pipeline.task import TaskRun
from stages.synthesize.cases import EXAMPLE, Case, derive_cases, example_calls
from stages.synthesize.code_config import (
    IMPLEMENT,
    TASK,
    TESTS,
    FunctionSeedsConfig,
    SandboxConfig,
    TestingConfig,
)
from stages.synthesize.functions import Function, pure_functions
from stages.synthesize.prompts import load_template
from stages.synthesize.requests import Request, write_requests
from stages.synthesize.sandbox import Limits, Sandbox
from stages.synthesize.self_test import find_sandbox
from stages.synthesize.verification import verify_tests

Json = Any

FUNCTIONS_FILE = "functions.jsonl"
TEMPLATES = {IMPLEMENT: "code-implement", TESTS: "code-tests", TASK: "code-task"}
_SPARE = 6
"""Candidates of a part for every function wanted: most cannot be tested with values of ours."""


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
    with (run.output / FUNCTIONS_FILE).open("w", encoding="utf-8") as file:
        for place in places:
            file.write(json.dumps(found[place], sort_keys=True) + "\n")
    return {"functions": len(found)}


def choose_functions(run: TaskRun) -> Json:
    """Chooses among the functions of all parts those that tests can tell from wrong versions, in
    the order of their hashes; writes the requests."""
    config = FunctionSeedsConfig(**run.arguments["seeds"])
    candidates: dict[str, dict[str, Json]] = {}
    for path in run.arguments["functions"]:
        with run.path(path).open(encoding="utf-8") as lines:
            for line in lines:
                seed = json.loads(line)
                # of copies of a function, the one with the smallest hash
                other = candidates.get(seed["function"]["source"], seed)
                candidates[seed["function"]["source"]] = min(seed, other, key=_place)
    tests = TestingConfig(**run.arguments["tests"])
    sandbox = SandboxConfig(**run.arguments["sandbox"])
    chosen: list[dict[str, Json]] = []
    tried = 0
    for seed in sorted(candidates.values(), key=_place):
        if len(chosen) == config.count:
            break
        tried += 1
        cases = _testing_cases(
            shared_sandbox(sandbox.weakest), function_of(seed["function"]), tests, sandbox.limits
        )
        if cases:
            chosen.append({**seed, "cases": [asdict(case) for case in cases]})
    asked = write_requests(run.output, _requests(chosen, config), run.arguments["chunk"])
    return {
        "functions": len(candidates),
        "tried": tried,
        "seeds": len(chosen),
        "requests": asked,
        "level": shared_sandbox(sandbox.weakest).level,
    }


def _place(seed: dict[str, Json]) -> str:
    return str(seed["hash"])


def _testing_cases(
    sandbox: Sandbox, function: Function, tests: TestingConfig, limits: Limits
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
    count = run.arguments["count"]
    requests: list[Request] = []
    with _opened(path) as lines:
        for number, line in enumerate(lines, start=1):
            if count is not None and len(requests) == count:
                break
            if line.strip():
                requests.append(_task(line, f"{path.name}:{number}", run.arguments["sha256"]))
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


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")
