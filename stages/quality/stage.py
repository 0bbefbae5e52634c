"""Quality: a score for every document, by a transparent prior or a distilled LLM judge."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from classifiers.judge.engine import EngineSettings
from classifiers.judge.judge import anchors_sha256, load_anchors, load_rubric
from classifiers.prior import load_prior
from classifiers.student import StudentSettings, student_scores
from manifests.schema import KEEP
from pipeline.corpus import Corpus
from pipeline.stage import (
    Artefacts,
    Batch,
    Stage,
    StageConfig,
    Verdicts,
    file_setting,
    setting,
    threshold,
)
from pipeline.task import Json, Receipt, Task
from stages.models import AskedModelConfig, asked_locations, asked_resources, conversion_tasks
from stages.quality.judging import ANSWERS_FILE
from stages.quality.report import RECORD_FILE, STUDENT_FILE, prior_scores
from stages.quality.sample import STRATUM

_READS = ("kind.kind", "language.language")


class JudgeConfig(AskedModelConfig):
    """An LLM that grades a sample of documents, from 0 to 5."""

    model: str = file_setting(
        about="The model: a GGUF file that transformers can read, or a Hugging Face folder"
    )
    answers: str | None = file_setting(
        None, about="Grades given before (answers.jsonl of another workspace), used as they are"
    )
    dtype: Literal["bfloat16", "float32"] = setting(
        "float32",
        about="Arithmetic of the model. In float32 engines agree within .01; in bfloat16, which is"
        " faster, within .2",
        source="measured, docs/quality.md",
    )
    threads: int = setting(2, about="CPU threads of the model; sums change with it", ge=1)
    batch_tokens: int = setting(
        4096, about="Tokens computed at a time by the transformers engine", ge=64
    )
    sample_size: int = setting(400, about="Documents to grade", ge=1)
    max_tokens: int = setting(256, about="Tokens of a document that the judge reads", ge=16)
    chunk: int = setting(64, about="Documents in one task, what an interruption can lose", ge=1)
    seed: int = setting(0, about="Seed of the sample", ge=0)


class StudentConfig(StageConfig):
    """The fastText classifier that learns the judge's grades."""

    dim: int = setting(16, about="Size of the vectors", ge=1)
    epochs: int = setting(25, about="Passes over the judged documents", ge=1)
    learning_rate: float = setting(0.3, about="fastText's learning rate", gt=0)
    word_ngrams: int = setting(2, about="Longest word n-gram", source="DCLM, 2406.11794", ge=1)
    buckets: int = setting(50_000, about="Hash buckets of n-grams", ge=1)
    min_count: int = setting(2, about="Words seen less often are left out", ge=1)


class QualityConfig(StageConfig):
    """Settings of the quality stage."""

    judge: JudgeConfig | None = setting(None, about="The LLM judge; without it the prior scores")
    student: StudentConfig = setting(StudentConfig(), about="The classifier distilled from it")
    kinds: tuple[str, ...] = threshold(
        ("prose",),
        about="Kinds of document that a low score drops. The prior was fitted on web prose; of"
        " code, mathematics and lists it knows nothing, so they are scored and kept",
    )
    min_prior: float = threshold(
        0.12,
        about="Lowest prior to keep (0 to 1)",
        source="drops 3 % of the good and 12 % of the bad pages among contested human labels,"
        " docs/quality.md",
        ge=0.0,
        le=1.0,
    )
    min_student: float = threshold(
        0.2, about="Lowest student score to keep, where the student counts (0 to 1)", ge=0.0, le=1.0
    )


