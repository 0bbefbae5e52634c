"""Ready definitions against records in the layouts in which the benchmarks are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages.decontaminate.benchmark import BenchmarkConfig, read_sequences
from stages.decontaminate.registry import DEFINITIONS, definition

QUESTION = "What is red?"
CHOSEN = {
    "question": QUESTION,
    "question_choices": f"{QUESTION}\nA. blood\nB. grass",
    "question_answer": f"{QUESTION}\nblood",
}
LABELLED = {"text": ["blood", "grass"], "label": ["A", "B"]}
WINOGRANDE = {
    "completed_1": "The cup broke because the cup fell.",
    "completed_2": "The cup broke because the table fell.",
}

LAYOUTS: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("gsm8k", {"question": "q", "answer": "s"}, {"question": "q", "solution": "s"}),
    ("math", {"problem": "p", "level": "Level 5", "type": "Algebra", "solution": "s"}, {
        "question": "p", "question_answer": "p\ns", "solution": "s",
    }),
    ("math_500", {"problem": "p", "solution": "s", "answer": "1", "unique_id": "test/1.json"}, {
        "question": "p", "solution": "s",
    }),
    ("mmlu", {"question": QUESTION, "subject": "x", "choices": ["blood", "grass"], "answer": 0},
        CHOSEN),
    ("mmlu_pro", {"question_id": 7, "question": QUESTION, "options": ["blood", "grass"],
        "answer": "A", "answer_index": 0}, CHOSEN),
    ("cmmlu", {"Question": QUESTION, "A": "blood", "B": "grass", "C": "sky", "D": "sea",
        "Answer": "A"}, {"question_choices": f"{QUESTION}\nA. blood\nB. grass\nC. sky\nD. sea",
        "question_answer": f"{QUESTION}\nblood"}),
    ("arc_challenge", {"id": "M_1", "question": {"stem": QUESTION, "choices": [
        {"text": "blood", "label": "A"}, {"text": "grass", "label": "B"}]}, "answerKey": "A"},
        CHOSEN),
    ("arc_easy", {"id": "M_1", "question": QUESTION, "choices": LABELLED, "answerKey": "A"},
        CHOSEN),
    ("openbookqa", {"id": "1", "question_stem": QUESTION, "choices": LABELLED, "answerKey": "A"},
        CHOSEN),
    ("commonsense_qa", {"id": "1", "question": QUESTION, "question_concept": "red",
        "choices": LABELLED, "answerKey": "A"}, CHOSEN),
    ("commonsense_qa", {"query": f"Question: {QUESTION}\nChoices:\nA. blood\nB. grass\nAnswer:",
        "choices": ["A", "B"], "gold": 0}, CHOSEN),
    ("hellaswag", {"ind": 4, "ctx": QUESTION, "endings": ["blood", "grass"], "label": "0"},
        CHOSEN),
    ("hellaswag", {"ind": 4, "ctx": QUESTION, "endings": ["blood", "grass"], "label": ""},
        {"question": QUESTION}),
    ("humaneval", {"task_id": "HumanEval/0", "prompt": "def f():\n", "entry_point": "f",
        "canonical_solution": "    return 1\n", "test": "def check(f): pass"}, {
        "prompt": "def f():\n", "prompt_solution": "def f():\n    return 1\n",
        "solution": "    return 1\n"}),
    ("mbpp", {"task_id": 1, "text": "Write f.", "code": "f = 1", "test_list": ["assert f"]}, {
        "prompt": "Write f.", "prompt_solution": "Write f.\nf = 1", "solution": "f = 1"}),
    ("sanitized_mbpp", {"task_id": 1, "prompt": "Write f.", "code": "f = 1", "test_imports": []}, {
        "prompt": "Write f.", "solution": "f = 1"}),
    ("truthfulqa", {"Type": "Adversarial", "Question": QUESTION, "Best Answer": "blood",
        "Correct Answers": "blood; wine"}, {
        "question": QUESTION, "question_answer": f"{QUESTION}\nblood"}),
    ("truthful_qa", {"question": QUESTION, "mc1_targets": {"choices": ["blood", "grass"],
        "labels": [1, 0]}}, {"question_choices": CHOSEN["question_choices"]}),
    ("truthful_qa", {"question": QUESTION, "mc1_targets": {"blood": 1, "grass": 0}},
        {"question_choices": CHOSEN["question_choices"]}),
    ("bbh", {"input": f"{QUESTION}\nOptions:\n(A) blood\n(B) grass", "target": "(A)"}, CHOSEN),
    ("bbh", {"input": "not True is", "target": "False"}, {
        "question": "not True is", "question_answer": "not True is\nFalse"}),
    ("gpqa_diamond", {"Record ID": "rec0", "Question": QUESTION, "Correct Answer": "blood",
        "Incorrect Answer 1": "grass", "Explanation": "Iron."}, {
        "question": QUESTION, "question_answer": f"{QUESTION}\nblood", "solution": "Iron."}),
    ("mgsm", {"question": QUESTION, "answer": None, "answer_number": 5,
        "equation_solution": None}, {"question_answer": f"{QUESTION}\n5"}),
    ("mgsm", {"question": QUESTION, "answer": "Eins.", "answer_number": 5}, {
        "question_answer": f"{QUESTION}\n5", "solution": "Eins."}),
    ("livecodebench", {"question_title": "A", "question_content": "Count.", "question_id": "1_A",
        "starter_code": ""}, {"prompt": "Count."}),
    ("boolq", {"question": QUESTION, "title": "Red", "answer": True, "passage": "Red is."}, {
        "question": QUESTION, "passage_question": f"Red is.\n{QUESTION}"}),
    ("boolq", {"query": f"Passage: Red is.\nQuestion: {QUESTION}", "choices": ["no", "yes"],
        "gold": 1}, {"question": QUESTION, "passage_question": f"Red is.\n{QUESTION}"}),
    ("piqa", {"goal": QUESTION, "sol1": "blood", "sol2": "grass", "label": 0}, CHOSEN),
    ("piqa", {"query": f"Question: {QUESTION}\n", "choices": ["blood", "grass"], "gold": 0},
        CHOSEN),
    ("winogrande", {"sentence": "The cup broke because the _ fell.", "option1": "cup",
        "option2": "table", "answer": "1"}, WINOGRANDE),
    ("winogrande", {"context_options": ["The cup broke because the cup",
        "The cup broke because the table"], "continuation": "fell.", "gold": 0}, WINOGRANDE),
    ("theoremqa", {"Question": QUESTION, "Answer": 1.5, "id": "x.json"}, {
        "question_answer": f"{QUESTION}\n1.5"}),
    ("cruxeval", {"code": "def f(): pass", "input": "", "output": "None", "id": "sample_0"},
        {"prompt": "def f(): pass"}),
    ("ifeval", {"key": 1000, "prompt": "Write.", "kwargs": [{}]}, {"question": "Write."}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "record", "expected"), LAYOUTS)
def test_published_layouts_need_only_a_name(
    tmp_path: Path, name: str, record: dict[str, Any], expected: dict[str, str]
) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([record]), encoding="utf-8")
    sequences, items = read_sequences(name, path, BenchmarkConfig(path=str(path)))
    found = {sequence.name: sequence.text for sequence in sequences}
    assert items == 1
    assert {part: found.get(part) for part in expected} == expected
    if "question_answer" not in expected:
        assert "question_answer" not in found or "solution" in found


def test_every_definition_has_a_layout() -> None:
    tested = {id(definition(name)) for name, _, _ in LAYOUTS}
    assert {name for name, ready in DEFINITIONS.items() if id(ready) not in tested} == set()


def test_names_of_definitions() -> None:
    assert definition("HumanEval") is DEFINITIONS["humaneval"]
    assert definition("ARC-Challenge") is definition("arc_easy")
    with pytest.raises(KeyError, match=r"Did you mean `gsm8k`.*Known: arc, bbh"):
        definition("gms8k")


FILES = {
    "arc_challenge": ("arc_challenge.jsonl.gz", 1172),
    "arc_easy": ("arc_easy.jsonl.gz", 2376),
    "bbh": ("bbh.jsonl.gz", 6511),
    "boolq": ("boolq.jsonl.gz", 3270),
    "commonsense_qa": ("commonsense_qa.jsonl.gz", 1221),
    "cruxeval": ("cruxeval.jsonl.gz", 800),
    "gsm8k": ("gsm8k_test.jsonl.gz", 1319),
    "hellaswag": ("hellaswag_sample.jsonl.gz", 1000),
    "humaneval": ("HumanEval.jsonl.gz", 164),
    "ifeval": ("ifeval.jsonl.gz", 541),
    "math": ("math500.jsonl.gz", 500),
    "mbpp": ("mbpp.jsonl.gz", 974),
    "mmlu": ("mmlu_test.jsonl.gz", 14042),
    "openbook_qa": ("openbook_qa.jsonl.gz", 500),
    "piqa": ("piqa.jsonl.gz", 1838),
    "theoremqa": ("theoremqa_test.json.gz", 800),
    "winogrande": ("winogrande.jsonl.gz", 1267),
}


@pytest.mark.parametrize("name", FILES)
def test_real_files_need_only_a_path(shared_data: Path, name: str) -> None:
    file, items = FILES[name]
    path = shared_data / "open" / "benchmarks" / file
    sequences, number = read_sequences(name, path, BenchmarkConfig(path=str(path)))
    assert number == items
    assert len(sequences) >= items
    assert {"prompt", "question", "completed_1"} & {sequence.name for sequence in sequences}
    assert not any(
        sequence.text.startswith(("Question:", "Passage:")) or "Choices:\nA." in sequence.text
        for sequence in sequences
    )
