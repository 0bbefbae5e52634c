"""The maker of code with a model's answers written by hand: what is kept, and why the rest is not.

The rounds are run task by task, as the pipeline runs them, but for the model's, whose completions
are put in their place: they are data.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.store import Store
from pipeline.task import Receipt, Task, execute
from stages.synthesize.candidates import CANDIDATES_FILE
from stages.synthesize.code_config import CodeConfig, CodeTestsConfig, SandboxConfig
from stages.synthesize.functions import pure_functions
from stages.synthesize.grading import grade
from stages.synthesize.requests import read_requests
from stages.synthesize.sandbox import Sandbox

TASKS = [
    {
        "task": "Write a function last(items) that returns the last item, or None.",
        "name": "last",
        "tests": ["assert last([1, 2]) == 2", "assert last([]) is None"],
    },
    {"task": "Write a function double(number) that doubles a number."},
]
LAST = 'def last(items):\n    """Last item."""\n    return items[-1] if items else None\n'
DOUBLE = "def double(number):\n    return 2 * number\n"


class Run:
    """A store, and tasks that run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "workspace")
        self.store.root.mkdir()
        self.judgements = 0
        self.judging = {
            "tests": CodeTestsConfig().model_dump(mode="json"),
            "sandbox": SandboxConfig(seconds=1).model_dump(mode="json"),
        }

    def task(self, name: str, arguments: dict[str, Any], **locations: str) -> Receipt:
        function = f"stages.synthesize.{name}"
        folder = f"store/synthetic/code/{name.split(':')[1]}"
        task = Task(function, folder, 1, arguments, name, locations=locations)
        return execute(task, self.store)[0]

    def judged(self, requests: Receipt, completions: list[str]) -> list[dict[str, Any]]:
        """The candidates that come of one completion a request, or several of one request."""
        asked = len(read_requests(self.store.path(requests.path("requests-00000.jsonl"))))
        self.judgements += 1
        folder = f"given/{self.judgements}"
        self.store.path(folder).mkdir(parents=True)
        files = [f"{folder}/{sample}.jsonl" for sample in range(len(completions) // asked)]
        for number, text in enumerate(completions):
            line = {"key": f"{number:032x}", "text": text, "tokens": 9, "finish": "stop"}
            with self.store.path(files[number // asked]).open("a") as file:
                file.write(json.dumps(line) + "\n")
        arguments = {
            "requests": requests.path("requests-00000.jsonl"),
            "completions": files,
            "model": {"name": "hand", "sha256": "0" * 64},
            "sampling": {"temperature": 0.0},
            **self.judging,
            "echoes": {},
        }
        self.verified = self.task("code_samples:verify_code", arguments)
        path = self.store.path(self.verified.path(CANDIDATES_FILE))
        return [json.loads(line) for line in path.read_text().splitlines()]

    def tasks_of_file(self, tasks: list[Any]) -> Receipt:
        path = self.folder / "tasks.jsonl"
        path.write_text("".join(json.dumps(task) + "\n" for task in tasks))
        arguments = {"count": None, "sha256": "1" * 64, "chunk": 100}
        return self.task("code_seeds:tasks_of_file", arguments, tasks=str(path))

    def seeds_of(self, *functions: str, make: tuple[str, ...]) -> Receipt:
        """Requests for functions, as if they had been found in documents."""
        lines = []
        for number, source in enumerate(functions):
            (function,) = pure_functions(source)
            seed = {"hash": str(number), "id": f"{number:02x}", "source": "code", "locator": "a.py"}
            lines.append(json.dumps({**seed, "function": asdict(function)}) + "\n")
        self.store.path("functions.jsonl").write_text("".join(lines))
        seeds = {"seeds": {"count": 10, "make": make}, "chunk": 100}
        ranked = self.task("code_seeds:rank_functions", {"functions": ["functions.jsonl"], **seeds})
        self.tested = [
            self.task(
                "code_seeds:test_functions", {"candidates": ranked.path(name), **self.judging}
            )
            for name in sorted(ranked.files)
        ]
        paths = [receipt.path("functions.jsonl") for receipt in self.tested]
        return self.task("code_seeds:request_functions", {"tested": paths, **seeds})


@pytest.fixture
def run(tmp_path: Path, strong_sandbox: Sandbox) -> Run:
    return Run(tmp_path)


def reasons(candidates: list[dict[str, Any]]) -> list[str | None]:
    return [one["fault"] and one["fault"]["reason"] for one in candidates]


def test_given_tests_decide_on_a_task(run: Run, strong_sandbox: Sandbox) -> None:
    requests = run.tasks_of_file(TASKS[:1] * 6)
    candidates = run.judged(
        requests,
        [
            f"```python\n{LAST}\nassert last([3]) == 3\nassert last([3]) == 4\n```",
            LAST.replace("-1", "0"),
            LAST.replace("last(", "final("),
            "It is items[-1].",
            LAST.replace("return", "print(items)\n    return"),
            LAST.replace("return", "import os\n    x = 1\n    return"),
        ],
    )
    assert reasons(candidates) == [
        None,
        "reference_fails",
        "not_pure",
        "does_not_parse",
        "not_pure",
        "not_pure",
    ]
    kept = candidates[0]
    assert kept["text"].startswith(LAST + "\n\ndef test_last():\n    assert last([1, 2]) == 2\n")
    assert "last([3]) == 3" in kept["text"]
    assert "last([3]) == 4" not in kept["text"]
    chain = kept["metadata"]["synthesis"]
    assert chain["verdict"]["own"] == {"right": 1, "wrong": 1}
    assert chain["verdict"]["tests"]["given"] == 2
    assert chain["verdict"]["by"] == "given tests"
    assert chain["sandbox"] == {"level": strong_sandbox.level}
    assert chain["seed"]["id"] == "tasks.jsonl:1"
    assert chain["steps"][0]["template"]["name"] == "code-task"
    function, tests = kept["text"].split("\n\n\n")
    assert grade(strong_sandbox, function, f"{tests}\ntest_last()").passed


def test_without_given_tests_the_models_own_must_hold(run: Run) -> None:
    requests = run.tasks_of_file(TASKS[1:] * 4)
    right, wrong = "assert double(4) == 8\n", "assert double(4) == 9\nassert double(5) == 9\n"
    candidates = run.judged(
        requests, [DOUBLE + right, DOUBLE, DOUBLE + wrong, DOUBLE + right + wrong]
    )
    assert reasons(candidates) == [None, "own_tests_fail", "own_tests_fail", "own_tests_fail"]
    assert '"""Write a function double(number) that doubles' in candidates[0]["text"]


def test_a_function_written_anew_must_answer_as_the_original(run: Run) -> None:
    original = LAST.replace("items else None", "len(items) > 0 else None  # empty")
    requests = run.seeds_of(original, make=("implement",))
    assert requests.value["seeds"] == 1
    (request,) = read_requests(run.store.path(requests.path("requests-00000.jsonl")))
    assert "return" not in request.messages[-1]["content"].split("```python")[1]
    assert len(request.about["cases"]) >= 3

    def judge(completion: str) -> dict[str, Any]:
        (candidate,) = run.judged(requests, [completion])
        return candidate

    other = (
        "def last(items):\n    for item in reversed(items):\n        return item\n    return None\n"
    )
    kept = judge(other)
    assert kept["fault"] is None
    assert '"""Last item."""' in kept["text"]
    agrees, cases = kept["metadata"]["synthesis"]["verdict"]["agrees"]
    assert agrees == cases
    assert (
        judge("    return items[-1] if len(items) > 0 else None")["fault"]["reason"]
        == "echoes_seed"
    )
    assert judge(other.replace("reversed", ""))["fault"]["reason"] == "answer_wrong"
    assert (
        judge("def last(items):\n    while True:\n        pass\n    return 1\n")["fault"]["reason"]
        == "answer_wrong"
    )


COUNT_WORDS = '''
def count_words(text: str):
    """How often each word stands in a text.

    >>> count_words("a b a")
    {'a': 2, 'b': 1}
    """
    counts = {}
    for word in text.lower().split():
        if word.isalpha():
            counts[word] = counts.get(word, 0) + 1
    return counts
'''


def test_a_function_that_hardly_differs_from_its_seed_echoes_it(run: Run) -> None:
    requests = run.seeds_of(COUNT_WORDS, make=("implement",))
    hardly = COUNT_WORDS.replace("    return counts", "    result = counts\n    return result")
    anew = (
        "def count_words(text: str):\n    words = [w for w in text.lower().split() if w.isalpha()]"
        "\n    return {w: words.count(w) for w in words}\n"
    )
    ((near,), (far,)) = (run.judged(requests, [text]) for text in (hardly, anew))
    assert near["fault"]["reason"] == "echoes_seed"
    assert "n-grams stand in the seed" in near["fault"]["detail"]
    assert far["fault"] is None


def test_a_function_that_stands_in_its_task_echoes_it(run: Run) -> None:
    given = "if not items: return None\n    return items[-1]"
    task = f"Write last(items). It should do this: {given}"
    tests = ["assert last([1, 2]) == 2", "assert last([]) is None"]
    requests = run.tasks_of_file([{"task": task, "name": "last", "tests": tests}] * 2)
    copied, own = run.judged(requests, [f"def last(items):\n    {given}\n", LAST])
    assert copied["fault"]["reason"] == "echoes_seed"
    assert own["fault"] is None


def test_tests_for_a_function_must_hold_and_tell(run: Run) -> None:
    requests = run.seeds_of(LAST, make=("tests",))
    (one,) = run.judged(
        requests, ["assert last(['q']) == 'q'\nassert last(['q']) == 7\nassert last("]
    )
    assert one["fault"] is None
    assert one["text"].startswith(LAST)
    assert "assert last(['q']) == 'q'" in one["text"]
    assert one["metadata"]["synthesis"]["verdict"]["own"] == {"right": 1, "wrong": 1}
    (gone_on,) = run.judged(requests, ["['z']) == 'z'\n```"])
    assert gone_on["metadata"]["synthesis"]["verdict"]["own"] == {"right": 1, "wrong": 0}
    (none,) = run.judged(requests, ["Here are some tests: test 1, test 2."])
    assert none["fault"]["reason"] == "no_own_test"


def test_functions_that_no_test_can_tell_are_no_seeds(run: Run) -> None:
    constant = 'def one(x: int):\n    """One."""\n    return 1\n'
    random = 'def r(x: int):\n    """Varies."""\n    return list({str(x), "a", "b", "c", "d"})\n'
    copy = LAST
    requests = run.seeds_of(LAST, constant, random, copy, make=("implement", "tests"))
    assert requests.value == {"seeds": 1, "requests": 2}
    assert [receipt.value["tried"] for receipt in run.tested] == [3]


def test_every_sample_is_a_document_or_dropped_for_a_reason(run: Run) -> None:
    requests = run.tasks_of_file(TASKS[:1] * 3)
    run.judged(requests, [LAST, LAST, "no"])
    receipt = run.task(
        "code_samples:write_code",
        {
            "source": "synthetic/code",
            "candidates": [run.verified.path(CANDIDATES_FILE)],
            "rewards": [],
            "reward": None,
            "diversity": {},
            "part_bytes": 1_000_000,
        },
    )
    value = receipt.value
    assert value["records"] == 3
    assert value["skipped"] == {"does_not_parse": 1, "near_duplicate": 1}
    (part,) = value["parts"]
    table = pq.read_table(run.store.path(receipt.path(part["file"])))
    assert table.num_rows == 1
    assert json.loads(table["metadata"][0].as_py())["synthesis"]["maker"] == "code"


def test_rewards_choose_among_what_was_verified(run: Run) -> None:
    requests = run.tasks_of_file(TASKS[:1])
    other = LAST.replace("items[-1] if items else None", "None if not items else items[-1]")
    assert reasons(run.judged(requests, ["no", LAST, other])) == ["does_not_parse", None, None]
    scores = [{"key": "a", "score": 1.5}, {"key": "b", "score": 2.5}]
    run.store.path("rewards.jsonl").write_text("".join(json.dumps(s) + "\n" for s in scores))
    model = {"name": "reward", "sha256": "2" * 64}
    receipt = run.task(
        "code_samples:write_code",
        {
            "source": "synthetic/code",
            "candidates": [run.verified.path(CANDIDATES_FILE)],
            "rewards": ["rewards.jsonl"],
            "reward": {"model": model, "top_k": 1, "minimum": None},
            "diversity": {},
            "part_bytes": 1_000_000,
        },
    )
    assert receipt.value["skipped"] == {"does_not_parse": 1, "reward_outranked": 1}
    (part,) = receipt.value["parts"]
    table = pq.read_table(run.store.path(receipt.path(part["file"])))
    assert "None if not items" in table["text"][0].as_py()
    told = json.loads(table["metadata"][0].as_py())["synthesis"]["reward"]
    assert told == {"model": model, "score": 2.5, "rank": 1, "margin": 1.0}


@pytest.mark.parametrize(
    "line", ["no json", "[]", '{"name": "f"}', '{"task": "x", "tests": ["a"]}']
)
def test_a_damaged_task_is_named(run: Run, line: str) -> None:
    path = run.folder / "tasks.jsonl"
    path.write_text(json.dumps(TASKS[1]) + "\n" + line + "\n")
    arguments = {"count": None, "sha256": "1" * 64, "chunk": 100}
    with pytest.raises(ValueError, match=r"tasks\.jsonl:2: not a task"):
        run.task("code_seeds:tasks_of_file", arguments, tasks=str(path))


def test_a_recipe_without_seeds_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to start from"):
        CodeConfig.model_validate({"generator": {"model": "m"}})
    with pytest.raises(ValueError, match="knows arithmetic"):
        CodeConfig.model_validate({"generator": {"model": "m"}, "seeds": {}, "reward": {}})
