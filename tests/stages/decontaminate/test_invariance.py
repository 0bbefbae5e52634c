"""Worker processes and the sizes of parts change nothing: real builds of a small corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

import tamis
from manifests.parts import documents_path, part_files, part_paths
from tests.stages.decontaminate.running import write_lines
from tests.stages.decontaminate.test_frequency import LICENCE, LONG, pages
from tests.stages.decontaminate.test_mask import BAKERS, NOISE, SHORT, TULIPS


def write_corpus(folder: Path) -> dict[str, Any]:
    """Documents with items, halves of items around items, phrases and nothing; returns a recipe."""
    half = TULIPS.index(" eaten.")
    texts = [
        *pages(30, 7),
        *(f"{LICENCE} {page}" for page in pages(25, 8)),
        *(f"{pages(1, 9)[0]} {item}" for item in (TULIPS, BAKERS, LONG, SHORT)),
        f"{NOISE[0]}{TULIPS[:half]} {SHORT} {TULIPS[half:]}",
        f"{TULIPS} {NOISE[1]} {TULIPS} {BAKERS}",
        f"{TULIPS} {BAKERS} " * 70,
    ]
    (folder / "texts.jsonl").write_text(
        "".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8"
    )
    garden = write_lines(folder / "garden.jsonl", [{"q": TULIPS}, {"q": SHORT}])
    others = write_lines(folder / "others.jsonl", [{"q": BAKERS}, {"q": LONG}])
    benchmarks = {
        "garden": {"path": garden, "question": "q", "action": "mask"},
        "others": {"path": others, "question": "q"},
    }
    return {
        "sources": [{"name": "texts", "path": "texts.jsonl"}],
        "stages": {"decontaminate": {"mode": "hardened", "benchmarks": benchmarks}},
    }


def ledger(recipe: Path, workspace: Path, workers: int) -> tuple[pl.DataFrame, int, Any]:
    """What the stage says of every document, by id; the number of parts; and its record."""
    manifest = tamis.build(recipe, workspace=workspace, workers=workers).manifest
    tables = []
    for _, files in part_files(manifest):
        paths = part_paths(manifest, files)
        tables.append(
            pl.concat(
                [
                    pl.read_parquet(documents_path(manifest, files), columns=["id"]),
                    pl.read_parquet(paths["decontaminate", "annotations"]).drop("id", strict=False),
                    pl.read_parquet(paths["decontaminate", "verdicts"]).drop("id", strict=False),
                ],
                how="horizontal",
            )
        )
    return pl.concat(tables).sort("id"), len(tables), manifest.stage("decontaminate")["record"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    recipe = write_corpus(folder)
    for size in (4_000, 1 << 20):
        ingest = {"part_bytes": size, "task_bytes": size}
        (folder / f"{size}.yaml").write_text(yaml.safe_dump({**recipe, "ingest": ingest}))
    return folder


def test_workers_and_parts_do_not_matter(corpus: Path) -> None:
    whole, one, record = ledger(corpus / f"{1 << 20}.yaml", corpus / "one", workers=1)
    assert one == 1
    assert set(whole["verdict"].cast(pl.String)) == {
        "keep",
        "contaminated.garden",  # the collection of items
        "contaminated.others",
    }
    assert whole["cuts"].list.len().max() == 1
    assert record["corpus_common_n_grams"] > 0
    for workers in (1, 2):
        other, many, again = ledger(corpus / "4000.yaml", corpus / f"parts{workers}", workers)
        assert many > 2
        assert other.equals(whole)
        assert again == record
    one_worker, two_workers = (corpus / f"parts{workers}/manifest.json" for workers in (1, 2))
    assert one_worker.read_bytes() == two_workers.read_bytes()
