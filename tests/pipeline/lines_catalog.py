"""A small catalog for tests of the pipeline itself: one document a line, small real stages."""

import hashlib
import json
import os
import re
import signal
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.schema import CUTS, DOCUMENTS
from pipeline.catalog import Catalog
from pipeline.corpus import Corpus, open_view
from pipeline.cuts import cut_texts
from pipeline.source import Ingest, InputFile, Made, SourceBase, Synthesis
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
from pipeline.task import Receipt, Resources, Task, TaskRun

CATALOG = Catalog(
    reference="tests.pipeline.lines_catalog:CATALOG",
    ingest="tests.pipeline.lines_catalog:IngestLines",
    stages={
        "length": "tests.pipeline.lines_catalog:Length",
        "letter": "tests.pipeline.lines_catalog:Letter",
        "twins": "tests.pipeline.lines_catalog:Twins",
        "trip": "tests.pipeline.lines_catalog:Trip",
        "pooled": "tests.pipeline.lines_catalog:Pooled",
        "cut_runs": "tests.pipeline.lines_catalog:CutRuns",
        "what_is_left": "tests.pipeline.lines_catalog:WhatIsLeft",
    },
    makers={"doubles": "tests.pipeline.lines_catalog:Doubles"},
)


class LinesConfig(StageConfig):
    pass


class IngestLines(Ingest[SourceBase, LinesConfig]):
    version = 1
    Config = LinesConfig
    Source = SourceBase

    def tasks(self, source: SourceBase, files: Sequence[InputFile]) -> list[Task]:
        return [
            Task(
                function="tests.pipeline.lines_catalog:ingest_lines",
                folder="store/ingest",
                version=1,
                arguments={"source": source.name, "file": file.relative, "sha256": file.sha256},
                locations={"file": file.location},
                label=f"ingest of {file.relative}",
                work=file.bytes,
            )
            for file in files
        ]


def ingest_lines(run: TaskRun) -> Any:
    source, name = run.arguments["source"], run.arguments["file"]
    lines = Path(run.locations["file"]).read_text().splitlines()
    kept = [(number, line) for number, line in enumerate(lines, 1) if line]
    value = write_lines(run.output, source, name, kept)
    skipped = len(lines) - len(kept)
    return {
        **value,
        "records": len(lines),
        "quarantined": {},
        "skipped": {"empty": skipped} if skipped else {},
    }


def write_lines(folder: Path, source: str, name: str, kept: Sequence[tuple[int, str]]) -> Any:
    """Writes one documents part of numbered lines; returns what is known of it by then."""
    locators = [f"{name}#{number}" for number, _ in kept]
    ids = [hashlib.blake2b(f"{source}\0{x}".encode(), digest_size=16).digest() for x in locators]
    empty = [None] * len(kept)
    table = pa.table(
        [
            pa.array(ids, pa.binary(16)),
            pa.array([line for _, line in kept], pa.large_string()),
            pa.array([source] * len(kept), pa.string()).dictionary_encode(),
            pa.array(locators, pa.string()),
            *(pa.array(empty, pa.string()) for _ in range(4)),
        ],
        schema=DOCUMENTS,
    )
    pq.write_table(table, folder / "part-00000.parquet")
    size = sum(len(line.encode()) for _, line in kept)
    return {
        "parts": [{"file": "part-00000.parquet", "rows": len(kept), "text_bytes": size}],
        "record_bytes": size,
    }


class DoublesConfig(StageConfig):
    at_least: int = setting(4, about="Shortest line that is doubled", ge=0)
    between: str | None = file_setting(None, about="What stands between, a file of text")


