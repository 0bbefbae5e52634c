"""Threads of a made-up programming forum, some of which leak HumanEval on purpose.

A natural corpus of this size seldom holds a benchmark item, and decontamination needs something to
find. So `PLANTED` problems are written into threads between real answers, in three layouts that
copies on the web have: verbatim, as a Markdown tutorial, and re-wrapped. Threads of the same form
without a problem are the control: they must survive. Every planted thread names its problem in the
field `planted` and in ORIGINS.tsv, so that nobody takes it for a natural find.
"""

import ast
import gzip
import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from tamis.sample.archive import Member
from tamis.sample.catalog import Distribution, SampleError
from tamis.sample.docstrings import owners, parse_source
from tamis.sample.documents import Document, size

# Every 14th problem from the 4th on: 12 of the 164, spread over the whole benchmark.
PLANTED_FIRST, PLANTED_STEP = 3, 14
LAYOUTS = ("verbatim", "tutorial", "rewrapped")
ANSWERS_A_THREAD = 3
WRAP_COLUMNS = 56
SHORTEST_ANSWER_BYTES = 400
LONGEST_ANSWER_BYTES = 4_000


@dataclass(frozen=True)
class Answer:
    """A function with its explanation: one post of a thread."""

    name: str
    explanation: str
    source: str


def real_answers(member: Member) -> list[Answer]:
    """The documented public functions of a Python file, in source order."""
    lines = (member.text() or "").split("\n")
    answers: list[Answer] = []
    for _, owner in owners(parse_source(member), ""):
        if not isinstance(owner, ast.FunctionDef):
            continue
        # ast.get_source_segment splits the whole file again for every function.
        source = textwrap.dedent("\n".join(lines[owner.lineno - 1 : owner.end_lineno]))
        docstring = ast.get_docstring(owner) or ""
        if (
            not owner.name.startswith("_")
            and size(docstring) >= SHORTEST_ANSWER_BYTES // 2
            and SHORTEST_ANSWER_BYTES <= size(source) <= LONGEST_ANSWER_BYTES
        ):
            answers.append(Answer(owner.name, docstring, source))
    return answers


def humaneval_problems(packed: bytes) -> list[dict[str, str]]:
    """The records of HumanEval.jsonl.gz, in order.

    Raises SampleError when a record lacks a field that planting needs.
    """
    problems = [json.loads(line) for line in gzip.decompress(packed).splitlines() if line.strip()]
    for problem in problems:
        if not {"task_id", "prompt", "canonical_solution", "entry_point"} <= problem.keys():
            raise SampleError(f"HumanEval.jsonl.gz: {problem.get('task_id')} lacks fields.")
    return problems


def planted_answer(problem: dict[str, str]) -> Answer:
    """The whole solved problem as an answer."""
    source = problem["prompt"] + problem["canonical_solution"]
    tree = ast.parse(source)
    function = next(
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == problem["entry_point"]
    )
    return Answer(function.name, ast.get_docstring(function) or "", source)


def without_docstring(answer: Answer) -> str:
    """The source of an answer without the explanation that the layout prints before it."""
    function = next(
        node
        for node in ast.parse(answer.source).body
        if isinstance(node, ast.FunctionDef) and node.name == answer.name
    )
    docstring = function.body[0]
    lines = answer.source.split("\n")
    return "\n".join(lines[: docstring.lineno - 1] + lines[docstring.end_lineno :])


def lay_out(answer: Answer, layout: str) -> str:
    """One answer in one of `LAYOUTS`."""
    if layout == "verbatim":
        code = answer.source.strip("\n")
        return f"Here is what I use for {answer.name}:\n\n{code}\n"
    code = without_docstring(answer).strip("\n")
    if layout == "tutorial":
        return (
            f"## Writing `{answer.name}`\n\n{answer.explanation}\n\n"
            f"One way to write it:\n\n```python\n{code}\n```\n"
        )
    wrapped = textwrap.fill(" ".join(answer.explanation.split()), WRAP_COLUMNS)
    quoted = textwrap.indent(wrapped, "> ", lambda line: True)
    return f"Somebody asked for {answer.name}. The task was:\n\n{quoted}\n\nMy answer:\n\n{code}\n"


def thread(answers: Sequence[Answer], layout: str) -> str:
    """A question and its answers as one page of text."""
    names = ", ".join(answer.name for answer in answers)
    opening = f"# Small Python functions worth knowing: {names}\n"
    return "\n".join([opening, *(lay_out(answer, layout) for answer in answers)])


def forum_documents(
    sources: Sequence[Member],
    origin: Distribution,
    packed: bytes,
    benchmark: Distribution,
) -> list[Document]:
    """All threads: real answers in groups, the planted problems spread evenly among them.

    Every real answer is used once. The extra fields are `layout` and, where a problem is planted,
    `planted` with its task id.

    Raises SampleError when there are fewer threads than problems to plant.
    """
    real = [answer for member in sources for answer in real_answers(member)]
    problems = humaneval_problems(packed)[PLANTED_FIRST::PLANTED_STEP]
    groups = [
        real[start : start + ANSWERS_A_THREAD] for start in range(0, len(real), ANSWERS_A_THREAD)
    ]
    if len(groups) < len(problems):
        raise SampleError(
            f"{origin.file}: {len(groups)} threads cannot hold {len(problems)} planted problems.\n"
            "  Add files to its `forum` take in tamis/sample/packages.json."
        )
    planted = {
        number * len(groups) // len(problems): (number, problem)
        for number, problem in enumerate(problems)
    }
    documents: list[Document] = []
    for place, group in enumerate(groups):
        answers = list(group)
        layout = LAYOUTS[place % len(LAYOUTS)]
        extra = {"layout": layout}
        if place in planted:
            number, problem = planted[place]
            layout = LAYOUTS[number % len(LAYOUTS)]
            answers.insert(len(answers) // 2, planted_answer(problem))
            extra = {
                "layout": layout,
                "planted": problem["task_id"],
                "planted_from": benchmark.locator(problem["task_id"]),
            }
        documents.append(
            Document(
                text=thread(answers, layout),
                origin=origin,
                path=f"threads/{place:03d}",
                kind="code",
                extra=extra,
            )
        )
    return documents
