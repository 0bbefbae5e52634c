"""Neighbouring stages over one documents part: the text is read once, each keeps its own ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.parquet import read_columns
from manifests.schema import ID, KEEP, VERDICTS, VERDICTS_AND_CUTS
from pipeline.catalog import find_catalog
from pipeline.corpus import ANNOTATIONS_FILE, VERDICTS_FILE, Part, living_rows
from pipeline.cuts import settle_cuts, united_cuts
from pipeline.fingerprint import fingerprint
from pipeline.libraries import library_versions
from pipeline.recipe import Entry
from pipeline.stage import Artefacts, Batch, Stage, Verdicts
from pipeline.task import Json, Resources, Task, TaskRun, commit

LEDGER_FORMAT = 1
"""Raised when ledgers are laid out in another way."""

_BATCH_BYTES = 16 << 20
"""Text given to one ``annotate`` call, in bytes. Results do not depend on it."""


@dataclass(frozen=True, slots=True)
class Link:
    """One stage of a chain for one part, with the ledger folders it fills (workspace-relative)."""

    entry: Entry
    artefacts: Mapping[str, str]
    reads: Mapping[str, str]
    annotations: str
    verdicts: str | None


def plan_link(
    entry: Entry,
    part: Part,
    artefacts: Artefacts,
    externals: Mapping[str, str],
    verdicts: Sequence[str],
    annotations: Mapping[str, str],
) -> Link:
    """Names a stage's ledger for a part by all that it depends on.

    ``verdicts`` are the part's verdict files of earlier stages, ``annotations`` its annotation
    files by stage, ``externals`` the checksums of files that the stage's config names, by place.
    """
    stage = entry.stage
    wanted = [*stage.reads, *(c for c in stage.may_read if c.split(".", 1)[0] in annotations)]
    reads = {column: annotations[column.split(".", 1)[0]] for column in sorted(wanted)}
    inputs = dict(sorted(artefacts.shared.items()))
    inputs |= {name: paths[part.index] for name, paths in sorted(artefacts.per_part.items())}
    measured = fingerprint(
        {
            "stage": entry.type,
            "version": [LEDGER_FORMAT, stage.version, library_versions(stage.libraries)],
            "config": stage.measured_config(),
            "files": dict(externals),
            "artefacts": inputs,
            "documents": part.documents,
            "verdicts": list(verdicts),
            "reads": reads,
        }
    )
    folder = f"store/{entry.name}/annotations/{measured}"
    decided = fingerprint(
        {"annotations": folder, "version": LEDGER_FORMAT, "config": stage.decision_config()}
    )
    return Link(
        entry,
        inputs,
        reads,
        folder,
        f"store/{entry.name}/verdicts/{decided}" if stage.drops else None,
    )


def chain_task(
    links: Sequence[Link],
    part: Part,
    verdicts: Sequence[str],
    catalog: str,
    label: str,
    configs: Mapping[str, Json],
) -> Task:
    """The task that fills the ledgers of ``links`` for a part. ``verdicts`` precede the chain;
    ``configs`` are those of the stages by name, once for the tasks of all parts."""
    outputs = [link.annotations for link in links]
    outputs += [link.verdicts for link in links if link.verdicts is not None]
    return Task(
        function="pipeline.annotate:annotate_part",
        folder="",
        version=1,
        arguments={
            "catalog": catalog,
            "documents": part.documents,
            "verdicts": list(verdicts),
            "chain": [
                {
                    "name": link.entry.name,
                    "type": link.entry.type,
                    "config": configs[link.entry.name],
                    "artefacts": link.artefacts,
                    "reads": link.reads,
                    "annotations": link.annotations,
                    "verdicts": link.verdicts,
                }
                for link in links
            ],
        },
        label=f"{label} of {part.documents}",
        resources=Resources(),
        work=part.text_bytes,
        documents=part.rows,
        commits=tuple(outputs),
    )


def annotate_part(run: TaskRun) -> Json:
    """Runs the chain over one part and writes the ledgers that are not there yet."""
    catalog = find_catalog(run.arguments["catalog"])
    documents = run.path(run.arguments["documents"])
    ids = read_columns(documents, ["id"])["id"].combine_chunks()
    before: list[str] = list(run.arguments["verdicts"])
    alive = living_rows(run.store, run.arguments["documents"], before)
    text = _Columns(documents)
    for step in run.arguments["chain"]:
        stage_class = catalog.stage(step["type"])
        stage = stage_class(stage_class.Config.model_validate(step["config"]))
        if run.store.receipt(step["annotations"]) is None:
            commit(
                step["annotations"],
                run.store,
                partial(_write_annotations, run, step, stage, text, ids, alive, before),
            )
        if step["verdicts"] is None:
            continue
        if run.store.receipt(step["verdicts"]) is None:
            commit(
                step["verdicts"],
                run.store,
                partial(_write_verdicts, run, step, stage, text, ids, alive, before),
            )
        path = f"{step['verdicts']}/{VERDICTS_FILE}"
        before = [*before, path]
        kept = living_rows(run.store, run.arguments["documents"], [path])
        alive = np.intersect1d(alive, kept, assume_unique=True)
    return None


class _Columns:
    """Columns of a documents part, read once each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read: dict[str, pa.ChunkedArray] = {}

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        if name not in self.read:
            self.read[name] = read_columns(self.path, [name])[name]
        return self.read[name]


