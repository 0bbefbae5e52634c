"""A workspace of made-up documents in the layout of a real one, for the benchmark of the report.

Documents with texts, verdicts with scores of five stages, clusters of duplicates, and a manifest
with its cube. Everything follows from a seed and the rows' numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.checksum import sha256_of_file
from manifests.manifest import FORMAT, manifest_text, sealed
from manifests.schema import DOCUMENTS, ID, KEEP, SURVIVOR, VERDICTS

Json = Any
PART_ROWS = 50_000
SOURCES = [f"source-{number}" for number in range(12)]
KINDS = ["prose", "code", "math", "list", "markup"]
LANGUAGES = [f"{a}{b}" for a in "abcdefghij" for b in "abcdefghij"]
DOMAINS = [f"domain-{number}" for number in range(24)]
RULES = {f"rules.rule_{number}": 0.1 + number / 50 for number in range(30)}
CLUSTER = 20
"""Documents in a cluster of duplicates."""
STAGES = ("language", "heuristics", "near_dedupe", "quality", "balance")
SHARES = ("natural", "target", "planned", "reached")
MEASURES = ["documents", "bytes", "n_tokens", "repeated_tokens"]


def texts(generator: np.random.Generator) -> pa.Array:
    """A thousand texts of about 1,200 characters, of which documents are made."""
    words = np.array([f"word{number}" for number in range(5000)])
    chosen = generator.integers(0, len(words), (1000, 150))
    return pa.array([" ".join(words[row]) for row in chosen], pa.large_string())


def documents(rows: np.ndarray, pool: pa.Array, generator: np.random.Generator) -> pl.DataFrame:
    """What is known of documents: their groups, sizes, and what every stage decides."""
    count = len(rows)

    def skewed(words: list[str]) -> np.ndarray:
        place = (generator.random(count) ** 3 * len(words)).astype(int)
        return np.asarray(np.array(words)[place])

    picked = generator.integers(0, len(pool), count)
    size = np.array([len(text) for text in pool.to_pylist()])[picked]
    table = pl.DataFrame(
        {
            "row": rows,
            "picked": picked,
            "source": skewed(SOURCES),
            "kind": skewed(KINDS),
            "language": skewed(LANGUAGES),
            "domain": skewed(DOMAINS),
            "bytes": size,
            "confidence": generator.beta(6, 1.5, count).round(4),
            "rule": generator.integers(0, 4 * len(RULES), count),
            "excess": generator.exponential(0.1, count).round(6),
            "jaccard": (0.75 + 0.25 * generator.beta(2, 2, count)).round(4),
            "quality": generator.normal(0.35, 0.12, count).round(4),
        }
    )
    duplicate = (rows % (3 * CLUSTER) < CLUSTER) & (rows % (3 * CLUSTER) > 0)
    return table.with_columns(pl.Series("duplicate", duplicate)).with_columns(_dropped_by())


def _dropped_by() -> list[pl.Expr]:
    """The stage that drops a document, and why."""
    rules = list(RULES)
    fails = pl.col("rule") < len(rules)
    names = pl.col("rule").replace_strict(dict(enumerate(rules)), default=None)
    stage = (
        pl.when(pl.col("confidence") < 0.65)
        .then(pl.lit("language"))
        .when(fails)
        .then(pl.lit("heuristics"))
        .when("duplicate")
        .then(pl.lit("near_dedupe"))
        .when(pl.col("quality") < 0.2)
        .then(pl.lit("quality"))
    )
    reasons = {
        "language": pl.lit("language_below_threshold"),
        "heuristics": names,
        "near_dedupe": pl.lit("near_duplicate"),
        "quality": pl.lit("low_quality"),
    }
    reason = pl.coalesce(pl.when(stage == name).then(why) for name, why in reasons.items())
    return [stage.alias("dropped_by"), reason.alias("reason")]


def verdicts(table: pl.DataFrame, stage: str) -> pl.DataFrame:
    """A stage's verdicts on a part, null where an earlier one dropped the document."""
    place = STAGES.index(stage)
    earlier = pl.col("dropped_by").is_in(list(STAGES[:place])).fill_null(False)
    own = pl.col("dropped_by").eq_missing(pl.lit(stage))
    limits = pl.col("rule").replace_strict(dict(enumerate(RULES.values())), default=None)
    none = pl.lit(None, pl.Float64)
    score, threshold = {
        "language": (pl.col("confidence"), pl.lit(0.65)),
        "heuristics": (limits + pl.col("excess"), limits),
        "near_dedupe": (pl.when("duplicate").then("jaccard"), pl.lit(0.75)),
        "quality": (pl.col("quality"), pl.lit(0.2)),
        "balance": (none, none),
    }[stage]
    if stage == "heuristics":
        score, threshold = (pl.when(own).then(side) for side in (score, threshold))
    return table.select(
        pl.when(~earlier)
        .then(pl.when(own).then("reason").otherwise(pl.lit(KEEP)))
        .alias("verdict"),
        pl.when(~earlier).then(score).cast(pl.Float64).alias("score"),
        pl.when(~earlier).then(threshold).cast(pl.Float64).alias("threshold"),
    )


