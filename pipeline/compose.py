"""The content of a manifest, from what a walk found. Long lists and the list of files go to Parquet
files of the workspace, so that the manifest stays small."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from manifests.checksum import sha256_of_file
from manifests.long_list import LONGEST
from manifests.losses import source_losses
from manifests.manifest import FILES_FILE, FORMAT
from manifests.schema import SURVIVOR
from pipeline.corpus import External
from pipeline.count import BASE_MEASURES, merge_counts
from pipeline.inputs import summarize_inputs
from pipeline.libraries import library_versions
from pipeline.recipe import Recipe
from pipeline.source import InputFile, Synthesis
from pipeline.stage import Stage, identified_config
from pipeline.store import Store
from pipeline.task import Json
from pipeline.walk import Walked


def manifest_content(
    recipe: Recipe,
    inputs: Mapping[str, Sequence[InputFile]],
    externals: Mapping[str, Mapping[str, External]],
    walked: Walked,
    store: Store,
    version: str,
) -> dict[str, Json]:
    """Everything in the manifest but its seals. ``version`` is tamis' own."""
    counts = (json.loads(store.path(path).read_text()) for path in walked.counts)
    counted = merge_counts(counts, walked.cube_keys)
    cube = {key: counted[key] for key in ("columns", "rows")}
    cube["measures"] = cube["columns"][walked.cube_keys :] or list(BASE_MEASURES)
    cuts = {key: counted[key] for key in ("cuts", "cut") if key in counted}
    path = _write_files(store, walked)
    checksums = {
        name: {path: file.sha256 for path, file in files.items()}
        for name, files in externals.items()
    }
    stages = [
        {
            **_identity(entry.name, entry.type, entry.stage, checksums),
            "drops": entry.stage.drops,
            "dimensions": list(entry.stage.dimensions),
            "measures": list(entry.stage.measures),
            "record": short_record(store, walked.records[entry.name]),
            **_stage_counts(entry.name, recipe, cube, walked.cube_keys),
            **({"cut": cuts["cuts"][entry.name]} if entry.name in cuts.get("cuts", {}) else {}),
        }
        for entry in recipe.entries
    ]
    return {
        "format": FORMAT,
        "tamis": version,
        "name": recipe.name,
        "recipe": recipe.resolved(),
        "inputs": summarize_inputs(inputs),
        "ingest": {
            "version": recipe.ingest.version,
            "libraries": library_versions(recipe.ingest.libraries),
            "config": recipe.ingest.config.model_dump(mode="json"),
            "sources": walked.ingested,
        },
        "synthesis": [
            {
                **_identity(maker.name, maker.type, maker.synthesis, checksums),
                **walked.made[maker.name],
            }
            for maker in recipe.makers
        ],
        "quarantine": _quarantine(store, walked),
        "stages": stages,
        "warnings": _warnings(recipe, stages),
        "cube": cube,
        **({"cut": cuts["cut"]} if cuts else {}),
        "published": published_of(store, walked),
        "files": {"path": path, "sha256": sha256_of_file(store.path(path))},
    }


def _identity(
    name: str,
    use: str,
    part: Stage[Any] | Synthesis[Any],
    checksums: Mapping[str, Mapping[str, str]],
) -> dict[str, Json]:
    """What a stage or a maker is: its words, the versions of its code, its settings."""
    return {
        "name": name,
        "use": use,
        "version": part.version,
        "libraries": library_versions(part.libraries),
        "config": identified_config(part.config, checksums[name]),
    }


def _warnings(recipe: Recipe, stages: Sequence[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """What a person should look at: sources that a deduplication took most of."""
    deduplications = {
        entry.name for entry in recipe.entries if SURVIVOR in entry.stage.columns.names
    }
    compared = (stage for stage in stages if stage["name"] in deduplications)
    return source_losses(compared, recipe.warnings.source_loss)


def _stage_counts(
    name: str, recipe: Recipe, cube: Mapping[str, Json], keys: int
) -> dict[str, Json]:
    """Documents and bytes in, kept, and dropped by reason, of one stage."""
    order = {entry.name: index for index, entry in enumerate(recipe.entries)}
    columns = cube["columns"]
    by, why, source = columns.index("dropped_by"), columns.index("reason"), columns.index("source")
    came = {"documents": 0, "bytes": 0}
    dropped: dict[str, dict[str, int]] = {}
    by_source: dict[str, dict[str, int]] = {}
    for row in cube["rows"]:
        if row[by] is not None and order[row[by]] < order[name]:
            continue
        documents, size = row[keys], row[keys + 1]
        came["documents"] += documents
        came["bytes"] += size
        per_source = by_source.setdefault(row[source], {"documents_in": 0, "documents_dropped": 0})
        per_source["documents_in"] += documents
        if row[by] == name:
            reason = dropped.setdefault(row[why], {"documents": 0, "bytes": 0})
            reason["documents"] += documents
            reason["bytes"] += size
            per_source["documents_dropped"] += documents
    lost = {key: sum(reason[key] for reason in dropped.values()) for key in came}
    return {
        "in": came,
        "kept": {key: came[key] - lost[key] for key in came},
        "dropped": dict(sorted(dropped.items())),
        "by_source": dict(sorted(by_source.items())),
    }


def _write_files(store: Store, walked: Walked) -> str:
    """The list of all files of the corpus, as Parquet; returns its workspace-relative path."""
    path = f"store/manifest/files/{walked.files.fingerprint}/{FILES_FILE}"
    _write_once(store, path, walked.files.write)
    return path


def _quarantine(store: Store, walked: Walked) -> Json:
    paths = sorted(walked.quarantines)
    return _elsewhere(store, pl.DataFrame({"path": paths})) if len(paths) > LONGEST else paths


def published_of(store: Store, walked: Walked) -> Json:
    """Files meant for people, by name, or the list of them elsewhere."""
    published = dict(sorted(walked.published.items()))
    if len(published) <= LONGEST:
        return published
    return _elsewhere(store, pl.DataFrame([{"name": n, **file} for n, file in published.items()]))


def short_record(store: Store, record: Mapping[str, Json]) -> dict[str, Json]:
    """What a stage put on record, with its long lists of objects elsewhere."""
    return {
        key: _elsewhere(store, pl.DataFrame(value, infer_schema_length=None))
        if isinstance(value, list) and len(value) > LONGEST and isinstance(value[0], dict)
        else value
        for key, value in record.items()
    }


def _elsewhere(store: Store, rows: pl.DataFrame) -> dict[str, Json]:
    """Writes a long list as Parquet; what stands in the manifest for it."""
    written = io.BytesIO()
    rows.write_parquet(written, compression="zstd")
    checksum = sha256(written.getvalue()).hexdigest()
    path = f"store/manifest/lists/{checksum[:32]}/list.parquet"
    _write_once(store, path, lambda target: target.write_bytes(written.getvalue()))
    return {"path": path, "sha256": checksum, "rows": len(rows)}


def _write_once(store: Store, path: str, write: Callable[[Path], object]) -> None:
    """A file whose path holds its fingerprint: written where it is not, whole or not at all."""
    target = store.path(path)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new")
    write(temporary)
    temporary.replace(target)
