"""Rounds that ask the model: made ready once, then a task for every chunk of requests and sample.

A task is named by the content of its requests, not by what made them: more samples, or more seeds
behind the others, repeat nothing that is done.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from classifiers.generator.engine import GeneratorSettings, Sampling, open_generator_engine
from pipeline.corpus import Corpus
from pipeline.task import Json, Receipt, Task, TaskRun
from stages.models import asked_folder, asked_locations, asked_resources, conversion_tasks
from stages.synthesize.config import GeneratorConfig, SamplingConfig
from stages.synthesize.json_lines import read_lines, write_lines
from stages.synthesize.requests import Request, read_requests

if TYPE_CHECKING:
    from classifiers.generator.generator import Completion, Generator


COMPLETIONS_FILE = "completions.jsonl"
ANSWERS_FILE = "answers.jsonl"


@dataclass(frozen=True)
class Sample:
    """One completion of a request: its number among those of the request, and what was written."""

    request: Request
    sample: int
    key: str
    text: str
    tokens: int
    finish: str


def about_generator(corpus: Corpus, generator: GeneratorConfig) -> dict[str, Json]:
    """What provenance says of the model: name, checksum, engine, arithmetic."""
    return {
        "name": Path(generator.model).name,
        "sha256": corpus.externals[generator.model].sha256,
        "engine": generator.engine,
        "dtype": generator.dtype,
    }


def prepare_tasks(corpus: Corpus, generator: GeneratorConfig) -> list[Task]:
    """The task that converts a GGUF file, to ``model/`` of its output; none for a folder."""
    return conversion_tasks(corpus.externals[generator.model], corpus.stage)


def completion_tasks(
    corpus: Corpus,
    generator: GeneratorConfig,
    sampling: SamplingConfig,
    prepared: str | None,
    requests: Receipt,
    samples: int,
    round_name: str,
) -> list[Task]:
    """``samples`` tasks for every file that ``write_requests`` wrote into the output of
    ``requests``, by file, then sample. ``prepared`` is the converted model in the workspace."""
    model = corpus.externals[generator.model]
    settings = GeneratorSettings(
        name=generator.engine,
        dtype=generator.dtype,
        max_prompt=generator.max_prompt,
        max_tokens=sampling.max_tokens,
        batch=generator.batch,
        threads=generator.threads,
        gpus=generator.gpus,
    )
    locations, handed = asked_locations(corpus, generator)
    resources = asked_resources(corpus, generator, "generator")
    tasks = []
    for name in _request_files(requests):
        path = str(corpus.store.path(requests.path(name)))
        for sample in range(samples):
            arguments = {
                "requests_sha256": requests.files[name]["sha256"],
                "sample": sample,
                "model": prepared,
                "model_sha256": model.sha256,
                "sampling": sampling.model_dump(mode="json"),
                "engine": asdict(settings),
                "answers_sha256": handed,
            }
            tasks.append(
                corpus.task(
                    "stages.synthesize.completions:complete_requests",
                    round_name,
                    arguments,
                    locations={**locations, "requests": path},
                    resources=resources,
                )
            )
    return tasks


def complete_requests(run: TaskRun) -> Json:
    """Completes the requests of one file, writes ``completions.jsonl``: key, text, tokens and
    finish, in the order of requests. Completions that were handed over are not made again."""
    from classifiers.generator.generator import Completion, request_key
    from classifiers.generator.generator import Request as KeyedRequest

    arguments = run.arguments
    sampling, sample = Sampling(**arguments["sampling"]), int(arguments["sample"])
    requests = [
        KeyedRequest(
            request_key(arguments["model_sha256"], sampling, request.messages, sample),
            request.messages,
        )
        for request in read_requests(Path(run.locations["requests"]))
    ]
    known: dict[str, Completion] = {}
    if "answers" in run.locations:
        handed = read_answers(Path(run.locations["answers"]), arguments["answers_sha256"])
        known = {r.key: Completion(**handed[r.key]) for r in requests if r.key in handed}
    missing = [request for request in requests if request.key not in known]
    if missing:
        generator = _generator(
            GeneratorSettings(**arguments["engine"]),
            asked_folder(run),
            run.locations.get("interpreter"),
        )
        completed = generator.complete(missing, sampling)
        known.update((r.key, made) for r, made in zip(missing, completed, strict=True))
    lines = [{"key": request.key, **asdict(known[request.key])} for request in requests]
    write_lines(run.output / COMPLETIONS_FILE, lines)
    tokens = sum(known[request.key].tokens for request in missing)
    return {
        "requests": len(requests),
        "handed_over": len(requests) - len(missing),
        "progress": {"requested": len(requests), "generated": len(missing), "tokens": tokens},
    }


@lru_cache(maxsize=1)
def _generator(settings: GeneratorSettings, folder: Path, interpreter: str | None) -> Generator:
    """The loaded model of this process: workers of a pool are kept for later chunks."""
    from classifiers.generator.generator import Generator

    engine = open_generator_engine(settings, folder, interpreter)
    return Generator(engine, folder, settings.max_prompt)


@lru_cache(maxsize=1)
def read_answers(path: Path, sha256: str) -> dict[str, dict[str, Json]]:
    """Completions by key from an answers file, read once for its checksum. Raises ValueError naming
    file and line of a fault."""
    answers: dict[str, dict[str, Json]] = {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                answers[str(record["key"])] = {
                    "text": str(record["text"]),
                    "tokens": int(record["tokens"]),
                    "finish": str(record["finish"]),
                }
            except (ValueError, KeyError, TypeError):
                raise ValueError(
                    f"{path.name}:{number}: not a completion. Each line is"
                    ' {"key": "<32 hex digits>", "text": …, "tokens": …, "finish": …}.'
                ) from None
    return answers


def samples_arguments(
    requests: Receipt, completions: Sequence[Receipt], samples: int
) -> list[dict[str, Json]]:
    """For every requests file, what a task's arguments must hold for ``samples_of``;
    ``completions`` are the receipts of ``completion_tasks``."""
    paths = [receipt.path(COMPLETIONS_FILE) for receipt in completions]
    return [
        {
            "requests": requests.path(name),
            "completions": paths[samples * index : samples * (index + 1)],
        }
        for index, name in enumerate(_request_files(requests))
    ]


def samples_of(run: TaskRun, arguments: Mapping[str, Json] | None = None) -> Iterator[Sample]:
    """The samples that a task's arguments (or others) name, by request, then sample."""
    named = run.arguments if arguments is None else arguments
    files = [read_lines(run.path(path)) for path in named["completions"]]
    for row, request in enumerate(read_requests(run.path(named["requests"]))):
        for sample, lines in enumerate(files):
            yield Sample(request, sample, **lines[row])


def answers_task(corpus: Corpus, completions: Sequence[Receipt]) -> Task:
    """The task that writes all completions into one ``answers.jsonl``, sorted by key, to be handed
    over with the recipe."""
    paths = [receipt.path(COMPLETIONS_FILE) for receipt in completions]
    return corpus.task(
        "stages.synthesize.completions:write_answers", "answers", {"completions": paths}
    )


def write_answers(run: TaskRun) -> Json:
    """Writes ``answers.jsonl``."""
    answers: dict[str, dict[str, Json]] = {}
    for path in run.arguments["completions"]:
        answers.update((record["key"], record) for record in read_lines(run.path(path)))
    ordered = [answers[key] for key in sorted(answers)]
    return {"answers": write_lines(run.output / ANSWERS_FILE, ordered)}


def _request_files(requests: Receipt) -> list[str]:
    return sorted(name for name in requests.files if name.startswith("requests-"))
