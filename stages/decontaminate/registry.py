"""Benchmarks that need no explanation: which fields of their files hold what.

Field names are those of the files that their authors publish and of the usual mirrors; the first
name that a file has is taken. A dot goes into a nested record: ``question.stem``.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

ROLES = ("question", "choices", "answer", "solution", "passage", "id")
"""What a field of a benchmark may hold."""


@dataclass(frozen=True)
class Definition:
    """Where a benchmark keeps what. Every role is a tuple of possible field names, best first.

    ``required`` are the roles that a file must have. ``code`` marks benchmarks of programs: their
    sequences are called prompt, prompt_solution and solution, and the prompt is continued by the
    solution without a break.
    """

    question: tuple[str, ...]
    choices: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()
    solution: tuple[str, ...] = ()
    passage: tuple[str, ...] = ()
    id: tuple[str, ...] = ()
    required: tuple[str, ...] = ("question",)
    code: bool = False


DEFINITIONS: Mapping[str, Definition] = {
    # Cobbe et al. 2021; the field `answer` holds the worked solution.
    "gsm8k": Definition(
        question=("question",), solution=("answer",), required=("question", "solution")
    ),
    # Hendrycks et al. 2021 (MATH); also MATH-500.
    "math": Definition(
        question=("problem",),
        solution=("solution",),
        id=("unique_id", "idx"),
        required=("question", "solution"),
    ),
    # Hendrycks et al. 2021 (MMLU).
    "mmlu": Definition(
        question=("question",),
        choices=("choices", "options"),
        answer=("answer",),
        id=("index", "question_id"),
        required=("question", "choices"),
    ),
    # Clark et al. 2018.
    "arc": Definition(
        question=("question.stem", "question", "query"),
        choices=("question.choices", "choices"),
        answer=("answerKey", "gold"),
        id=("id",),
        required=("question", "choices"),
    ),
    # Zellers et al. 2019.
    "hellaswag": Definition(
        question=("ctx", "query"),
        choices=("endings", "choices"),
        answer=("label", "gold"),
        id=("ind", "source_id"),
        required=("question", "choices"),
    ),
    # Chen et al. 2021.
    "humaneval": Definition(
        question=("prompt",),
        solution=("canonical_solution",),
        id=("task_id",),
        required=("question", "solution"),
        code=True,
    ),
    # Austin et al. 2021.
    "mbpp": Definition(
        question=("text", "prompt"),
        solution=("code",),
        id=("task_id",),
        required=("question", "solution"),
        code=True,
    ),
    # Lin et al. 2021.
    "truthfulqa": Definition(
        question=("question", "Question"),
        answer=("best_answer", "Best Answer"),
        choices=("mc1_targets.choices",),
    ),
    # Suzgun et al. 2022.
    "bbh": Definition(question=("input",), answer=("target",), required=("question", "answer")),
    # Rein et al. 2023.
    "gpqa": Definition(
        question=("Question", "question"),
        answer=("Correct Answer", "answer"),
        solution=("Explanation",),
        id=("Record ID",),
    ),
    # Shi et al. 2022; `answer` is null in its test files.
    "mgsm": Definition(question=("question",), solution=("answer",)),
    # Jain et al. 2024; it publishes no solutions.
    "livecodebench": Definition(question=("question_content",), id=("question_id",), code=True),
}

_ALIASES = {
    "gsm8k_test": "gsm8k",
    "math500": "math",
    "math_500": "math",
    "math_test": "math",
    "mmlu_test": "mmlu",
    "mmlu_pro": "mmlu",
    "arc_easy": "arc",
    "arc_challenge": "arc",
    "human_eval": "humaneval",
    "truthful_qa": "truthfulqa",
    "big_bench_hard": "bbh",
    "gpqa_diamond": "gpqa",
    "live_code_bench": "livecodebench",
}


def definition(name: str) -> Definition:
    """The definition of a benchmark, by its name in small or capital letters, ``-`` as ``_``.

    Raises KeyError with a sentence that says what is known.
    """
    plain = name.lower().replace("-", "_")
    plain = _ALIASES.get(plain, plain)
    if plain in DEFINITIONS:
        return DEFINITIONS[plain]
    near = difflib.get_close_matches(plain, DEFINITIONS, n=1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    raise KeyError(
        f"there is no ready definition of a benchmark `{name}`.{hint} Known: "
        f"{', '.join(sorted(DEFINITIONS))}. Name one of them in `definition`, or say in `question`"
        " (and choices, answer, solution, passage, id) which fields of the file hold what."
    )
