"""Tasks: grouping, fingerprints, parts, and that no way of splitting work changes a document."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.schema import DOCUMENTS
from pipeline.source import InputFile
from pipeline.task import Task
from stages.ingest.config import IngestConfig, SourceConfig
from stages.ingest.stage import IngestFiles
from stages.ingest.write import document_id


def mixed(raw: Path) -> None:
    """Files of several formats, some damaged."""
    rng = random.Random(3)
    for n in range(12):
        lines = [json.dumps({"text": f"{n} {m} " + rng.randbytes(40).hex()}) for m in range(20)]
        lines[n] = lines[n][:-n] if n else lines[n]
        (raw / f"f{n:02d}.jsonl").write_text("\n".join(lines))
        (raw / f"g{n:02d}.txt").write_text(f"text {n}" if n % 5 else " ")
    (raw / "h.jsonl.gz").write_bytes(gzip.compress(b'{"text": "gz"}\n' * 300)[:-20])
    pq.write_table(pa.table({"text": [str(n) for n in range(100)]}), raw / "i.parquet")


def test_grouping_changes_no_document(raw: Path, ingest: Any) -> None:
    mixed(raw)
    found = [
        ingest(config={"task_bytes": task_bytes, "part_bytes": part, "row_group_bytes": group})
        for task_bytes, part, group in [
            (1, 10**9, 10**9),
            (5000, 700, 10**9),
            (10**9, 10**9, 500),
            (10**9, 10**9, 10**9),
        ]
    ]
    assert [len(one.receipts) for one in found][::3] == [26, 1]
    for one in found[1:]:
        assert one.documents.combine_chunks().equals(found[0].documents.combine_chunks())
        assert one.quarantine == found[0].quarantine
        assert one.skipped == found[0].skipped != []
        assert one.counts == found[0].counts


def test_the_same_task_writes_the_same_bytes(raw: Path, ingest: Any, tmp_path: Path) -> None:
    mixed(raw)
    first = ingest()
    (tmp_path / "workspace").rename(tmp_path / "first")
    second = ingest()
    for a, b in zip(first.receipts, second.receipts, strict=True):
        assert not b.cached
        assert (a.output, a.files, a.value) == (b.output, b.files, b.value)


def test_parts_and_row_groups_are_cut_by_text_bytes(raw: Path, ingest: Any) -> None:
    lines = [json.dumps({"text": "é" * 50}) for _ in range(1000)]
    (raw / "a.jsonl").write_text("\n".join(lines))
    found = ingest(config={"part_bytes": 30_000, "row_group_bytes": 8_000})
    assert [part.name for part in found.parts] == [f"part-0000{n}.parquet" for n in range(4)]
    groups = []
    for part in found.parts:
        metadata = pq.read_metadata(part)
        groups.append([metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)])
    assert groups == [[80, 80, 80, 60]] * 3 + [[80, 20]]
    assert pq.read_schema(found.parts[0]).equals(DOCUMENTS)
    assert pq.read_metadata(found.parts[0]).row_group(0).column(1).compression == "ZSTD"


def test_nothing_to_read_gives_no_part(raw: Path, ingest: Any) -> None:
    (raw / "a.jsonl").write_bytes(b"\n\n")
    found = ingest()
    assert found.parts == []
    assert found.counts == {"records": 0, "record_bytes": 0, "quarantined": {}, "skipped": {}}
    assert len(found.receipts) == 1


def files(*sizes: int) -> list[InputFile]:
    return [InputFile(f"f{n}.txt", f"/data/f{n}.txt", size, f"{n}") for n, size in enumerate(sizes)]


def tasks(
    given: list[InputFile], config: dict[str, Any] | None = None, **source: Any
) -> list[Task]:
    checked = SourceConfig(**{"name": "s", "path": "x", **source})
    return IngestFiles(IngestConfig(**(config or {}))).tasks(checked, given)


def test_small_files_share_a_task_and_large_ones_have_their_own() -> None:
    made = tasks(files(10, 50, 40, 300, 5, 0, 95, 1), {"task_bytes": 100})
    groups = [[file["bytes"] for file in task.arguments["files"]] for task in made]
    assert groups == [[10, 50, 40], [300], [5, 0, 95], [1]]
    assert [task.work for task in made] == [100, 300, 100, 1]
    assert made[0].locations["f1.txt"] == "/data/f1.txt"


def test_what_a_fingerprint_depends_on() -> None:
    base = tasks(files(1, 2))[0].fingerprint
    moved = [InputFile(f.relative, "/else" + f.location, f.bytes, f.sha256) for f in files(1, 2)]
    assert tasks(moved)[0].fingerprint == base
    assert tasks(files(1, 2), path="elsewhere")[0].fingerprint == base
    assert tasks(files(1, 2), {"task_bytes": 77})[0].fingerprint == base
    assert tasks(files(1, 2), format="text")[0].fingerprint == base
    changed = [
        tasks(files(1, 2), name="t"),
        tasks(files(1, 2), text_field="body"),
        tasks(files(1, 2), extractor="none"),
        tasks(files(1, 2), format="jsonl"),
        tasks(files(1, 2), {"part_bytes": 7}),
        tasks(files(1, 2, 3)),
    ]
    assert all(made[0].fingerprint != base for made in changed)


def test_excluded_files_are_left_out() -> None:
    given = [InputFile(name, f"/{name}", 1, "0") for name in ("a.txt", "b/c.png", "b/d.txt")]
    made = tasks(given, exclude=("*.png", "a*"))
    assert [file["relative"] for task in made for file in task.arguments["files"]] == ["b/d.txt"]
    assert tasks(given, exclude=("*",)) == []


def test_files_that_cannot_be_read_are_faults_of_the_recipe() -> None:
    given = [InputFile("b/a.jsonl.bz2", "/b/a.jsonl.bz2", 1, "0")]
    with pytest.raises(ValueError, match=r"source s: b/a\.jsonl\.bz2 .*Compress it again as"):
        tasks(given)
    assert tasks(given, exclude=("*.bz2",)) == []


def test_file_names_that_look_like_records_are_refused() -> None:
    given = [InputFile(name, f"/{name}", 1, "0") for name in ("a.jsonl", "a.jsonl#1", "b#1")]
    with pytest.raises(ValueError, match=r"a\.jsonl#1 is named like a record of a\.jsonl"):
        tasks(given)
    assert len(tasks(given[::2])) == 1


def test_ids_depend_on_source_and_locator_only() -> None:
    assert document_id("a", "b#1") == document_id("a", "b#1")
    assert len({document_id(s, x) for s in ("a", "ab") for x in ("b#1", "#1", "")}) == 6
