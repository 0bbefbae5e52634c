"""The test side shown: benchmark items that a corpus holds, and those that it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from manifests.manifest import Manifest
from manifests.parts import part_files
from pipeline.corpus import living_rows
from pipeline.store import Store
from stages.decontaminate.benchmark import BenchmarkConfig, read_sequences
from stages.decontaminate.contained import STRICT_N, ContainedItems, Item
from tamis.printable import one_line


@dataclass(frozen=True)
class Contained:
    """A benchmark item that the corpus holds: the n-gram of ``words`` words that shows it, as it
    stands in the first document that has one."""

    benchmark: str
    item: str
    words: int
    text: str
    id: str
    source: str
    locator: str


@dataclass(frozen=True)
class TestItems:
    """All items of the benchmarks, and those that the corpus holds."""

    items: list[Item]
    contained: list[Contained]

    @property
    def clean(self) -> list[Item]:
        """The items that were looked for and not found."""
        held = {(one.benchmark, one.item) for one in self.contained}
        return [
            item for item in self.items if item.words and (item.benchmark, item.name) not in held
        ]


def find_contained(
    manifest: Manifest, benchmarks: Mapping[str, BenchmarkConfig], before: str | None = None
) -> TestItems:
    """Looks for every item of the benchmarks in the documents that all stages kept; with
    ``before``, in those that came to this stage.

    One process reads all texts, at about 80 MB/s. Raises BenchmarkError for a file that cannot be
    used.
    """
    sequences = []
    for name, config in sorted(benchmarks.items()):
        sequences += read_sequences(name, Path(config.path), config)[0]
    looking = ContainedItems(sequences)
    contained = [
        Contained(
            looking.items[finding.item].benchmark,
            looking.items[finding.item].name,
            looking.items[finding.item].words,
            finding.text,
            table["id"][finding.row].as_py().hex(),
            table["source"][finding.row].as_py(),
            table["locator"][finding.row].as_py(),
        )
        for table in _living(manifest, before)
        for finding in looking.look(table["text"])
    ]
    return TestItems(looking.items, contained)


def _living(manifest: Manifest, before: str | None) -> Iterator[pa.Table]:
    """The documents by row group, without those that a stage (before the named one) dropped."""
    store = Store(manifest.workspace)
    stages = manifest.stage_names
    deciding = stages if before is None else stages[: stages.index(before)]
    for _, files in part_files(manifest):
        (documents,) = files.filter(pl.col("role") == "documents")["path"]
        verdicts = files.filter((pl.col("role") == "verdicts") & pl.col("stage").is_in(deciding))[
            "path"
        ]
        rows = living_rows(store, documents, verdicts.to_list())
        file = pq.ParquetFile(store.path(documents))
        first = 0
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, ["id", "source", "locator", "text"])
            start, end = np.searchsorted(rows, [first, first + table.num_rows])
            yield table.take(pa.array(rows[start:end] - first))
            first += table.num_rows


def show_contained(console: Console, found: TestItems, most: int) -> None:
    """At most so many of the items that the corpus holds, then a table by benchmark."""
    for one in found.contained[:most]:
        console.print(
            Text.assemble(
                (f"{one.benchmark} {one.item}", "bold red"),
                f" in {one.id} {one_line(f'{one.source}: {one.locator}', 60)}\n",
                (f"  {one.words} words: {one_line(one.text)}", "dim"),
            )
        )
    if len(found.contained) > most:
        console.print(f"… and {len(found.contained) - most:,} more items", style="dim")
    table = Table(box=box.SIMPLE_HEAD, title="Benchmark items that the corpus holds")
    table.title_justify = table.caption_justify = "left"
    table.caption = (
        f"contained: any {STRICT_N} words in a row stand in a document; all words of an item that"
        " has fewer. too short: under 5 words, cannot be tested, neither contained nor clean"
    )
    table.add_column("benchmark")
    for name in ("items", "contained", "share", "clean", "too short"):
        table.add_column(name, justify="right")
    for name, counts in counts_by_benchmark(found).items():
        table.add_row(
            escape(name),
            f"{counts['items']:,}",
            f"{counts['contained']:,}",
            f"{100 * counts['contained'] / max(1, counts['items']):.1f} %",
            f"{counts['clean']:,}",
            f"{counts['too_short']:,}",
        )
    console.print(table)


def counts_by_benchmark(found: TestItems) -> dict[str, dict[str, int]]:
    """By benchmark: items, contained, clean, too_short."""
    counts: dict[str, dict[str, int]] = {}
    for item in found.items:
        of_it = counts.setdefault(
            item.benchmark, {"items": 0, "contained": 0, "clean": 0, "too_short": 0}
        )
        of_it["items"] += 1
        of_it["too_short"] += item.words == 0
    for one in found.contained:
        counts[one.benchmark]["contained"] += 1
    for item in found.clean:
        counts[item.benchmark]["clean"] += 1
    return dict(sorted(counts.items()))


def write_contained(found: TestItems, path: Path) -> None:
    """Writes the items that the corpus holds as JSON lines, with the n-gram and its document."""
    _write_lines(path, (asdict(one) for one in found.contained))


def write_clean(found: TestItems, path: Path) -> None:
    """Writes the clean items as JSON lines: benchmark and item."""
    _write_lines(path, ({"benchmark": one.benchmark, "item": one.name} for one in found.clean))


def _write_lines(path: Path, records: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