class Doubles(Synthesis[DoublesConfig]):
    name = "doubles"
    version = 1
    Config = DoublesConfig
    summary = "Makes a document of every line that is long enough: the line twice"

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Made]:
        here = "tests.pipeline.lines_catalog"
        read = yield [
            corpus.task(f"{here}:sketch", "seeds", {"view": corpus.view(part)})
            for part in corpus.parts
        ]
        between = self.config.between
        file = None if between is None else corpus.externals[between]
        made = yield [
            corpus.task(
                f"{here}:double",
                "doubles",
                {
                    "source": corpus.stage,
                    "seeds": receipt.path("lines.parquet"),
                    "at_least": self.config.at_least,
                    "between": None if file is None else file.sha256,
                },
                locations={} if file is None else {"between": file.location},
            )
            for receipt in read
        ]
        asked = sum(receipt.value["records"] for receipt in made)
        return Made(made, {"funnel": {"requested": asked}})


def double(run: TaskRun) -> Any:
    seeds = pl.read_parquet(run.path(run.arguments["seeds"]))
    between = Path(run.locations["between"]).read_text() if run.locations else ""
    rows = list(enumerate(seeds["text"].to_list(), 1))
    kept = [(n, x + between + x) for n, x in rows if len(x) >= run.arguments["at_least"]]
    name = run.arguments["seeds"].split("/")[-2][:8]
    value = write_lines(run.output, run.arguments["source"], name, kept)
    short = {"too_short": len(rows) - len(kept)} if len(kept) < len(rows) else {}
    told = [
        json.dumps({"reason": "too_short", "locator": f"{name}#{n}", "excerpt": x}) + "\n"
        for n, x in rows
        if len(x) < run.arguments["at_least"]
    ]
    (run.output / "skipped.jsonl").write_text("".join(told))
    return {**value, "records": len(rows), "quarantined": {}, "skipped": short}


class LengthConfig(StageConfig):
    at_least: int = threshold(3, about="Shortest line kept, in characters", ge=0)
    unit: str = setting("characters", about="What is counted: characters or words")


class Length(Stage[LengthConfig]):
    name = "length"
    version = 1
    Config = LengthConfig
    summary = "Drops short lines"
    columns = pa.schema([pa.field("length", pa.int64())])
    measures = ("length",)

    def annotate(self, batch: Batch) -> pa.Table:
        text = pl.from_arrow(batch.table["text"])
        assert isinstance(text, pl.Series)
        words = self.config.unit == "words"
        lengths = text.str.split(" ").list.len() if words else text.str.len_chars()
        return pa.table({"length": lengths.cast(pl.Int64).to_arrow()})

    def decide(self, annotations: pa.Table) -> Verdicts:
        least = self.config.at_least
        return Verdicts.drop_where(
            pc.less(annotations["length"], least), "short", annotations["length"], least
        )


class Letter(Stage[StageConfig]):
    name = "letter"
    version = 1
    Config = StageConfig
    summary = "Notes the first letter"
    columns = pa.schema([pa.field("letter", pa.string())])
    dimensions = ("letter",)
    drops = False

    def annotate(self, batch: Batch) -> pa.Table:
        return pa.table(
            {"letter": pc.cast(pc.utf8_slice_codeunits(batch.table["text"], 0, 1), pa.string())}
        )


class Twins(Stage[StageConfig]):
    name = "twins"
    version = 1
    Config = StageConfig
    summary = "Keeps one of equal lines: the one with the smallest id"
    columns = pa.schema([pa.field("twin", pa.bool_())])
    needs_corpus = True
    reads = ("length.length",)

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        here = "tests.pipeline.lines_catalog"
        sketches = yield [
            corpus.task(
                f"{here}:sketch",
                "sketch",
                {"view": corpus.view(part, self.reads)},
                work=part.text_bytes,
                documents=part.rows,
            )
            for part in corpus.parts
        ]
        paths = [receipt.path("lines.parquet") for receipt in sketches]
        (merged,) = yield [corpus.task(f"{here}:merge", "merge", {"sketches": paths})]
        kept = merged.path("kept.parquet")
        return Artefacts(shared={"kept": kept}, published={"kept.parquet": kept})

    document_columns = ("text", "id")

    def annotate(self, batch: Batch) -> pa.Table:
        kept = set(pl.read_parquet(batch.artefacts["kept"])["id"].to_list())
        return pa.table({"twin": pa.array([i not in kept for i in batch.table["id"].to_pylist()])})

    def decide(self, annotations: pa.Table) -> Verdicts:
        return Verdicts.drop_where(annotations["twin"], "twin")


