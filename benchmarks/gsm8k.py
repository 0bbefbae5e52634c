"""Solutions of OpenAI's grade-school-math with labels, as benchmarks and tests read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import read_records, shared_data

AUTHORS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


@dataclass(frozen=True)
class Solution:
    """One model's solution of a problem, and whether it is labelled right."""

    problem: int
    author: str
    question: str
    text: str
    truth: str
    right: bool


def default_solutions() -> Path:
    """Where the file lies among the measuring data."""
    return shared_data() / "open" / "rm" / "gsm8k_example_model_solutions.jsonl.gz"


def read_solutions(path: Path) -> list[Solution]:
    """The solutions of all problems in order, four a problem (AUTHORS)."""
    found = []
    for problem, row in enumerate(read_records(path)):
        truth = row["ground_truth"].rpartition("A: ")[2]
        for author in AUTHORS:
            written = row[author]
            text, right = written["solution"], written["is_correct"]
            found.append(Solution(problem, author, row["question"], text, truth, right))
    return found
