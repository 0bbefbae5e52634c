"""Benchmarks that need no explanation: which fields of their files hold what.

Field names are those of the files that their authors publish, of the usual mirrors on dataset
hubs, and of evaluation harnesses; the first that a file has is taken. A dot goes into a nested
record: ``question.stem``. Several fields that hold a choice each stand together in parentheses.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

ROLES = ("question", "choices", "answer", "solution", "passage", "ending", "id")
"""What a field of a benchmark may hold."""

Field = str | tuple[str, ...]
"""A field, or several whose values are one list."""


@dataclass(frozen=True)
class Definition:
    """Where a benchmark keeps what. Every role is a tuple of possible fields, best first.

    ``required`` are the roles that a file must have; it must have the question in any case, unless
    choices and an ending make up the sentence. ``code`` marks benchmarks of programs: their
    sequences are called prompt, prompt_solution and solution, and the prompt is continued by the
    solution without a break. ``gap`` is the word of the question in whose place a choice goes.
    ``columns`` are those of tables that have no line of names.
    """

    question: tuple[Field, ...] = ()
    choices: tuple[Field, ...] = ()
    answer: tuple[Field, ...] = ()
    solution: tuple[Field, ...] = ()
    passage: tuple[Field, ...] = ()
    ending: tuple[Field, ...] = ()
    id: tuple[Field, ...] = ()
    required: tuple[str, ...] = ("question",)
    code: bool = False
    gap: str = ""
    columns: tuple[str, ...] = ()


_LETTERED = ("A", "B", "C", "D")

DEFINITIONS: Mapping[str, Definition] = {
    # Cobbe et al. 2021; the field `answer` holds the worked solution.
    "gsm8k": Definition(
        question=("question",), solution=("answer",), required=("question", "solution")
    ),
    # Hendrycks et al. 2021 (MATH): a folder of JSON files, a problem each; also MATH-500.
    "math": Definition(
        question=("problem",),
        solution=("solution",),
        id=("unique_id", "idx"),
        required=("question", "solution"),
    ),
    # Hendrycks et al. 2021 (MMLU): CSV files without a line of names; mirrors have lists. Also
    # MMLU-Pro (`options`), C-Eval and CMMLU (letters as columns).
    "mmlu": Definition(
        question=("question", "Question"),
        choices=("choices", "options", _LETTERED),
        answer=("answer", "Answer"),
        id=("index", "question_id", "id"),
        required=("question", "choices"),
        columns=("question", *_LETTERED, "answer"),
    ),
    # Clark et al. 2018; the question is a record of stem and choices, in mirrors a text.
    "arc": Definition(
        question=("question.stem", "question_stem", "question", "query"),
        choices=("question.choices", "choices"),
        answer=("answerKey", "AnswerKey", "gold"),
        id=("id", "questionID"),
    ),
    # Zellers et al. 2019.
    "hellaswag": Definition(
        question=("ctx", "query"),
        choices=("endings", "choices"),
        answer=("label", "gold"),
        id=("ind", "source_id"),
        required=("question", "choices"),
    ),
    # Chen et al. 2021; also HumanEval+.
    "humaneval": Definition(
        question=("prompt",),
        solution=("canonical_solution",),
        id=("task_id",),
        required=("question", "solution"),
        code=True,
    ),
    # Austin et al. 2021; `prompt` in the sanitized file.
    "mbpp": Definition(
        question=("text", "prompt"),
        solution=("code",),
        id=("task_id",),
        required=("question", "solution"),
        code=True,
    ),
    # Lin et al. 2021: a CSV file; in the multiple-choice file the choices are a record's names.
    "truthfulqa": Definition(
        question=("question", "Question"),
        answer=("best_answer", "Best Answer"),
        choices=("mc1_targets.choices", "mc1_targets"),
    ),
    # Suzgun et al. 2022; choices stand in the input.
    "bbh": Definition(question=("input",), answer=("target",), required=("question", "answer")),
    # Rein et al. 2023; the order of the choices is drawn anew for every evaluation.
    "gpqa": Definition(
        question=("Question", "question"),
        answer=("Correct Answer", "answer"),
        solution=("Explanation",),
        id=("Record ID",),
    ),
    # Shi et al. 2022: tab-separated, without a line of names. `answer` is null in the test files.
    "mgsm": Definition(
        question=("question",),
        answer=("answer_number",),
        solution=("answer",),
        columns=("question", "answer_number"),
    ),
    # Jain et al. 2024; it publishes no solutions.
    "livecodebench": Definition(question=("question_content",), id=("question_id",), code=True),
    # Clark et al. 2019.
    "boolq": Definition(question=("question", "query"), passage=("passage",)),
    # Bisk et al. 2020.
    "piqa": Definition(
        question=("goal", "query"),
        choices=(("sol1", "sol2"), "choices"),
        answer=("label", "gold"),
        id=("id",),
        required=("question", "choices"),
    ),
    # Sakaguchi et al. 2020: a sentence with a gap; in harnesses two beginnings and one ending.
    "winogrande": Definition(
        question=("sentence",),
        choices=(("option1", "option2"), "context_options"),
        ending=("continuation",),
        id=("qID",),
        required=("choices",),
        gap="_",
    ),
    # Chen et al. 2023.
    "theoremqa": Definition(
        question=("Question", "question"), answer=("Answer", "answer"), id=("id",)
    ),
    # Gu et al. 2024.
    "cruxeval": Definition(question=("code",), id=("id",), code=True),
    # Zhou et al. 2023.
    "ifeval": Definition(question=("prompt",), id=("key",)),
}

_ALIASES = {
    "gsm8k_test": "gsm8k",
    "math500": "math",
    "math_500": "math",
    "math_test": "math",
    "hendrycks_math": "math",
    "mmlu_test": "mmlu",
    "mmlu_pro": "mmlu",
    "mmlu_redux": "mmlu",
    "ceval": "mmlu",
    "cmmlu": "mmlu",
    "arc_easy": "arc",
    "arc_challenge": "arc",
    "ai2_arc": "arc",
    "commonsense_qa": "arc",
    "commonsenseqa": "arc",
    "openbook_qa": "arc",
    "openbookqa": "arc",
    "human_eval": "humaneval",
    "humaneval_plus": "humaneval",
    "mbpp_plus": "mbpp",
    "sanitized_mbpp": "mbpp",
    "truthful_qa": "truthfulqa",
    "big_bench_hard": "bbh",
    "gpqa_diamond": "gpqa",
    "gpqa_main": "gpqa",
    "gpqa_extended": "gpqa",
    "live_code_bench": "livecodebench",
    "bool_q": "boolq",
    "wino_grande": "winogrande",
    "theorem_qa": "theoremqa",
}


def definition(name: str) -> Definition:
    """The definition of a benchmark, by its name in small or capital letters, ``-`` as ``_``.

    Raises KeyError with a sentence that says what is known.
    """
    plain = name.lower().replace("-", "_")
    plain = _ALIASES.get(plain, plain)
    if plain in DEFINITIONS:
        return DEFINITIONS[plain]
    near = difflib.get_close_matches(plain, [*DEFINITIONS, *_ALIASES], n=1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    raise KeyError(
        f"there is no ready definition of a benchmark `{name}`.{hint} Known: "
        f"{', '.join(sorted(DEFINITIONS))}. Name one of them in `definition`, or say in `question`"
        " (and choices, answer, solution, passage, ending, id) which fields of the file hold what."
    )
