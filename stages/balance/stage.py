"""Balancing: how often every document is read, so that the corpus has the mixture asked for."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.corpus import Corpus
from pipeline.draft import Place
from pipeline.stage import Artefacts, Batch, Stage, Verdicts
from pipeline.task import Json, Receipt, Task, TaskRun
from stages.balance.choose import (
    CHOSEN_FILE,
    COLUMNS,
    READING_FILE,
    chosen_for,
    cuts_of,
    reading_of,
)
from stages.balance.config import BalanceConfig
from stages.balance.cuts import find_cuts
from stages.balance.groups import (
    DOCUMENTS_FILE,
    TOKENS,
    annotations_read,
    column_kinds,
    expression_faults,
    group_arguments,
)
from stages.balance.plan import Cell, plan_phases
from stages.balance.record import describe, group_weights, sum_reached

PLAN_FILE = "plan.json"

MOST_GROUPS = 10_000
"""More than that is a column that names documents, not groups."""


class Balance(Stage[BalanceConfig]):
    """See the module."""

    name = "balance"
    version = 2
    Config = BalanceConfig
    summary = "Choose how often each document is read, for a mixture of any groups."
    document_columns = ("id",)
    reads = (TOKENS,)
    columns = COLUMNS
    dimensions = ("group",)
    measures = ("repeated_tokens",)
    libraries = ("polars",)
    needs_corpus = True

    def needs_stages(self) -> tuple[str, ...]:
        """The stages whose annotations it reads."""
        named = [stage for each in self.config.expressions().values() for stage in each.stages()]
        return tuple(dict.fromkeys([*super().needs_stages(), *named]))

    def faults(self, above: Mapping[str, Stage[Any]]) -> list[tuple[Place, str]]:
        """What is wrong with its expressions, with the columns that are nearest."""
        schemas = {name: stage.columns for name, stage in above.items()}
        return expression_faults(self.config, column_kinds(schemas))

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """Groups the documents of every part; plans; finds the cuts; chooses in every part."""
        reads = annotations_read(self.config)
        grouped = yield [
            corpus.task(
                "stages.balance.groups:group_part",
                "group",
                {"view": corpus.view(part, reads), **group_arguments(self.config)},
                label=f"groups of {part.documents}",
                work=part.text_bytes,
                documents=part.rows,
            )
            for part in corpus.parts
        ]
        counts = sum_counts(grouped)
        tokens = {cell: amount for cell, (_, amount) in counts.items()}
        plans = plan_phases(self.config, tokens)
        cuts = yield from find_cuts(corpus, grouped, cuts_of(plans, tokens))
        reading = reading_of(plans, tokens, group_weights(plans), bool(self.config.phases))
        (read,) = yield [
            corpus.task(
                "stages.balance.choose:write_reading",
                "plan",
                {"reading": reading},
                label="plan of the mixture",
            )
        ]
        chosen = yield [
            corpus.task(
                "stages.balance.choose:choose_part",
                "choose",
                {
                    "documents": receipt.path(DOCUMENTS_FILE),
                    "cuts": cuts,
                    "reading": read.path(READING_FILE),
                },
                label=f"choice in {part.documents}",
                documents=part.rows,
            )
            for part, receipt in zip(corpus.parts, grouped, strict=True)
        ]
        reached = sum_reached((row for one in chosen for row in one.value), len(plans))
        record = describe(self.config, plans, counts, reached)
        (written,) = yield [
            corpus.task(
                "stages.balance.stage:write_plan", "record", {"record": record}, label="mixture"
            )
        ]
        return Artefacts(
            shared={"plan": written.path(PLAN_FILE)},
            per_part={"chosen": [receipt.path(CHOSEN_FILE) for receipt in chosen]},
            record=record,
            published={"mixture.json": written.path(PLAN_FILE)},
        )

    def annotate(self, batch: Batch) -> pa.Table:
        """Group, repeats (how often the document is read, in all and by phase) and weight."""
        return chosen_for(batch.artefacts["chosen"], batch.rows)

    def decide(self, annotations: pa.Table) -> Verdicts:
        """Documents that are read no time are dropped."""
        return Verdicts.drop_where(pc.equal(annotations["repeats"].combine_chunks(), 0), "balance")


def sum_counts(grouped: list[Receipt]) -> dict[Cell, tuple[int, int]]:
    """Documents and tokens by cell, over all parts. Raises ValueError for too many groups."""
    counts: dict[Cell, tuple[int, int]] = {}
    for receipt in grouped:
        for group, weight, documents, tokens in receipt.value:
            cell = (group, Fraction(weight))
            have = counts.get(cell, (0, 0))
            counts[cell] = (have[0] + documents, have[1] + tokens)
        if len(counts) > MOST_GROUPS:
            raise ValueError(
                f"by: it makes more than {MOST_GROUPS:,} groups, such as {group!r}."
                " Group by columns with fewer values, or cut numbers into bands."
            )
    return dict(sorted(counts.items()))


def write_plan(run: TaskRun) -> Json:
    """Writes the record of the mixture, for people and the trainer."""
    text = json.dumps(run.arguments["record"], indent=1, sort_keys=True)
    (run.output / PLAN_FILE).write_text(text + "\n")
    return None