def _ids(rows: np.ndarray) -> pa.Array:
    """128 bits that look like hashes."""
    mixed = np.empty((len(rows), 2), np.uint64)
    for side, factor in enumerate((0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)):
        value = (rows.astype(np.uint64) + np.uint64(side + 1)) * np.uint64(factor)
        mixed[:, side] = value ^ (value >> np.uint64(29))
    return pa.FixedSizeBinaryArray.from_buffers(ID, len(rows), [None, pa.py_buffer(mixed)])


def write_part(folder: Path, part: int, table: pl.DataFrame, pool: pa.Array) -> Iterator[Json]:
    """Writes a part's documents and ledgers; yields their lines of the list of files."""
    rows = table["row"].to_numpy()
    ids = _ids(rows)
    columns = {
        "id": ids,
        "text": pool.take(pa.array(table["picked"].to_numpy())),
        "source": table["source"].to_arrow().cast(pa.string()).dictionary_encode(),
        "locator": pa.array([f"file-{part}.jsonl#{row}" for row in rows]),
    }
    for name in DOCUMENTS.names[len(columns) :]:
        columns[name] = pa.nulls(len(rows), pa.string())
    files = {("ingest", "documents"): pa.table(columns, DOCUMENTS)}
    for stage in STAGES:
        told = verdicts(table, stage).to_arrow()
        files[stage, "verdicts"] = pa.table(
            {
                "id": ids,
                "verdict": told["verdict"].cast(pa.string()).dictionary_encode(),
                "score": told["score"],
                "threshold": told["threshold"],
            }
        ).cast(VERDICTS)
    first = rows // (3 * CLUSTER) * (3 * CLUSTER)
    inside = rows % (3 * CLUSTER) < CLUSTER
    files["near_dedupe", "annotations"] = pa.table(
        {
            "id": ids,
            "cluster": pa.array(_ids(first).to_pylist(), ID, mask=~inside),
            "cluster_size": pa.array(np.where(inside, CLUSTER, 1).astype(np.int32)),
            SURVIVOR: pa.array(_ids(first).to_pylist(), ID, mask=~inside | (rows == first)),
            "jaccard": pa.array(table["jaccard"].to_numpy().astype(np.float32), mask=~inside),
        }
    )
    for (stage, role), content in files.items():
        path = f"store/{stage}-{part}-{role}.parquet"
        pq.write_table(content, folder / path, compression="zstd")
        yield (stage, part, role, path, len(rows), (folder / path).stat().st_size, "")


