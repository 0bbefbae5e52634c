"""The manifest of a corpus of a million parts: how large, and what composing it takes.

    python -m benchmarks.manifest --parts 1000000

The stages of a recipe are taken, and the receipts of a build made up: for every part the files of
all ledgers, a quarantine file and a list of skipped records; shards as if every document were kept;
the counts of the last sums, each with a whole cube. From these the manifest is composed, written,
and loaded as a build does it. What a build holds besides (parts, names of ledgers, tasks) is not
made up here.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.usage import cpu_seconds
from manifests.manifest import FILES_FILE, MANIFEST_FILE, load_manifest, manifest_text, sealed
from pipeline.compose import manifest_content
from pipeline.corpus import External
from pipeline.count import COUNTS_FILE, COUNTS_PER_SUM
from pipeline.file_list import FileList
from pipeline.recipe import Recipe
from pipeline.recipe_check import load_recipe
from pipeline.source import InputFile
from pipeline.stage import external_files
from pipeline.store import Store
from pipeline.task import Json
from pipeline.walk import Walked
from stages.catalog import CATALOG

MEGABYTE = 10**6
SHARD_PARTS = 2
"""Parts of 128 MB in a shard of 2^26 tokens, when nothing is dropped: the most shards there are."""


def _hex(number: int, digits: int) -> str:
    """Digits that do not compress, as those of checksums."""
    mixed = (number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC8341082276BF3A27251F86C6A11D0C18E95
    return f"{mixed % 16**digits:0{digits}x}"


def list_files(recipe: Recipe, parts: int) -> FileList:
    """The files of all ledgers."""
    files = FileList()
    for part in range(parts):
        source = f"store/ingest/read/{_hex(part, 32)}/part-00000.parquet"
        files.add(("ingest", part, "documents", source, 32_000, 10**8, _hex(part, 64)))
        for number, entry in enumerate(recipe.entries):
            roles = ["annotations"] * bool(len(entry.stage.columns))
            roles += ["verdicts"] * entry.stage.drops
            for role in roles:
                name = _hex(part * 64 + number, 64)
                path = f"store/{entry.name}/{role}/{name[:32]}/{role}.parquet"
                files.add((entry.name, part, role, path, 32_000, 10**6, name[::-1]))
    return files


def shards(count: int) -> tuple[dict[str, dict[str, Json]], list[dict[str, Json]]]:
    """What is published, and what the record of the stage lists."""
    published, record = {}, []
    for number in range(count):
        name = f"shard-{number:05d}-of-{count:05d}.arrow"
        file = {"bytes": 2**28, "sha256": _hex(number, 64)}
        path = f"store/shard/shards/{_hex(number, 32)}/shard.arrow"
        published[f"shards/{name}"] = {"artefact": path, **file}
        tokens = {"tokens": 2**26, "repeated_tokens": 2**27, "text_bytes": 2**28}
        record.append({"name": name, "documents": 64_000, **tokens, **file})
    return published, record


def cube_of(recipe: Recipe, rows: int) -> tuple[dict[str, Json], int]:
    """A cube of so many rows, and how many of its columns are no numbers."""
    dimensions = [column for entry in recipe.entries for column in entry.stage.dimensions]
    measures = [column for entry in recipe.entries for column in entry.stage.measures]
    names = ["source", *dimensions, "dropped_by", "reason"]
    dropping = [entry.name for entry in recipe.entries if entry.stage.drops]
    sources = [source.name for source in recipe.sources]
    made = []
    for number in range(rows):
        stage = dropping[number % len(dropping)] if number % 4 else None
        words = [f"{name}_{number // 7**place % 40}" for place, name in enumerate(dimensions)]
        reason = None if stage is None else f"reason_{number}"
        key = [sources[number % len(sources)], *words, stage, reason]
        if stage is None:
            key[1] = f"kind_{number}"
        made.append([*key, *(10**6 + number for _ in range(2 + len(measures)))])
    return {"columns": [*names, "documents", "bytes", *measures], "rows": made}, len(names)


def walked_by(recipe: Recipe, store: Store, parts: int, cube_rows: int) -> Walked:
    """What a walk over so many parts would have found."""
    counted = {"records": 10**9, "record_bytes": 10**12, "documents": 10**9, "bytes": 10**12}
    ingested = {**counted, "quarantined": {"broken_json": 10**6}, "skipped": {"empty_text": 10**6}}
    published, listed = shards(parts // SHARD_PARTS)
    cube, keys = cube_of(recipe, cube_rows)
    folders = [f"store/manifest/sums/{_hex(number, 32)}" for number in range(COUNTS_PER_SUM)]
    for folder in folders:
        store.path(folder).mkdir(parents=True)
        store.path(f"{folder}/{COUNTS_FILE}").write_text(json.dumps(cube))
    quarantines = [
        f"store/ingest/read/{_hex(part, 32)}/{name}.jsonl"
        for part in range(parts)
        for name in ("quarantine", "skipped")
    ]
    records: dict[str, Mapping[str, Json]] = {entry.name: {} for entry in recipe.entries}
    records["shard"] = {"shards": listed}
    return Walked(
        ingested={source.name: ingested for source in recipe.sources},
        made={maker.name: {**ingested, "record": {}} for maker in recipe.makers},
        quarantines=quarantines,
        records=records,
        published=published,
        files=list_files(recipe, parts),
        counts=[f"{folder}/{COUNTS_FILE}" for folder in folders],
        cube_keys=keys,
    )


def main() -> None:
    """Composes, writes, loads and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", type=int, default=1_000_000)
    parser.add_argument("--cube-rows", type=int, default=50_000)
    parser.add_argument("--recipe", type=Path, default=Path("recipes/sample.yaml"))
    parser.add_argument("--folder", type=Path, default=Path("build/manifest"))
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    store = Store(options.folder)
    recipe = load_recipe(options.recipe, CATALOG, workspace=options.folder)
    externals = {
        name: {path: External(path, "0" * 64) for path in external_files(config)}
        for _, name, config in recipe.configs()
    }
    inputs = {source.name: [InputFile("x", "x", 1, "0" * 64)] for source in recipe.sources}
    walked = walked_by(recipe, store, options.parts, options.cube_rows)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    used = cpu_seconds()
    begun = time.perf_counter()
    content = manifest_content(recipe, inputs, externals, walked, store, "benchmark")
    path = options.folder / MANIFEST_FILE
    path.write_text(manifest_text(sealed(content)))
    composed = time.perf_counter() - begun
    begun = time.perf_counter()
    manifest = load_manifest(path)
    loaded = time.perf_counter() - begun
    listed = store.path(manifest.content["files"]["path"]).stat().st_size
    lists = [p.stat().st_size for p in store.path("store/manifest/lists").rglob("*.parquet")]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"{options.parts:,} parts, {options.parts // SHARD_PARTS:,} shards, a cube of"
        f" {options.cube_rows:,} rows:\n"
        f"  {MANIFEST_FILE} {path.stat().st_size / MEGABYTE:.1f} MB, loaded in {loaded:.1f} s\n"
        f"  {FILES_FILE} {listed / MEGABYTE:.0f} MB, long lists {sum(lists) / MEGABYTE:.0f} MB\n"
        f"  composed in {composed:.1f} s, {cpu_seconds() - used:.1f} CPU seconds; memory"
        f" {held / MEGABYTE:,.0f} MB before, {peak / MEGABYTE:,.0f} MB at its peak"
    )
    shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()
