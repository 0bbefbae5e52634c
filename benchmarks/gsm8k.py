"""Solutions of OpenAI's grade-school-math with labels, as benchmarks and tests read them."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass
from pathlib import Path

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
    """Where the file lies among shared data (TAMIS_SHARED_DATA, else ``../shared/data``)."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    shared = Path(os.environ.get("TAMIS_SHARED_DATA", default))
    return shared / "open" / "rm" / "gsm8k_example_model_solutions.jsonl.gz"


def read_solutions(path: Path) -> list[Solution]:
    """The solutions of all problems in order, four a problem (AUTHORS)."""
    found = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for problem, line in enumerate(lines):
            row = json.loads(line)
            truth = row["ground_truth"].rpartition("A: ")[2]
            for author in AUTHORS:
                written = row[author]
                found.append(
                    Solution(
                        problem,
                        author,
                        row["question"],
                        written["solution"],
                        truth,
                        written["is_correct"],
                    )
                )
    return found