def counted(table: pl.DataFrame) -> pl.DataFrame:
    """A part's rows of the cube."""
    tokens = pl.when(pl.col("dropped_by").is_null()).then(pl.col("bytes") // 4).otherwise(0)
    return table.group_by("source", "kind", "language", "domain", "dropped_by", "reason").agg(
        pl.len().cast(pl.Int64).alias("documents"),
        pl.col("bytes").sum(),
        tokens.sum().alias("n_tokens"),
        (2 * tokens).sum().alias("repeated_tokens"),
    )


def write_corpus(folder: Path, count: int) -> int:
    """Writes the workspace; returns the bytes of text."""
    (folder / "store").mkdir(parents=True)
    generator = np.random.default_rng(1)
    pool = texts(generator)
    files, cubes = [], []
    for part, start in enumerate(range(0, count, PART_ROWS)):
        rows = np.arange(start, min(start + PART_ROWS, count))
        table = documents(rows, pool, generator)
        files += list(write_part(folder, part, table, pool))
        cubes.append(counted(table))
    names = ["stage", "part", "role", "path", "rows", "bytes", "sha256"]
    listed = folder / "store/files.parquet"
    pl.DataFrame(files, names, orient="row").write_parquet(listed)
    cube = pl.concat(cubes)
    keys = [name for name in cube.columns if name not in MEASURES]
    cube = cube.group_by(keys).agg(pl.col(name).sum() for name in MEASURES).sort(keys)
    content = manifest_content(cube)
    content["files"] = {"path": "store/files.parquet", "sha256": sha256_of_file(listed)}
    (folder / "manifest.json").write_text(manifest_text(sealed(content)))
    return int(cube["bytes"].sum())


def manifest_content(cube: pl.DataFrame) -> dict[str, Json]:
    """A manifest with what the report reads of one."""
    by_source = cube.group_by("source").agg(pl.col("documents", "bytes").sum()).sort("source")
    sources = {
        row["source"]: {
            **row,
            "records": row["documents"],
            "record_bytes": row["bytes"],
            "quarantined": {},
            "skipped": {},
        }
        for row in by_source.iter_rows(named=True)
    }
    return {
        "format": FORMAT,
        "tamis": "0",
        "name": "made up",
        "recipe": {"description": f"{cube['documents'].sum():,} documents, made up"},
        "inputs": {name: {"files": 1, "bytes": 0, "checksum": ""} for name in sources},
        "ingest": {"sources": sources, "version": 1, "libraries": {}, "config": {}},
        "synthesis": [],
        "quarantine": [],
        "stages": [_stage(cube, stage) for stage in STAGES],
        "warnings": [],
        "cube": {
            "columns": cube.columns,
            "measures": MEASURES,
            "rows": [list(row) for row in cube.rows()],
        },
        "published": {},
    }


def _stage(cube: pl.DataFrame, stage: str) -> Json:
    dropped = cube.filter(pl.col("dropped_by") == stage).group_by("reason")
    counts = dropped.agg(pl.col("documents", "bytes").sum()).sort("reason")
    came = cube.filter(~pl.col("dropped_by").is_in(STAGES[: STAGES.index(stage)]).fill_null(False))
    return {
        "name": stage,
        "use": stage,
        "version": 1,
        "libraries": {},
        "config": {},
        "drops": True,
        "dimensions": ["domain"] if stage == "quality" else [],
        "measures": ["n_tokens"] if stage == "quality" else [],
        "dropped": {
            row["reason"]: {"documents": row["documents"], "bytes": row["bytes"]}
            for row in counts.iter_rows(named=True)
        },
        "in": {"documents": int(came["documents"].sum()), "bytes": int(came["bytes"].sum())},
        "record": _mixture(cube) if stage == "balance" else {},
    }


def _mixture(cube: pl.DataFrame) -> Json:
    kept = cube.filter(pl.col("dropped_by").is_null()).group_by("domain")
    groups = kept.agg(pl.col("documents", "n_tokens").sum()).sort("domain")
    total = int(groups["n_tokens"].sum())
    return {
        "by": ["domain"],
        "stated_as": "weights",
        "tokens": total,
        "planned_tokens": 2 * total,
        "reached_tokens": 2 * total,
        "effective_tokens": 2 * total,
        "phases": [],
        "groups": {
            name: {
                "documents": number,
                "read_documents": number,
                "tokens": tokens,
                "unique_tokens": tokens,
                "reached_tokens": 2 * tokens,
                "effective_tokens": 2 * tokens,
                **{f"{what}_share": tokens / total for what in SHARES},
                "epochs": 2.0,
                "why": "",
            }
            for name, number, tokens in groups.rows()
        },
    }
