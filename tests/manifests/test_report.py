"""What a report reads from manifest and ledgers, against plain loops over the same documents."""

import math
from collections import Counter
from hashlib import blake2b
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.manifest import Manifest
from manifests.report.flow import flow_of
from manifests.report.groups import groups_of
from manifests.report.samples import dropped_samples
from manifests.report.scores import Histogram, score_histograms
from manifests.schema import DOCUMENTS, ID, KEEP, VERDICTS

Verdict = tuple[str | None, float | None, float | None]
"""A verdict, the score and the threshold that were compared."""


def write(folder: Path, verdicts: dict[str, list[Verdict]], parts: int = 2) -> Manifest:
    """A corpus of as many documents as there are verdicts of a stage, with its ledgers."""
    folder.mkdir(parents=True, exist_ok=True)
    number = len(next(iter(verdicts.values())))
    ids = [blake2b(str(row).encode(), digest_size=16).digest() for row in range(number)]
    files = []
    for part, rows in enumerate(np.array_split(np.arange(number), parts)):
        own = pa.array([ids[row] for row in rows], ID)
        columns = {
            "id": own,
            "text": pa.array([f"Document {row}." for row in rows], pa.large_string()),
            "source": pa.array(["s"] * len(rows), pa.string()).dictionary_encode(),
            "locator": pa.array([f"file#{row}" for row in rows]),
        }
        for name in DOCUMENTS.names[len(columns) :]:
            columns[name] = pa.nulls(len(rows), pa.string())
        tables = {("ingest", "documents"): pa.table(columns, DOCUMENTS)}
        for stage, told in verdicts.items():
            words, scores, thresholds = zip(*(told[row] for row in rows), strict=True)
            tables[stage, "verdicts"] = pa.table(
                {
                    "id": own,
                    "verdict": pa.array(words, pa.string()).dictionary_encode(),
                    "score": pa.array(scores, pa.float64()),
                    "threshold": pa.array(thresholds, pa.float64()),
                },
                VERDICTS,
            )
        for (stage, role), table in tables.items():
            path = f"{stage}-{part}.parquet"
            pq.write_table(table, folder / path)
            files.append((stage, part, role, path, len(rows)))
    columns = ["stage", "part", "role", "path", "rows"]
    pl.DataFrame(files, columns, orient="row").write_parquet(folder / "files.parquet")
    stages = []
    for stage, told in verdicts.items():
        counts = Counter(word for word, _, _ in told if word not in (None, KEEP))
        dropped = {word: {"documents": n, "bytes": 13 * n} for word, n in counts.items()}
        stages.append({"name": stage, "dropped": dropped, "measures": []})
    content = {"stages": stages, "files": {"path": "files.parquet"}, "quarantine": []}
    return Manifest(content, folder, folder / "manifest.json")


def plainly(histogram: Histogram, told: list[Verdict]) -> tuple[list[int], list[int], int]:
    """Kept and dropped documents by bin, and those outside, one document after the other."""
    kept, dropped = ([0] * len(histogram.kept) for _ in range(2))
    outside = 0
    for word, score, _ in told:
        if word is None or score is None:
            continue
        rounded = float(f"{score:.4g}")
        place = math.floor((rounded - histogram.start) / histogram.width + 1e-6)
        if 0 <= place < len(kept):
            (kept if word == KEEP else dropped)[place] += 1
        else:
            outside += 1
    return kept, dropped, outside


scores = st.floats(-1e3, 1e3).map(lambda value: round(value, 4))


@settings(max_examples=25, deadline=None)
@given(st.lists(scores, min_size=1, max_size=60), scores, st.integers(1, 3))
def test_histograms_count_every_document_once(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], limit: float, parts: int
) -> None:
    told: list[Verdict] = [("low" if v < limit else KEEP, v, limit) for v in values]
    told += [(None, None, None), (KEEP, None, limit)]
    manifest = write(tmp_path_factory.mktemp("scores"), {"quality": told}, parts)
    (histogram,) = score_histograms(manifest)
    kept, dropped, outside = plainly(histogram, told)
    assert (histogram.kept, histogram.dropped) == (kept, dropped)
    assert histogram.below + histogram.above == outside
    assert sum(kept) + sum(dropped) + outside == len(values)
    assert outside <= 0.01 * len(values) + 1
    # the threshold lies on an edge, so that no bar stands on both of its sides
    places = [(limit - histogram.start) / histogram.width]
    assert places == pytest.approx([round(place) for place in places], abs=1e-4)
    assert histogram.edges[0] - 1e-9 <= limit <= histogram.edges[-1] + 1e-9