class Quality(Stage[QualityConfig]):
    """Scores every document; drops prose below the threshold."""

    name = "quality"
    version = 1
    libraries = ("fasttext-community", "torch", "transformers")
    Config = QualityConfig
    summary = "score documents by a transparent prior, or by a student of an LLM judge"
    may_read = _READS
    columns = pa.schema(
        [
            pa.field("prior", pa.float32()),
            pa.field("student", pa.float32()),
            pa.field("score", pa.float32()),
            pa.field("score_source", pa.string()),
            pa.field("kind", pa.string()),
        ]
    )
    needs_corpus: ClassVar[bool] = True

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """With a judge: candidates by part and the model made ready, the sample, grades by chunk.
        Always: the report."""
        judged: Json = None
        judge = self.config.judge
        if judge is not None:
            model = corpus.externals[judge.model]
            convert = conversion_tasks(model, corpus.stage)
            receipts = yield [
                *convert,
                *(_candidates(corpus, judge, index) for index in range(len(corpus.parts))),
            ]
            converted = receipts[0].path("model") if convert else None
            chosen = yield [_choose(corpus, judge, receipts[len(convert) :])]
            chunks = _sampled_rows(corpus, chosen[0], judge.chunk)
            anchors = _anchor_ranges(judge.chunk)
            tasks = [_grade_rows(corpus, judge, converted, *chunk) for chunk in chunks]
            tasks += [_grade_anchors(corpus, judge, converted, *span) for span in anchors]
            grades = yield tasks
            judged = {
                "about": _about(judge, model.sha256),
                "sample": chosen[0].value,
                "chunks": [
                    {"folder": receipt.output, "documents": documents}
                    for receipt, (documents, _) in zip(grades, chunks, strict=False)
                ],
                "anchors": [receipt.output for receipt in grades[len(chunks) :]],
            }
        reports = yield [self._report(corpus, judged)]
        final = reports[0]
        shared = {"record": final.path(RECORD_FILE)}
        if judged is not None:
            shared["answers"] = final.path(ANSWERS_FILE)
        if final.value["used"] == "student":
            shared["student"] = final.path(STUDENT_FILE)
        return Artefacts(shared=shared, record=final.value)

    def _report(self, corpus: Corpus, judged: Json) -> Task:
        student = StudentSettings(
            **self.config.student.model_dump(),
            seed=self.config.judge.seed if self.config.judge else 0,
        )
        arguments = {
            "judge": judged,
            "student": asdict(student),
            "prior": load_prior().sha256,
            "anchors": anchors_sha256(),
        }
        return corpus.task("stages.quality.report:report", "report", arguments)

    def annotate(self, batch: Batch) -> pa.Table:
        """Prior, student's score (null where it does not count), the score that counts, which of
        the two that is, and the document's kind (null without a kind stage)."""
        rows = batch.table.num_rows
        names = batch.table.column_names
        languages: list[str | None] = [None] * rows
        if "language.language" in names:
            languages = batch.table["language.language"].to_pylist()
        kinds: Any = pa.nulls(rows, pa.string())
        if "kind.kind" in names:
            kinds = pc.cast(batch.table["kind.kind"], pa.string())
        prior = pa.array(prior_scores(batch.table["text"], languages).astype(np.float32))
        student = pa.nulls(rows, pa.float32())
        score, source = prior, "prior"
        if "student" in batch.artefacts:
            texts = pl.Series(values=batch.table["text"], dtype=pl.String)
            found = student_scores(batch.artefacts["student"], texts)
            student = pa.array(found.astype(np.float32))
            score, source = student, "student"
        sources = pa.array([source] * rows, pa.string())
        return pa.table([prior, student, score, sources, kinds], schema=self.columns)

    def decide(self, annotations: pa.Table) -> Verdicts:
        """``low_quality`` for documents of the given kinds below the threshold of their score."""
        rows = annotations.num_rows
        from_student = pc.equal(annotations["score_source"], "student")
        least = pc.if_else(from_student, self.config.min_student, self.config.min_prior)
        of_kind = pc.is_in(annotations["kind"], pa.array(list(self.config.kinds), pa.string()))
        of_kind = pc.or_(of_kind, pc.is_null(annotations["kind"]))
        score = pc.cast(annotations["score"], pa.float64())
        # scores carry 4 decimals; as float32 they lie beside them
        score = pc.round(score, 4)
        low = pc.and_(of_kind, pc.less(score, least))
        verdict = pc.if_else(low, "low_quality", KEEP)
        nothing = pa.nulls(rows, pa.float64())
        return Verdicts(
            _flat(verdict),
            _flat(pc.if_else(of_kind, score, nothing)),
            _flat(pc.if_else(of_kind, pc.cast(least, pa.float64()), nothing)),
        )


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _about(judge: JudgeConfig, model_sha256: str) -> dict[str, Json]:
    return {
        "model": Path(judge.model).name,
        "model_sha256": model_sha256,
        "rubric_sha256": load_rubric().sha256,
        "engine": judge.engine,
        "dtype": judge.dtype,
        "max_tokens": judge.max_tokens,
    }


