"""Synthetic mathematics from end to end: a tiny real model, and completions handed over."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from classifiers.generator.engine import Sampling
from classifiers.generator.generator import request_key
from manifests.explain import explain_document
from manifests.manifest import Manifest
from manifests.verify import verify_workspace
from pipeline.build import Built, build
from pipeline.draft import RecipeError
from pipeline.engines.local import LocalEngine
from pipeline.inputs import Checksums
from pipeline.observer import Silence
from pipeline.recipe import Recipe
from pipeline.recipe_check import recipe_from
from pipeline.store import Store
from pipeline.task import Receipt, Task
from stages.catalog import CATALOG
from stages.synthesize.procedural import procedural_problems
from stages.synthesize.prompts import load_template
from tests.classifiers.tiny_model import write_tiny_model

QUICK = {"temperature": 1.0, "max_tokens": 6}
TASKS = {"chain_sum": {"max_terms": 2, "max_digits": 2}}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("generator"))


def recipe_for(folder: Path, tiny: Path, **settings: Any) -> Recipe:
    generator = {"model": str(tiny), "dtype": "float32", "chunk": 4, "batch": 4}
    generator |= settings.pop("generator", {})
    stages = settings.pop("stages", {"kind": {}})
    settings.setdefault("diversity", {"max_similarity": 1.0})
    sources = settings.pop("sources", [])
    content = {
        "sources": sources or None,
        "synthesize": {"synthetic/math": {"generator": generator, "sampling": QUICK, **settings}},
        "stages": stages,
    }
    workspace = settings.pop("workspace", "w")
    content["synthesize"]["synthetic/math"].pop("workspace", None)
    return recipe_from(content, CATALOG, folder, folder / workspace)


def run(recipe: Recipe, workers: int = 1) -> Built:
    return build(recipe, CATALOG, lambda store: LocalEngine(store, workers), Silence(), "test")


def hand_over(path: Path, tiny: Path, solutions: Iterable[tuple[str, list[str]]]) -> None:
    """Writes completions for questions, as if the model had made them."""
    sha256 = Checksums(Store(path.parent)).of_path(tiny)
    lines = []
    for question, texts in solutions:
        messages = load_template("math-solution").messages(question=question)
        for sample, text in enumerate(texts):
            sampling = Sampling(temperature=1.0, top_p=0.8, max_tokens=6)
            key = request_key(sha256, sampling, messages, sample)
            lines.append(json.dumps({"key": key, "text": text, "tokens": 5, "finish": "stop"}))
    path.write_text("\n".join(lines) + "\n")


def documents_of(manifest: Manifest) -> list[dict[str, Any]]:
    files = manifest.files
    chosen = files.filter((files["stage"] == "synthetic/math") & (files["role"] == "documents"))
    tables = [pq.read_table(manifest.workspace / path) for path in chosen["path"]]
    return [row for table in tables for row in table.to_pylist()]


def procedural(count: int) -> dict[str, Any]:
    return {"count": count, "tasks": TASKS}


@pytest.fixture
def answered(tmp_path: Path, tiny: Path) -> Manifest:
    """Six problems of which one is always solved, one never, the others now and then."""
    problems = procedural_problems(TASKS, 6, 0)
    told = []
    for number, problem in enumerate(problems):
        right = f"{problem.question.split(':')[-1].strip(' =')} = {problem.answer}"
        texts = [
            f"{right}\nThe answer is {problem.answer}. Now for something else: 1 + 1 = 3",
            f"It must be {int(problem.answer or 0) + 1}.",
            f"We add up, number by number, {number} times.\nThe answer is {problem.answer}.",
        ]
        texts = [texts[0], texts[2], texts[2]] if number == 0 else texts
        texts = [texts[1]] * 3 if number == 1 else texts
        told.append((problem.question, texts))
    hand_over(tmp_path / "answers.jsonl", tiny, told)
    answers = {"answers": "answers.jsonl"}
    return run(
        recipe_for(tmp_path, tiny, n=3, procedural=procedural(6), generator=answers)
    ).manifest


def test_every_sample_is_a_document_or_has_a_reason(answered: Manifest) -> None:
    made = answered.sources["synthetic/math"]
    assert made["records"] == 6 * 3
    # of the first problem two solutions are the same
    assert made["skipped"] == {"answer_wrong": 3 + 4, "near_duplicate": 1}
    assert made["documents"] == 10
    assert made["record"]["marks"] == {"all_right": 3, "none_right": 3}
    funnel = dict(made["record"]["funnel"])
    assert (funnel["solutions"], funnel["verified"]) == (18, 11)
    assert verify_workspace(answered).passed


def test_documents_hold_their_whole_chain(answered: Manifest, tiny: Path) -> None:
    problems = {problem.question: problem for problem in procedural_problems(TASKS, 6, 0)}
    documents = documents_of(answered)
    assert len(documents) >= 5
    for document in documents:
        question, _, solution = document["text"].partition("\n\n")
        chain = json.loads(document["metadata"])["synthesis"]
        answer = problems[question].answer
        assert chain["seed"]["id"] == problems[question].seed["id"]
        assert (chain["verdict"]["answer"], chain["verdict"]["given"]) == (answer, answer)
        (step,) = chain["steps"]
        assert step["template"]["sha256"] == load_template("math-solution").sha256
        assert step["model"]["name"] == tiny.name
        assert step["sampling"]["temperature"] == 1.0
        assert f"/{step['sampling']['sample']}" in document["locator"]
        assert "something else" not in solution
        (story,) = explain_document(answered, document["locator"])
        assert story.metadata["synthesis"] == chain


def test_a_dropped_sample_can_be_asked_why(answered: Manifest) -> None:
    (story,) = explain_document(answered, "procedural/chain_sum/0/1/2")
    assert story.outcome.startswith("set aside by synthetic/math: answer_wrong (it says ")
    assert story.metadata["synthesis"]["verdict"]["mark"] == "none_right"
    assert story.text.startswith(procedural_problems(TASKS, 2, 0)[1].question)


def test_workers_do_not_show_and_nothing_is_asked_twice(tmp_path: Path, tiny: Path) -> None:
    one = recipe_for(tmp_path, tiny, n=2, procedural=procedural(6), workspace="a")
    two = recipe_for(tmp_path, tiny, n=2, procedural=procedural(6), workspace="b")
    with pytest.raises(RecipeError, match="no document was made"):
        run(one)  # a tiny model is never right
    with pytest.raises(RecipeError, match="no document was made"):
        run(two, workers=2)
    ours = {p.relative_to(tmp_path / "a"): p for p in (tmp_path / "a/store").rglob("*.jsonl")}
    assert len(ours) > 6
    for relative, path in ours.items():
        assert path.read_bytes() == (tmp_path / "b" / relative).read_bytes()


def test_recorded_completions_give_the_same_bytes(
    answered: Manifest, tmp_path: Path, tiny: Path
) -> None:
    given = answered.workspace / "synthesis/synthetic/math/answers.jsonl"
    settings = {"n": 3, "procedural": procedural(6), "generator": {"answers": str(given)}}
    again = run(recipe_for(tmp_path, tiny, workspace="again", **settings), workers=2).manifest
    assert documents_of(again) == documents_of(answered)
    recorded = again.workspace / "synthesis/synthetic/math/answers.jsonl"
    assert recorded.read_bytes() == given.read_bytes()
    for receipt in (again.workspace / "store/synthetic/math/solutions").rglob("receipt.json"):
        value = json.loads(receipt.read_text())["value"]
        assert value["handed_over"] == value["requests"] > 0


class _InterruptedError(Exception):
    """What ends a run in the middle."""


class _Engine(LocalEngine):
    """Counts tasks of generation; ends the run when as many are done as it may do."""

    def __init__(self, store: Store, limit: int | None, done: list[str]) -> None:
        super().__init__(store, 1)
        self.limit = limit
        self.done = done

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, list[Receipt]]]:
        for task in tasks:
            if "complete_requests" in task.function:
                if self.limit is not None and len(self.done) == self.limit:
                    raise _InterruptedError
                self.done.append(task.fingerprint)
            yield from super().run([task])


def generated(recipe: Recipe, limit: int | None = None) -> list[str]:
    """The fingerprints of the tasks of generation that a build runs."""
    done: list[str] = []

    def start(store: Store) -> _Engine:
        return _Engine(store, limit, done)

    with pytest.raises((_InterruptedError, RecipeError)):
        build(recipe, CATALOG, start, Silence(), "test")
    return done


def test_an_interrupted_run_repeats_no_finished_request(tmp_path: Path, tiny: Path) -> None:
    settings: dict[str, Any] = {"n": 2, "procedural": procedural(10)}
    before = generated(recipe_for(tmp_path, tiny, **settings), limit=2)
    after = generated(recipe_for(tmp_path, tiny, **settings))
    assert (len(before), len(after)) == (2, 4)  # three files of requests, two samples each
    assert not set(before) & set(after)
    assert generated(recipe_for(tmp_path, tiny, **settings)) == []
    more = generated(recipe_for(tmp_path, tiny, n=3, procedural=procedural(10)))
    assert len(more) == 3  # the third sample of each file


def test_another_wording_asks_anew(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"n": 1, "procedural": procedural(2)}
    assert generated(recipe_for(tmp_path, tiny, **settings))
    assert generated(recipe_for(tmp_path, tiny, **settings)) == []
    written = load_template("math-solution")
    changed = replace(written, user=f"Please. {written.user}", sha256="0" * 64)
    for module in ("prompts", "questions", "solutions"):
        monkeypatch.setattr(f"stages.synthesize.{module}.load_template", lambda _: changed)
    assert generated(recipe_for(tmp_path, tiny, **settings))


def test_a_vote_decides_where_no_answer_is_known(tmp_path: Path, tiny: Path) -> None:
    questions = ["How many days have two weeks?", "How many legs has a healthy spider?", "What?"]
    lines = [json.dumps({"question": question}) for question in questions]
    (tmp_path / "problems.jsonl").write_text("\n".join(lines) + "\n")
    told = [
        (questions[0], ["Two times seven.\nThe answer is 14.", "It is 15.", "It makes 14."]),
        (questions[1], ["It has 6.", "It has 8.", "It has seven or so."]),
    ]
    hand_over(tmp_path / "answers.jsonl", tiny, told)
    recipe = recipe_for(
        tmp_path,
        tiny,
        n=3,
        problems={"path": "problems.jsonl", "count": 2},
        generator={"answers": "answers.jsonl"},
    )
    manifest = run(recipe).manifest
    made = manifest.sources["synthetic/math"]
    assert made["skipped"] == {"no_answer": 1, "no_majority": 2, "outvoted": 1}
    chain = json.loads(documents_of(manifest)[0]["metadata"])["synthesis"]
    verdict = chain["verdict"]
    assert (verdict["kind"], verdict["answer"], verdict["votes"]) == ("majority", "14", [2, 1])
    assert chain["seed"] == {**chain["seed"], "kind": "file", "id": "problems.jsonl:1"}


def test_a_sample_that_echoes_a_benchmark_is_dropped(tmp_path: Path, tiny: Path) -> None:
    question = (
        "A baker has twelve trays with nine rolls on each of them, sells forty rolls before noon"
        " and gives six to a neighbour. How many rolls are left for the afternoon?"
    )
    other = "How many minutes are there in a day and a half of a week that has no holidays in it?"
    lines = [
        json.dumps({"question": question, "answer": "12 * 9 = 108, less 46.\n#### 62"}),
        json.dumps({"question": other, "answer": "2160"}),
    ]
    (tmp_path / "problems.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "gsm8k.jsonl").write_text(lines[0] + "\n")
    told = [
        (question, ["12 * 9 = 108\n108 - 40 - 6 = 62\nThe answer is 62."]),
        (other, ["A day and a half has 36 hours.\n36 * 60 = 2160\nThe answer is 2160."]),
    ]
    hand_over(tmp_path / "answers.jsonl", tiny, told)
    recipe = recipe_for(
        tmp_path,
        tiny,
        n=1,
        problems={"path": "problems.jsonl"},
        generator={"answers": "answers.jsonl"},
        stages={"decontaminate": {"benchmarks": {"gsm8k": {"path": "gsm8k.jsonl"}}}},
    )
    manifest = run(recipe).manifest
    (echo,) = explain_document(manifest, "file/problems.jsonl:1/0")
    assert echo.outcome.startswith("dropped by decontaminate: contaminated")
    assert echo.steps[-1].matches[0].text
    assert echo.metadata["synthesis"]["verdict"]["answer"] == "62"
    (clean,) = explain_document(manifest, "file/problems.jsonl:2/0")
    assert clean.outcome == "kept"


def test_passages_and_problems_of_documents(tmp_path: Path, tiny: Path) -> None:
    proof = (
        "Theorem. Let $p$ be a polynomial of degree $n$ over $F$. Then $p$ has at most $n$ roots."
        " Proof. If $\\alpha$ is a root, $p(x) = (x - \\alpha) q(x)$ with $\\deg q = n - 1$."
    )
    lines = [json.dumps({"text": f"{proof} Example {n}: ${n} + {n} = {2 * n}$."}) for n in range(9)]
    (tmp_path / "math.jsonl").write_text("\n".join(lines) + "\n")
    recipe = recipe_for(
        tmp_path,
        tiny,
        n=2,
        sources=[{"name": "math", "path": "math.jsonl"}],
        seeds={"sources": ["math"], "count": 3, "min_characters": 50},
        evolve={"count": 2},
        procedural=procedural(2),
        writing=QUICK,
    )
    manifest = run(recipe).manifest
    made = manifest.sources["synthetic/math"]
    assert made["records"] == sum(made["skipped"].values()) + made["documents"]
    asked = 3 * 2 + 2 * 3  # passages and questions; three ways of evolution
    assert dict(made["record"]["funnel"])["requested"] >= asked + 2 * 2  # solutions
    told = manifest.workspace.joinpath(
        next(path for path in manifest.content["quarantine"] if "documents" in path)
    ).read_text()
    chains = [json.loads(line)["metadata"]["synthesis"] for line in told.splitlines()]
    corpus = [chain for chain in chains if chain["seed"]["kind"] == "corpus"]
    assert {chain["steps"][0]["made"] for chain in corpus} == {"passage", "question"}
    assert all(chain["seed"]["source"] == "math" for chain in corpus)
    assert len({chain["seed"]["id"] for chain in corpus}) <= 3
    assert verify_workspace(manifest).passed


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "nothing to start from"),
        ({"seeds": {}, "evolve": {}}, "no problems that could evolve"),
        ({"procedural": {"tasks": {"time_intervals": {}}}}, "today's date"),
        ({"procedural": {"tasks": {"chain_sums": {}}}}, "no such task"),
        ({"procedural": {"tasks": {"chain_sum": {"terms": 2}}}}, "chain_sum: .*terms"),
        ({"problems": {"path": "none.jsonl"}}, "there is no file none.jsonl"),
        ({"seeds": {"sources": ["maths"]}}, "no source `maths`"),
    ],
)
def test_settings_that_cannot_be(
    tmp_path: Path, tiny: Path, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(RecipeError, match=told):
        run(recipe_for(tmp_path, tiny, **settings))


@pytest.mark.parametrize("line", ["{", "[]", '{"problem": "x"}', '{"question": " "}'])
def test_files_that_hold_no_problems(tmp_path: Path, tiny: Path, line: str) -> None:
    (tmp_path / "p.jsonl").write_text(f'{{"question": "What is 1 + 1?"}}\n{line}\n')
    recipe = recipe_for(tmp_path, tiny, problems={"path": "p.jsonl"})
    with pytest.raises(RuntimeError, match=r"p\.jsonl:2"):
        run(recipe)
