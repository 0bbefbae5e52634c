"""Verifying: every file's checksum, every ledger's rows, and that no document was lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.checksum import sha256_of_file
from manifests.cuts import CutCounts, add_cuts, count_cuts
from manifests.long_list import is_elsewhere
from manifests.manifest import Manifest
from manifests.parquet import read_columns
from manifests.parts import part_files
from manifests.schema import KEEP, RECEIPT


@dataclass
class Verification:
    """What was checked and every fault found, each with file, problem and cure."""

    files: int = 0
    bytes: int = 0
    documents: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong."""
        return not self.faults


def verify_workspace(manifest: Manifest) -> Verification:
    """Checks the workspace against its manifest.

    Checksums and sizes of all files, those that stages pass to each other included; ids of every
    ledger equal to its documents part's, row by row; counts in the manifest equal to the ledgers',
    cuts included;
    for every stage ``in = kept + dropped``, and for every source, read or made,
    ``records = documents + quarantined + skipped``.
    """
    result = Verification()
    root = manifest.workspace
    index = root / manifest.content["files"]["path"]
    if not _sound(result, root, index, manifest.content["files"]["sha256"], None):
        return result
    for listed in _long_lists(manifest):
        if not _sound(result, root, root / listed["path"], listed["sha256"], None):
            return result
    damaged: set[str] = set()
    for file in manifest.files.iter_rows(named=True):
        if not _sound(result, root, root / file["path"], file["sha256"], file["bytes"]):
            damaged.add(file["path"])
    current = manifest.path.parent == root
    for name, published in manifest.published.items():
        made = root / published["artefact"]
        path = root / name if current else made
        if not _sound(result, root, path, published["sha256"], published["bytes"], made.parent):
            damaged.add(published["artefact"])
    _store_is_sound(result, root, damaged | set(manifest.files["path"]))
    _sources_conserve(result, manifest)
    _stages_conserve(result, manifest)
    if not damaged:
        _ledgers_agree(result, manifest)
    return result


def _long_lists(manifest: Manifest) -> Iterator[Mapping[str, Any]]:
    """Where the lists stand that are too long for the manifest."""
    content = manifest.content
    records = (stage["record"].values() for stage in content["stages"])
    for value in chain((content["published"], content["quarantine"]), *records):
        if is_elsewhere(value):
            yield value


def _sound(
    result: Verification,
    root: Path,
    path: Path,
    sha256: str,
    size: int | None,
    made: Path | None = None,
) -> bool:
    """Whether a file is as the manifest says. ``made`` is the folder of the output behind it, which
    building again writes anew when it is gone; by default the file's own."""
    shown = path.relative_to(root)
    cure = f"Remove the folder {(made or path.parent).relative_to(root)} and build again."
    result.files += 1
    if not path.exists():
        result.faults.append(f"{shown}: is missing. {cure}")
        return False
    have = path.stat().st_size
    result.bytes += have
    if size is not None and have != size:
        result.faults.append(f"{shown}: has {have} bytes, the manifest says {size}. {cure}")
        return False
    if sha256_of_file(path) != sha256:
        result.faults.append(f"{shown}: does not match its checksum: its bytes changed. {cure}")
        return False
    return True


def _store_is_sound(result: Verification, root: Path, checked: set[str]) -> None:
    """The files that stages pass to each other, against the receipts beside them: sketches,
    records, what was set aside, trained models. ``checked`` are files that were looked at already.
    """
    for path in sorted((root / "store").rglob(RECEIPT)):
        try:
            files = json.loads(path.read_text())["files"]
        except (ValueError, KeyError, TypeError):
            shown = path.parent.relative_to(root)
            result.faults.append(
                f"{shown}: its receipt is damaged. Remove the folder {shown} and build again."
            )
            continue
        for name, told in files.items():
            file = path.parent / name
            if file.relative_to(root).as_posix() not in checked:
                _sound(result, root, file, told["sha256"], told["bytes"], path.parent)


def _sources_conserve(result: Verification, manifest: Manifest) -> None:
    for source, counts in manifest.sources.items():
        out = counts["documents"] + sum(counts["quarantined"].values())
        out += sum(counts["skipped"].values())
        if counts["records"] != out:
            result.faults.append(
                f"source {source}: {counts['records']} records were read or made, but documents,"
                f" quarantined and skipped add up to {out}."
            )
        result.documents += counts["documents"]


def _stages_conserve(result: Verification, manifest: Manifest) -> None:
    cube = manifest.cube
    if int(cube["documents"].sum() or 0) != result.documents:
        result.faults.append(
            f"the counts cover {cube['documents'].sum()} documents, but ingest wrote"
            f" {result.documents}."
        )
    came = {"documents": result.documents, "bytes": int(cube["bytes"].sum() or 0)}
    for stage in manifest.content["stages"]:
        for unit, amount in came.items():
            lost = sum(reason[unit] for reason in stage["dropped"].values())
            if stage["in"][unit] != amount or stage["kept"][unit] != amount - lost:
                result.faults.append(
                    f"stage {stage['name']}: {amount} {unit} came from the stage before, but it"
                    f" counts {stage['in'][unit]} in, {stage['kept'][unit]} kept, {lost} dropped."
                )
            came[unit] = stage["kept"][unit]


def _ledgers_agree(result: Verification, manifest: Manifest) -> None:
    """Ledger rows are the documents' rows; verdicts add up to the manifest's counts."""
    root = manifest.workspace
    dropped: dict[tuple[str, str], int] = {}
    cut: dict[str, CutCounts] = {}
    for part, files in part_files(manifest):
        documents = files.filter(pl.col("role") == "documents")["path"][0]
        ids = read_columns(root / documents, ["id"])["id"]
        for file in files.filter(pl.col("role") != "documents").iter_rows(named=True):
            columns = ["id", "verdict"] if file["role"] == "verdicts" else ["id"]
            ledger = read_columns(root / file["path"], columns)
            if not ledger["id"].equals(ids):
                result.faults.append(
                    f"{file['path']}: its ids are not those of documents part {part} ({documents})."
                )
            if file["role"] == "verdicts":
                for pair in ledger["verdict"].cast(pa.string()).value_counts().to_pylist():
                    if pair["values"] is not None and pair["values"] != KEEP:
                        key = (file["stage"], pair["values"])
                        dropped[key] = dropped.get(key, 0) + pair["counts"]
                if "cuts" in pq.read_schema(root / file["path"]).names:
                    found_cuts = count_cuts(read_columns(root / file["path"], ["cuts"])["cuts"])
                    cut[file["stage"]] = add_cuts(cut.get(file["stage"], {}), found_cuts)
    for stage in manifest.content["stages"]:
        told, there = stage.get("cut", {}), cut.get(stage["name"], {})
        if told != there:
            result.faults.append(
                f"stage {stage['name']}: the manifest counts cuts {told}, the ledger {there}."
            )
        for reason, counts in stage["dropped"].items():
            found = dropped.pop((stage["name"], reason), 0)
            if found != counts["documents"]:
                result.faults.append(
                    f"stage {stage['name']}: the manifest counts {counts['documents']} documents"
                    f" dropped as {reason}, the ledger {found}."
                )
    for (name, reason), found in sorted(dropped.items()):
        result.faults.append(
            f"stage {name}: the ledger drops {found} documents as {reason}, the manifest none."
        )