def sketch(run: TaskRun) -> Any:
    view = open_view(run.store, run.arguments["view"])
    assert view.table.column_names == ["id", "text", *run.arguments["view"]["reads"]]
    pq.write_table(view.table.select(["id", "text"]), run.output / "lines.parquet")
    return {"rows": view.table.num_rows}


def merge(run: TaskRun) -> Any:
    frames = [pl.read_parquet(run.path(path)) for path in run.arguments["sketches"]]
    kept = pl.concat(frames).group_by("text").agg(pl.col("id").min()).sort("id")
    kept.select("id").write_parquet(run.output / "kept.parquet")
    return {"kept": len(kept)}


class TripConfig(StageConfig):
    mode: str = setting("raise", about="What happens: raise, or die once (kill -9)")
    scar: str = setting("", about="A file that remembers that it died")


class Trip(Stage[TripConfig]):
    name = "trip"
    version = 1
    Config = TripConfig
    summary = "Fails: for tests of failure"
    columns = pa.schema([pa.field("rows", pa.int64())])
    drops = False

    def annotate(self, batch: Batch) -> pa.Table:
        scar = Path(self.config.scar)
        if self.config.mode == "raise":
            raise ValueError("this part cannot be read")
        if not scar.exists():
            scar.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return pa.table({"rows": pa.array(batch.rows)})


class Pooled(Stage[StageConfig]):
    name = "pooled"
    version = 1
    Config = StageConfig
    summary = "Counts lines in one process that stays, beside tasks that need none"
    drops = False
    needs_corpus = True

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        here = "tests.pipeline.lines_catalog"
        held = Resources(cpus=2, pool="counting")
        views = [{"view": corpus.view(part, ["length.length"])} for part in corpus.parts]
        receipts = yield [
            *(corpus.task(f"{here}:sketch", "held", view, resources=held) for view in views),
            *(corpus.task(f"{here}:sketch", "free", view) for view in views),
        ]
        again = yield [corpus.task(f"{here}:sketch", "again", view) for view in views]
        rows = [receipt.value["rows"] for receipt in [*receipts, *again]]
        return Artefacts(record={"rows": rows})


class CutRunsConfig(StageConfig):
    letters: str = setting("x", about="Letters that are cut")
    at_least: int = threshold(1, about="Shortest run that is cut, in bytes", ge=1)


class CutRuns(Stage[CutRunsConfig]):
    name = "cut_runs"
    version = 1
    Config = CutRunsConfig
    summary = "Cuts runs of some letters"
    columns = pa.schema([pa.field("runs", pa.list_(pa.list_(pa.int32())))])
    cuts = True

    def annotate(self, batch: Batch) -> pa.Table:
        run = re.compile(f"[{self.config.letters}]+".encode())
        texts = [text.encode() for text in batch.table["text"].to_pylist()]
        return pa.table(
            {"runs": pa.array([[list(m.span()) for m in run.finditer(text)] for text in texts])},
            schema=self.columns,
        )

    def decide(self, annotations: pa.Table) -> Verdicts:
        least, reason = self.config.at_least, f"run_of_{self.config.letters}"
        cuts = [
            [{"start": a, "end": b, "reason": reason} for a, b in runs if b - a >= least]
            for runs in annotations["runs"].to_pylist()
        ]
        kept = Verdicts.keep_all(annotations.num_rows)
        return Verdicts(kept.verdict, kept.score, kept.threshold, pa.array(cuts, CUTS))


class WhatIsLeft(Stage[StageConfig]):
    name = "what_is_left"
    version = 1
    Config = StageConfig
    summary = "Notes the text that cuts leave"
    columns = pa.schema([pa.field("left", pa.large_string())])
    drops = False
    reads_cuts = True

    def annotate(self, batch: Batch) -> pa.Table:
        return pa.table({"left": cut_texts(batch.table["text"], batch.cuts)})