def _write_annotations(
    run: TaskRun,
    step: Mapping[str, Json],
    stage: Stage[Any],
    text: _Columns,
    ids: pa.Array,
    alive: np.ndarray[Any, np.dtype[np.int64]],
    before: Sequence[str],
    folder: Path,
) -> Json:
    artefacts = {name: run.path(path) for name, path in step["artefacts"].items()}
    wanted = stage.read_columns()
    columns = {name: text[name] for name in wanted}
    for column, path in step["reads"].items():
        name = column.split(".", 1)[1]
        columns[column] = read_columns(run.path(path), [name])[name]
    table = pa.table(columns)
    cuts = united_cuts(run.store, before) if stage.reads_cuts else None
    pieces = []
    for rows in _batches(text["text"], alive) if "text" in wanted else [alive]:
        chosen = pa.array(rows)
        cut = None if cuts is None else cuts.take(chosen)
        annotated = stage.annotate(Batch(table.take(chosen), rows, artefacts, cut))
        if annotated.num_rows != len(rows) or annotated.column_names != stage.columns.names:
            raise ValueError(
                f"stage {step['name']} annotated {annotated.num_rows} rows with columns"
                f" {annotated.column_names}, but was given {len(rows)} rows and declares"
                f" {stage.columns.names}"
            )
        pieces.append(annotated.cast(stage.columns))
    living = pa.concat_tables(pieces) if pieces else stage.columns.empty_table()
    whole = _scatter(living, alive, len(ids))
    schema = pa.schema([pa.field("id", ID, nullable=False), *stage.columns])
    pq.write_table(
        pa.table([ids, *whole.columns], schema=schema),
        folder / ANNOTATIONS_FILE,
        compression="zstd",
    )
    return {"rows": len(ids), "living": len(alive)}


def _write_verdicts(
    run: TaskRun,
    step: Mapping[str, Json],
    stage: Stage[Any],
    text: _Columns,
    ids: pa.Array,
    alive: np.ndarray[Any, np.dtype[np.int64]],
    before: Sequence[str],
    folder: Path,
) -> Json:
    annotations = read_columns(
        run.path(f"{step['annotations']}/{ANNOTATIONS_FILE}"), stage.columns.names
    )
    if len(alive) != len(ids):
        annotations = annotations.take(pa.array(alive))
    decided: Verdicts = stage.decide(annotations)
    schema = VERDICTS
    if decided.cuts is not None:
        if not stage.may_cut():
            raise ValueError(f"stage {step['name']} gave cuts, but does not declare that it cuts")
        earlier = united_cuts(run.store, before)
        chosen = pa.array(alive)
        decided = settle_cuts(
            decided, text["text"].take(chosen), None if earlier is None else earlier.take(chosen)
        )
        schema = VERDICTS_AND_CUTS
    columns = {
        "verdict": pc.cast(decided.verdict, pa.string()),
        "score": pc.cast(decided.score, pa.float64()),
        "threshold": pc.cast(decided.threshold, pa.float64()),
    }
    if decided.cuts is not None:
        columns["cuts"] = decided.cuts
    living = pa.table(columns)
    whole = _scatter(living, alive, len(ids))
    verdict = whole["verdict"].combine_chunks().dictionary_encode()
    pq.write_table(
        pa.table([ids, verdict, *whole.columns[1:]], schema=schema),
        folder / VERDICTS_FILE,
        compression="zstd",
    )
    kept = pc.sum(pc.equal(living["verdict"], KEEP)).as_py() or 0
    return {"rows": len(ids), "living": len(alive), "kept": kept}


def _batches(
    text: pa.ChunkedArray, alive: np.ndarray[Any, np.dtype[np.int64]]
) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
    """Living rows in runs of about ``_BATCH_BYTES`` of text."""
    if len(alive) == 0:
        return []
    sizes = pc.fill_null(pc.binary_length(text), 0).to_numpy()[alive]
    groups = (np.cumsum(sizes) - sizes) // _BATCH_BYTES
    return np.split(alive, np.flatnonzero(np.diff(groups)) + 1)


def _scatter(living: pa.Table, alive: np.ndarray[Any, np.dtype[np.int64]], rows: int) -> pa.Table:
    """The table with null rows where documents had been dropped before."""
    if len(alive) == rows:
        return living.combine_chunks()
    index = np.zeros(rows, dtype=np.int64)
    absent = np.ones(rows, dtype=bool)
    index[alive] = np.arange(len(alive))
    absent[alive] = False
    if len(alive) == 0:
        return pa.table([pa.nulls(rows, f.type) for f in living.schema], schema=living.schema)
    return living.combine_chunks().take(pa.array(index, mask=absent))