def test_rules_with_thresholds_of_their_own_are_apart(tmp_path: Path) -> None:
    told: list[Verdict] = [("few_words", 7.0, 50.0)] * 3 + [("ellipses", 0.25, 0.1)] * 2
    told += [(KEEP, None, None)] * 4
    found = score_histograms(write(tmp_path, {"heuristics": told}))
    assert [one.reasons for one in found] == [("few_words",), ("ellipses",)]
    assert [sum(one.dropped) for one in found] == [3, 2]
    assert found[0].width >= 1, "words are whole"


def test_long_tails_are_counted_but_not_drawn(tmp_path: Path) -> None:
    told: list[Verdict] = [("long", float(100 + n % 50), 100.0) for n in range(999)]
    told.append(("long", 1e6, 100.0))
    (found,) = score_histograms(write(tmp_path, {"lines": told}))
    assert (found.above, sum(found.dropped)) == (1, 999)
    assert found.edges[-1] < 300


def test_samples_do_not_depend_on_parts(tmp_path: Path) -> None:
    words = [("short", "odd", KEEP)[n % 3] for n in range(300)]
    told: list[Verdict] = [(word, 0.5, 1.0) for word in words]
    one, many = (
        dropped_samples(write(tmp_path / str(parts), {"rules": told}, parts), each=7)
        for parts in (1, 9)
    )
    assert one == many
    assert [(sample.reason, len(sample.sample), sample.documents) for sample in one] == [
        ("odd", 7, 100),
        ("short", 7, 100),
    ]
    for sample in one:
        rows = {int(dropped.document.locator[5:]) for dropped in sample.sample}
        assert {words[row] for row in rows} == {sample.reason}
        assert len(rows) == 7
    other = dropped_samples(write(tmp_path / "seed", {"rules": told}), each=7, seed=1)
    assert [sample.sample for sample in other] != [sample.sample for sample in one]


def cube(rows: list[tuple[str | None, str, int, int, int | None]]) -> pl.DataFrame:
    """``language, source, documents, bytes, n_tokens``; every second row is dropped."""
    columns = ["language", "source", "documents", "bytes", "n_tokens"]
    table = pl.DataFrame(rows, columns, orient="row")
    dropped = [None if n % 2 == 0 else "rules" for n in range(len(rows))]
    return table.with_columns(
        pl.Series("dropped_by", dropped, pl.String),
        pl.Series("reason", [None if word is None else "short" for word in dropped], pl.String),
    )


ROWS = [
    ("en", "web", 10, 100, 20),
    (None, "web", 4, 40, 0),
    ("de", "docs", 5, 50, 30),
    ("en", "docs", 1, 10, 0),
    ("fr", "docs", 2, 20, 1),
    ("fr", "web", 3, 30, 0),
]


def test_groups_add_up_to_the_whole() -> None:
    found = groups_of(cube(ROWS), "language")
    told = [(one.name, one.documents_in, one.documents, one.tokens) for one in found]
    assert told == [("de", 5, 5, 30), ("en", 11, 10, 20), ("fr", 5, 2, 1), ("—", 4, 0, 0)]
    short = groups_of(cube(ROWS), "language", most=2)
    assert (short[-1].groups, short[-1].documents_in) == (2, 9)
    for name in ("documents_in", "documents", "bytes_in", "bytes", "tokens"):
        assert sum(getattr(one, name) for one in short) == sum(getattr(one, name) for one in found)


def test_flow_loses_no_document(tmp_path: Path) -> None:
    told = cube(ROWS)
    names = told.columns
    content = {
        "cube": {
            "columns": names,
            "measures": ["documents", "bytes", "n_tokens"],
            "rows": [list(row) for row in told.rows()],
        },
        "stages": [
            {"name": "tokenize", "measures": ["n_tokens"]},
            {"name": "rules", "measures": []},
        ],
    }
    flow = flow_of(Manifest(content, tmp_path, tmp_path / "manifest.json"))
    came, kept = flow.steps[1].came, flow.steps[1].kept
    (loss,) = flow.steps[1].losses
    assert (came.documents, kept.documents, loss.amount.documents) == (25, 17, 8)
    assert came.bytes == (kept.bytes or 0) + (loss.amount.bytes or 0)
    assert sum(amount.documents for amount in flow.sources.values()) == came.documents
    assert sum(amount.documents for amount in flow.kept.values()) == kept.documents
    assert flow.dimension == "source"
