"""Synthetic code: documented functions with tests, verified by running both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from itertools import chain, islice
from typing import ClassVar

from pipeline.corpus import Corpus
from pipeline.source import Made, Synthesis
from pipeline.stage import StageConfig
from pipeline.task import Json, Receipt, Task
from stages.synthesize.candidates import CANDIDATES_FILE
from stages.synthesize.code_config import TASK, CodeConfig
from stages.synthesize.code_seeds import FUNCTIONS_FILE, TEMPLATES
from stages.synthesize.completions import (
    ANSWERS_FILE,
    about_generator,
    answers_task,
    completion_tasks,
    prepare_tasks,
    samples_arguments,
)
from stages.synthesize.diversity import ECHOES
from stages.synthesize.prompts import template_checksums
from stages.synthesize.reward_rounds import Rewarded, reward_rounds
from stages.synthesize.rewards import SOLUTIONS_FILE
from stages.synthesize.seed_parts import seed_tasks

_HERE = "stages.synthesize"


class CodeSynthesis(Synthesis[CodeConfig]):
    """Functions of the corpus written anew or given tests, and functions for tasks of a file."""

    name: ClassVar[str] = "code"
    version: ClassVar[int] = 2
    libraries = ("torch", "transformers", "unicode")
    Config: ClassVar[type[StageConfig]] = CodeConfig
    summary: ClassVar[str] = "documented functions with tests, verified by running them"

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Made]:
        """Functions of parts; those that can be tested; completions; verdicts; documents."""
        config = self.config
        prepare = prepare_tasks(corpus, config.generator)
        functions = seed_tasks(
            corpus, config.seeds, f"{_HERE}.code_seeds:functions_of_part", "functions"
        )
        receipts = yield [*prepare, *functions, *self._tasks(corpus)]
        prepared = receipts[0].path("model") if prepare else None
        found = receipts[len(prepare) :]
        asked = [found.pop()] if config.tasks else []
        tested: list[Receipt] = []
        if config.seeds is not None:
            (ranked,) = yield [self._seeded(corpus, "rank_functions", functions=found)]
            tested = yield self._test(corpus, ranked)
            asked += yield [self._seeded(corpus, "request_functions", tested=tested)]
        programs = [
            completion_tasks(
                corpus, config.generator, config.sampling, prepared, requests, config.n, "programs"
            )
            for requests in asked
        ]
        completions = yield list(chain.from_iterable(programs))
        made = iter(completions)
        verified = yield [
            task
            for requests, tasks in zip(asked, programs, strict=True)
            for task in self._verify(corpus, requests, list(islice(made, len(tasks))))
        ]
        solutions = [receipt.path(SOLUTIONS_FILE) for receipt in verified]
        rewarded = yield from reward_rounds(corpus, config.reward, solutions)
        documents, answers = yield [
            self._write(corpus, verified, rewarded),
            answers_task(corpus, completions),
        ]
        return Made(
            [documents],
            self._record(corpus, tested, asked, completions, verified, rewarded, documents),
            {f"synthesis/{corpus.stage}/answers.jsonl": answers.path(ANSWERS_FILE)},
        )

    def _tasks(self, corpus: Corpus) -> list[Task]:
        tasks = self.config.tasks
        if tasks is None:
            return []
        file = corpus.externals[tasks.path]
        arguments = {
            "count": tasks.count,
            "sha256": file.sha256,
            "templates": template_checksums([TEMPLATES[TASK]]),
            "chunk": self.config.generator.chunk,
        }
        return [
            corpus.task(
                f"{_HERE}.code_seeds:tasks_of_file",
                "tasks",
                arguments,
                locations={"tasks": file.location},
            )
        ]

    def _seeded(self, corpus: Corpus, function: str, **files: Sequence[Receipt]) -> Task:
        """A task that reads the ``functions.jsonl`` of earlier ones."""
        seeds = self.config.seeds
        assert seeds is not None
        arguments: dict[str, Json] = {
            name: [receipt.path(FUNCTIONS_FILE) for receipt in receipts]
            for name, receipts in files.items()
        }
        arguments["seeds"] = seeds.model_dump(mode="json")
        arguments["templates"] = template_checksums(TEMPLATES[made] for made in seeds.make)
        arguments["chunk"] = self.config.generator.chunk
        return corpus.task(f"{_HERE}.code_seeds:{function}", function.split("_")[0], arguments)

    def _test(self, corpus: Corpus, ranked: Receipt) -> list[Task]:
        return [
            corpus.task(
                f"{_HERE}.code_seeds:test_functions",
                "tested",
                {"candidates": ranked.path(name), **self._judging()},
            )
            for name in sorted(ranked.files)
        ]

    def _judging(self) -> dict[str, Json]:
        return {
            "tests": self.config.tests.model_dump(mode="json"),
            "sandbox": self.config.sandbox.model_dump(mode="json"),
        }

    def _verify(self, corpus: Corpus, requests: Receipt, made: Sequence[Receipt]) -> list[Task]:
        about = {
            "model": about_generator(corpus, self.config.generator),
            "sampling": self.config.sampling.model_dump(mode="json"),
            **self._judging(),
            "echoes": self.config.diversity.model_dump(mode="json", include=ECHOES),
        }
        return [
            corpus.task(f"{_HERE}.code_samples:verify_code", "verified", {**named, **about})
            for named in samples_arguments(requests, made, self.config.n)
        ]

    def _write(self, corpus: Corpus, verified: Sequence[Receipt], rewarded: Rewarded) -> Task:
        arguments = {
            "source": corpus.stage,
            "candidates": [receipt.path(CANDIDATES_FILE) for receipt in verified],
            **rewarded.choosing(),
            "diversity": self.config.diversity.model_dump(mode="json"),
            "part_bytes": self.config.part_bytes,
        }
        return corpus.task(f"{_HERE}.code_samples:write_code", "documents", arguments)

    def _record(
        self,
        corpus: Corpus,
        tested: Sequence[Receipt],
        asked: Sequence[Receipt],
        completions: Sequence[Receipt],
        verified: Sequence[Receipt],
        rewarded: Rewarded,
        documents: Receipt,
    ) -> dict[str, Json]:
        """What the manifest says: the model, the sandbox, and how many samples came how far."""
        tests: Counter[str] = Counter()
        for receipt in verified:
            tests.update(receipt.value["tests"])
        levels = {receipt.value["level"] for receipt in (*tested, *verified)}
        return {
            "models": {
                "generator": about_generator(corpus, self.config.generator),
                **rewarded.models(),
            },
            "sandbox": sorted(levels),
            "seeds": {
                "tried": sum(receipt.value["tried"] for receipt in tested),
                "testable": sum(receipt.value["testable"] for receipt in tested),
                "taken": sum(receipt.value["seeds"] for receipt in asked),
            },
            "funnel": [
                ["requested", sum(receipt.value["requests"] for receipt in completions)],
                ["parsed", sum(receipt.value["parsed"] for receipt in verified)],
                ["verified", sum(receipt.value["verified"] for receipt in verified)],
                ["chosen", documents.value["chosen"]],
                ["kept", documents.value["kept"]],
            ],
            "tests": dict(sorted(tests.items())),
        }
