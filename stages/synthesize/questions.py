"""From what the model wrote about seeds and problems to the problems that are to be solved."""

from __future__ import annotations

import re
from dataclasses import asdict

from pipeline.task import Json, TaskRun
from stages.synthesize import seeds
from stages.synthesize.candidates import CANDIDATES_FILE, Candidate, write_candidates
from stages.synthesize.completions import Sample, samples_of
from stages.synthesize.diversity import Diversity, DiversityConfig, Fault, echo_of
from stages.synthesize.evolution import REPHRASE, TEMPLATES, evolved
from stages.synthesize.problems import Problem, problem_of, read_problems
from stages.synthesize.prompts import load_template
from stages.synthesize.provenance import provenance, step
from stages.synthesize.requests import Request, write_requests

SOLUTION = "math-solution"

STATED = re.compile(r"(?im)(?:\\boxed\{|####).*$|\banswer is\b.*?(?:\.(?=\s)|$)")
"""A final answer and the end of its sentence, as ``answers.final_answer`` reads it."""

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_LABEL = re.compile(r"(?i)^\W*(?:problem|question)\W*:\W*")
_AFTER = re.compile(r"(?im)^\W*(?:solution|answer|explanation)\b.*", re.DOTALL)


def gather_problems(run: TaskRun) -> Json:
    """Takes the problems that are given, and those that the model wrote; drops what repeats an
    earlier one; writes a request for each (``requests-*.jsonl``), and ``candidates.jsonl``:
    passages, and questions that are set aside."""
    diversity = DiversityConfig(**run.arguments["diversity"])
    writer = _Writer(run, diversity)
    given = [
        problem for path in run.arguments["problems"] for problem in read_problems(run.path(path))
    ]
    aside: list[Candidate] = []
    found = [*given]
    for named in (*run.arguments["written"], *run.arguments["evolved"]):
        for sample in samples_of(run, named):
            made = writer.read(sample)
            if isinstance(made, Candidate):
                aside.append(made)
            else:
                found.append(made)
    no_caps = diversity.model_copy(update={"per_seed": None, "per_skill": None})
    judged = Diversity(no_caps, [p.id for p in found], [p.question for p in found])
    problems = []
    for index, problem in enumerate(found):
        fault = judged.take(index, problem.seed["id"], problem.skill)
        if fault is None:
            problems.append(problem)
        else:
            aside.append(_unused(problem, Fault(f"question_{fault.reason}", fault.detail)))
    write_candidates(run.output / CANDIDATES_FILE, aside)
    requests = write_requests(run.output, map(_solution_request, problems), run.arguments["chunk"])
    return {"given": len(given), "found": len(found), "problems": requests}


def _solution_request(problem: Problem) -> Request:
    messages = load_template(SOLUTION).messages(question=problem.question)
    return Request(problem.id, messages, {"problem": asdict(problem)})


def _unused(problem: Problem, fault: Fault) -> Candidate:
    chain = provenance("math", problem.seed, problem.steps, None)
    seed = str(problem.seed["id"])
    return Candidate(problem.id, problem.question, chain, seed, problem.skill, fault)


class _Writer:
    """Reads completions that were to be passages or questions."""

    def __init__(self, run: TaskRun, diversity: DiversityConfig) -> None:
        self._model = run.arguments["model"]
        self._sampling = run.arguments["writing"]
        self._diversity = diversity

    def read(self, sample: Sample) -> Problem | Candidate:
        """The problem, or a passage or a question that cannot be used."""
        about = sample.request.about
        made = about["made"]
        name = {**seeds.TEMPLATES, **TEMPLATES}[made]
        done = step(made, load_template(name), sample, self._model, self._sampling)
        fault = unfinished(sample)
        if made == seeds.PASSAGE:
            fault = fault or echo_of(about["text"], sample.text, self._diversity)
            seed = about["seed"]
            chain = provenance("math", seed, [done], None)
            return Candidate(
                sample.request.id, sample.text, chain, seed["id"], made, fault and _of(made, fault)
            )
        question = question_in(sample.text)
        if made == seeds.QUESTION:
            fault = fault or echo_of(about["text"], question, self._diversity)
            problem = Problem(sample.request.id, question, None, "corpus", about["seed"], (done,))
        else:
            problem = evolved(made, question, problem_of(about["problem"]), done)
        original = about["problem"]["question"] if made == REPHRASE else ""
        fault = fault or no_question(question, original)
        return problem if fault is None else _unused(problem, _of("question", fault))


def _of(what: str, fault: Fault) -> Fault:
    return Fault(f"{what}_{fault.reason}", fault.detail)


def unfinished(sample: Sample) -> Fault | None:
    """What keeps a completion from being read at all."""
    if sample.finish == "prompt_too_long":
        return Fault("prompt_too_long", "its prompt is longer than generator.max_prompt")
    if sample.finish == "length":
        return Fault("cut_off", f"it had not ended after {sample.tokens} tokens")
    return None if sample.text else Fault("empty", "nothing was written")


def question_in(text: str) -> str:
    """The question in a completion, without a label before it and a solution after it."""
    return _AFTER.sub("", _LABEL.sub("", text.strip())).strip()


def no_question(text: str, original: str = "") -> Fault | None:
    """What keeps a text from being a problem to solve; ``original`` is one whose numbers it must
    hold."""
    if len(text.split()) < 3:
        return Fault("unreadable", "it has less than three words")
    if STATED.search(text):
        return Fault("answered", "it states an answer")
    lost = [number for number in _NUMBER.findall(original) if number not in _NUMBER.findall(text)]
    return Fault("numbers_lost", f"without {', '.join(lost)}") if lost else None
