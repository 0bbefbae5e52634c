"""Synthetic mathematics: problems, solutions that are verified, passages as in a textbook."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import ClassVar, Self

from pydantic import model_validator

from classifiers.domain import TERMS_FILE
from manifests.checksum import sha256_of_file
from pipeline.corpus import Corpus
from pipeline.source import Made, Synthesis
from pipeline.stage import StageConfig, setting, split_config
from pipeline.task import Json, Receipt, Task
from stages.synthesize.candidates import CANDIDATES_FILE
from stages.synthesize.completions import (
    ANSWERS_FILE,
    about_generator,
    answers_task,
    completion_tasks,
    prepare_tasks,
    samples_arguments,
)
from stages.synthesize.config import GeneratorConfig, SamplingConfig
from stages.synthesize.diversity import DiversityConfig
from stages.synthesize.evolution import TEMPLATES as WAYS
from stages.synthesize.evolution import EvolutionConfig
from stages.synthesize.problems import PROBLEMS_FILE
from stages.synthesize.procedural import ProceduralConfig
from stages.synthesize.prompts import template_checksums
from stages.synthesize.questions import SOLUTION
from stages.synthesize.reward_config import RewardConfig
from stages.synthesize.reward_rounds import Rewarded, reward_rounds
from stages.synthesize.rewards import SOLUTIONS_FILE
from stages.synthesize.seed_parts import seed_tasks
from stages.synthesize.seeds import SEEDS_FILE, TEMPLATES, CorpusSeedsConfig, ProblemFileConfig

_HERE = "stages.synthesize"


class MathConfig(StageConfig):
    """Settings of synthetic mathematics."""

    generator: GeneratorConfig = setting(about="The model that writes")
    sampling: SamplingConfig = setting(
        SamplingConfig(), about="How solutions are drawn: they must differ to be voted on"
    )
    writing: SamplingConfig = setting(
        SamplingConfig(), about="How passages, questions and evolved problems are drawn"
    )
    n: int = setting(
        4,
        about="Solutions a problem",
        source="8 for a vote, 6 for reward pairs in Qwen2.5-Math (arXiv 2409.12122)",
        ge=1,
    )
    min_share: float = setting(
        0.5,
        about="Share of a problem's solutions that must agree where no answer is known",
        gt=0.0,
        le=1.0,
    )
    procedural: ProceduralConfig | None = setting(None, about="Problems made by rule")
    problems: ProblemFileConfig | None = setting(None, about="Problems of a file")
    seeds: CorpusSeedsConfig | None = setting(
        None, about="Documents of the corpus that passages and problems are made of"
    )
    evolve: EvolutionConfig | None = setting(
        None, about="Problems made of those that are given (by rule or in a file)"
    )
    reward: RewardConfig | None = setting(
        None, about="The reward model that chooses among verified solutions; null keeps them all"
    )
    diversity: DiversityConfig = setting(DiversityConfig(), about="What is too near, or too much")
    part_bytes: int = setting(
        128_000_000, about="A documents part is closed when its text reaches this size", ge=1
    )

    @model_validator(mode="after")
    def _something_to_start_from(self) -> Self:
        if not (self.procedural or self.problems or self.seeds):
            raise ValueError(
                "there is nothing to start from. Give `procedural`, `problems` or `seeds`:"
                " `procedural: {}` makes problems by rule."
            )
        if self.evolve and not (self.procedural or self.problems):
            raise ValueError(
                "there are no problems that could evolve. Give `procedural` or `problems`, or take"
                " `evolve` out."
            )
        return self


class MathSynthesis(Synthesis[MathConfig]):
    """Problems from rules, files and documents of the corpus; solutions by a model, verified by
    their answers; passages as in a textbook."""

    name: ClassVar[str] = "math"
    version: ClassVar[int] = 2
    libraries = (
        "math-verify",
        "reasoning-gym",
        "tokenizers",
        "torch",
        "transformers",
        "unicode",
    )
    Config: ClassVar[type[StageConfig]] = MathConfig
    summary: ClassVar[str] = "problems, verified solutions and passages of mathematics"

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Made]:
        """Seeds; passages, questions and evolved problems; solutions; verdicts; documents."""
        config = self.config
        given = self._given(corpus)
        seeds = seed_tasks(
            corpus,
            config.seeds,
            f"{_HERE}.seeds:candidates_of_part",
            "candidates",
            {"terms_sha256": sha256_of_file(TERMS_FILE)},
        )
        prepare = prepare_tasks(corpus, config.generator)
        receipts = yield [*prepare, *given, *seeds]
        prepared = receipts[0].path("model") if prepare else None
        problems = receipts[len(prepare) : len(prepare) + len(given)]
        written, completions = yield from self._written(
            corpus, prepared, problems, receipts[len(prepare) + len(given) :]
        )
        (gathered,) = yield [self._gather(corpus, problems, written)]
        solved = yield completion_tasks(
            corpus, config.generator, config.sampling, prepared, gathered, config.n, "solutions"
        )
        completions += solved
        verified = yield self._verify(corpus, gathered, solved)
        solutions = [receipt.path(SOLUTIONS_FILE) for receipt in verified]
        rewarded = yield from reward_rounds(corpus, config.reward, solutions)
        documents, answers = yield [
            self._write(corpus, gathered, solutions, rewarded),
            answers_task(corpus, completions),
        ]
        return Made(
            [documents],
            self._record(corpus, gathered, completions, verified, rewarded, documents),
            {f"synthesis/{corpus.stage}/answers.jsonl": answers.path(ANSWERS_FILE)},
        )

    def _given(self, corpus: Corpus) -> list[Task]:
        """Tasks that write problems which need no model."""
        tasks = []
        if self.config.procedural is not None:
            arguments = self.config.procedural.model_dump(mode="json")
            tasks.append(corpus.task(f"{_HERE}.procedural:make_problems", "procedural", arguments))
        if self.config.problems is not None:
            file = corpus.externals[self.config.problems.path]
            arguments = {
                "problems": split_config(self.config.problems)[0],
                "sha256": file.sha256,
            }
            tasks.append(
                corpus.task(
                    f"{_HERE}.seeds:problems_of_file",
                    "problems",
                    arguments,
                    locations={"problems": file.location},
                )
            )
        return tasks

    def _written(
        self,
        corpus: Corpus,
        prepared: str | None,
        problems: Sequence[Receipt],
        candidates: Sequence[Receipt],
    ) -> Generator[
        list[Task], list[Receipt], tuple[dict[str, list[dict[str, Json]]], list[Receipt]]
    ]:
        """What the model makes of seeds and of given problems: where the samples lie, and the
        receipts of their completions."""
        config, chunk = self.config, self.config.generator.chunk
        asked = []
        if config.seeds is not None:
            arguments = {
                "candidates": [receipt.path(SEEDS_FILE) for receipt in candidates],
                "seeds": config.seeds.model_dump(mode="json"),
                "templates": template_checksums(TEMPLATES[made] for made in config.seeds.make),
                "chunk": chunk,
            }
            asked.append(corpus.task(f"{_HERE}.seeds:choose_seeds", "written", arguments))
        if config.evolve is not None:
            arguments = {
                "problems": [receipt.path(PROBLEMS_FILE) for receipt in problems],
                "evolution": config.evolve.model_dump(mode="json"),
                "templates": template_checksums(WAYS[way] for way in config.evolve.ways),
                "chunk": chunk,
            }
            asked.append(corpus.task(f"{_HERE}.evolution:evolution_requests", "evolved", arguments))
        where: dict[str, list[dict[str, Json]]] = {"written": [], "evolved": []}
        completions: list[Receipt] = []
        if not asked:
            return where, completions
        for task, requests in zip(asked, (yield asked), strict=True):
            name = task.folder.rsplit("/", 1)[-1]
            made = yield completion_tasks(
                corpus, config.generator, config.writing, prepared, requests, 1, f"{name}-texts"
            )
            where[name] = samples_arguments(requests, made, 1)
            completions += made
        return where, completions

    def _gather(
        self,
        corpus: Corpus,
        problems: Sequence[Receipt],
        written: dict[str, list[dict[str, Json]]],
    ) -> Task:
        arguments = {
            "problems": [receipt.path(PROBLEMS_FILE) for receipt in problems],
            **written,
            "diversity": self.config.diversity.model_dump(mode="json"),
            "model": about_generator(corpus, self.config.generator),
            "writing": self.config.writing.model_dump(mode="json"),
            "templates": template_checksums([SOLUTION]),
            "chunk": self.config.generator.chunk,
        }
        return corpus.task(f"{_HERE}.questions:gather_problems", "gathered", arguments)

    def _verify(self, corpus: Corpus, gathered: Receipt, solved: Sequence[Receipt]) -> list[Task]:
        about = {
            "min_share": self.config.min_share,
            "model": about_generator(corpus, self.config.generator),
            "sampling": self.config.sampling.model_dump(mode="json"),
        }
        return [
            corpus.task(f"{_HERE}.solutions:verify_solutions", "verified", {**named, **about})
            for named in samples_arguments(gathered, solved, self.config.n)
        ]

    def _write(
        self, corpus: Corpus, gathered: Receipt, solutions: Sequence[str], rewarded: Rewarded
    ) -> Task:
        arguments = {
            "source": corpus.stage,
            "candidates": gathered.path(CANDIDATES_FILE),
            "solutions": list(solutions),
            **rewarded.choosing(),
            "diversity": self.config.diversity.model_dump(mode="json"),
            "part_bytes": self.config.part_bytes,
        }
        return corpus.task(f"{_HERE}.choice:write_documents", "documents", arguments)

    def _record(
        self,
        corpus: Corpus,
        gathered: Receipt,
        completions: Sequence[Receipt],
        verified: Sequence[Receipt],
        rewarded: Rewarded,
        documents: Receipt,
    ) -> dict[str, Json]:
        """What the manifest says: the model, and how many samples came how far."""
        marks: dict[str, int] = {}
        for receipt in verified:
            for mark, count in receipt.value["marks"].items():
                marks[mark] = marks.get(mark, 0) + count
        return {
            "models": {
                "generator": about_generator(corpus, self.config.generator),
                **rewarded.models(),
            },
            "problems": {
                "given": gathered.value["given"],
                "found": gathered.value["found"],
                "solved": gathered.value["problems"],
            },
            "funnel": [
                ["requested", sum(receipt.value["requests"] for receipt in completions)],
                ["solutions", sum(receipt.value["solutions"] for receipt in verified)],
                ["answered", sum(receipt.value["answered"] for receipt in verified)],
                ["verified", sum(receipt.value["passed"] for receipt in verified)],
                ["chosen", documents.value["chosen"]],
                ["kept", documents.value["kept"]],
            ],
            "marks": dict(sorted(marks.items())),
            **({"reward": rewarded.record} if rewarded.record else {}),
        }