def _candidates(corpus: Corpus, judge: JudgeConfig, index: int) -> Task:
    part = corpus.parts[index]
    there = [column for column in _READS if column.split(".", 1)[0] in corpus.annotations[index]]
    arguments = {
        "view": corpus.view(part, there),
        "source": part.source,
        "seed": judge.seed,
        "sample_size": judge.sample_size,
    }
    return corpus.task(
        "stages.quality.sample:candidates_of_part", "candidates", arguments, documents=part.rows
    )


def _choose(corpus: Corpus, judge: JudgeConfig, receipts: list[Receipt]) -> Task:
    parts = [
        {"candidates": receipt.path("candidates.parquet"), "strata": receipt.value["strata"]}
        for receipt in receipts
    ]
    arguments = {"parts": parts, "sample_size": judge.sample_size, "strata": list(STRATUM)}
    return corpus.task("stages.quality.sample:choose_sample", "sample", arguments)


def _sampled_rows(corpus: Corpus, chosen: Receipt, chunk: int) -> list[tuple[str, list[int]]]:
    """Documents file and row numbers of every chunk, in the order of parts and rows."""
    table = pq.read_table(corpus.store.path(chosen.path("sample.parquet")))
    parts, rows = table["part"].to_numpy(), table["row"].to_numpy()
    chunks = []
    for part in np.unique(parts):
        inside = rows[parts == part].tolist()
        documents = corpus.parts[int(part)].documents
        chunks += [
            (documents, inside[first : first + chunk]) for first in range(0, len(inside), chunk)
        ]
    return chunks


def _anchor_ranges(chunk: int) -> list[tuple[int, int]]:
    anchors = len(load_anchors())
    return [(first, min(first + chunk, anchors)) for first in range(0, anchors, chunk)]


def _grade_rows(
    corpus: Corpus, judge: JudgeConfig, converted: str | None, documents: str, rows: list[int]
) -> Task:
    arguments = {"documents": documents, "rows": rows}
    return _grade(corpus, judge, converted, "grade_documents", arguments, len(rows))


def _grade_anchors(
    corpus: Corpus, judge: JudgeConfig, converted: str | None, first: int, last: int
) -> Task:
    arguments = {"anchors_sha256": anchors_sha256(), "first": first, "last": last}
    return _grade(corpus, judge, converted, "grade_anchors", arguments, 0)


def _grade(
    corpus: Corpus,
    judge: JudgeConfig,
    converted: str | None,
    function: str,
    what: dict[str, Json],
    documents: int,
) -> Task:
    model = corpus.externals[judge.model]
    engine = EngineSettings(
        name=judge.engine,
        dtype=judge.dtype,
        max_length=judge.max_tokens + 1024,
        batch_tokens=judge.batch_tokens,
        threads=judge.threads,
        gpus=judge.gpus,
    )
    locations, answers = asked_locations(corpus, judge)
    arguments = {
        **what,
        "model": converted,
        "model_sha256": model.sha256,
        "rubric_sha256": load_rubric().sha256,
        "answers_sha256": answers,
        "max_tokens": judge.max_tokens,
        "engine": asdict(engine),
    }
    return corpus.task(
        f"stages.quality.judging:{function}",
        "grades",
        arguments,
        locations=locations,
        resources=asked_resources(corpus, judge, "judge"),
        documents=documents,
    )
