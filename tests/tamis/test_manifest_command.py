"""Dataset cards and Croissant metadata: what other software makes of them, and what they admit."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import mlcroissant
import polars as pl
import pytest
import yaml
from huggingface_hub import DatasetCard
from typer.testing import CliRunner

from manifests.croissant import FIELDS, PHASES
from manifests.manifest import Manifest, manifest_text, sealed
from manifests.provenance import Provenance, find_provenance
from tamis.card.card import dataset_card
from tamis.card.metadata import SIZES, hub_license
from tamis.card.sources import license_names, sources_of
from tamis.cli import app


def call(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["manifest", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def card(noted: Manifest) -> str:
    return call(noted.workspace)


@pytest.fixture
def alone(noted: Manifest, tmp_path: Path) -> Path:
    """The manifest without its workspace."""
    return Path(shutil.copy(noted.path, tmp_path / "manifest.json"))


def front(card: str) -> dict[str, Any]:
    _, written, _ = card.split("---\n", 2)
    content = yaml.safe_load(written)
    assert isinstance(content, dict)
    return content


def row(card: str, item: str) -> str:
    """The one line of a table that begins like this."""
    (found,) = [line for line in card.splitlines() if line.startswith(f"| {item} ")]
    return found


def test_the_hub_reads_the_card(card: str, noted: Manifest) -> None:
    data = DatasetCard(card).data
    assert data.license == ["cc-by-4.0", "mit", "unknown"]
    assert set(data.language) == {"en", "de", "fr", "ru", "ja"}
    assert data.size_categories == ["n<1K"]
    assert data.task_categories == ["text-generation"]
    assert data.pretty_name == "noted"
    # one source is no crawl, so whether the data set extends another is not known
    assert "source_datasets" not in front(card)


def test_datasets_loads_what_the_card_names(
    card: str, noted: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    (tmp_path / "hub").mkdir()
    shutil.copytree(noted.workspace / "shards", tmp_path / "hub/shards")
    (tmp_path / "hub/README.md").write_text(card)
    loaded = datasets.load_dataset(str(tmp_path / "hub"), cache_dir=str(tmp_path / "cache"))
    kept = noted.content["stages"][-1]["kept"]["documents"]
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": kept}
    (config,) = front(card)["configs"]
    assert config["data_files"][0]["path"] == "shards/*.arrow"


def test_numbers_are_those_of_the_ledgers(card: str, noted: Manifest) -> None:
    kept = noted.content["stages"][-1]["kept"]["documents"]
    assert row(card, "documents") == f"| documents | {kept} |"
    assert noted.fingerprint in card
    provenance = find_provenance(noted)
    assert int(provenance.licenses["documents"].sum()) == kept
    pages = provenance.licenses.filter(pl.col("source") == "pages")
    living = len(pl.concat(pl.read_ipc_stream(p) for p in (noted.workspace / "shards").iterdir()))
    assert living == kept
    assert dict(pages.select("license", "documents").rows()) == {"MIT": 18, None: 6}
    assert provenance.times.rows() == [("pages", "2024-01-15", "2024-06-15", 24)]
    assert provenance.hosts.rows() == [("north.example", 16), ("south.example", 8)]


def test_the_summary_says_what_is_known_and_what_is_not(card: str) -> None:
    assert "less than 1 billion tokens" in row(card, "1.3 Size")
    assert "2024-06-15" in row(card, "1.3 Latest date of acquisition")
    assert "en " in row(card, "1.3 Languages")
    assert "2 hosts" in row(card, "2.3 Domain names")
    assert "None." in row(card, "2.5 Synthetic data made for this corpus")
    assert "not known" in row(card, "2.1, 2.2, 2.4, 2.6 Datasets and other sources")
    for item in ("3.1 Reservation of rights (opt-outs)", "3.2 Removal of illegal content"):
        assert "No stage of the recipe" in row(card, item)
    assert "The licence of 6 of 28 documents, which state none." in card


def test_without_documents_the_card_says_so(alone: Path) -> None:
    card = call(alone)
    assert "license" not in front(card)
    assert "the documents are no longer in the workspace" in card
    assert row(card, "pages | dataset files").split(" | ")[2:4] == ["not known", "not known"]


def test_what_documents_say_cannot_become_markup(noted: Manifest) -> None:
    hostile = "[MIT](https://evil.example)|<script>"
    provenance = find_provenance(noted)
    licenses = provenance.licenses.with_columns(license=pl.lit(hostile))
    text = dataset_card(noted, Provenance(licenses, provenance.times, provenance.hosts))
    assert "<script>" not in text
    assert "[MIT](" not in text
    assert front(text)["license"] == "other"


def test_what_makers_made_is_processing_too(noted: Manifest) -> None:
    maker = {
        "name": "synthetic/math",
        "records": 9,
        "documents": 2,
        "quarantined": {},
        "skipped": {"answer_wrong": 7},
        "record": {},
    }
    text = dataset_card(replace(noted, content={**noted.content, "synthesis": [maker]}), None)
    assert row(text, "synthetic/math | 9 |") == ("| synthetic/math | 9 | 2 | answer\\_wrong 7 |")


def test_masked_items_are_told_apart_from_dropped_ones(noted: Manifest) -> None:
    first = noted.content["stages"][0]
    cleaned = {
        **first,
        "name": "clean",
        "use": "decontaminate",
        "dropped": {"contaminated.gsm8k": {"documents": 2, "bytes": 90}},
        "cut": {"contaminated.mmlu": {"documents": 3, "bytes": 30}},
        "record": {"benchmarks": {"gsm8k": {"items": 5}, "mmlu": {"items": 7}}},
    }
    content = {**noted.content, "stages": [*noted.content["stages"], cleaned]}
    text = dataset_card(replace(noted, content=content), None)
    assert row(text, "gsm8k") == "| gsm8k | 5 | 2 | 0 |"
    assert row(text, "mmlu") == "| mmlu | 7 | 0 | 3 |"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Apache-2.0", "apache-2.0"),
        ("GPL-3.0-or-later", "gpl-3.0"),
        ("LGPL-2.1-only", "lgpl-2.1"),
        ("ODC-By-1.0", "odc-by"),
        ("PSF-2.0", "other"),
        (None, "unknown"),
    ],
)
def test_licences_in_the_hubs_words(name: str | None, word: str) -> None:
    assert hub_license(name) == word


def test_licences_joined_are_told_apart(noted: Manifest) -> None:
    provenance = find_provenance(noted)
    licenses = provenance.licenses.with_columns(license=pl.lit("(MIT OR Apache-2.0) AND Zlib"))
    sources = sources_of(noted, Provenance(licenses, provenance.times, provenance.hosts))
    assert set(license_names(sources)) == {"MIT", "Apache-2.0", "Zlib"}


def test_sizes_are_the_hubs() -> None:
    assert [limit for limit, _ in SIZES] == [10**n for n in range(3, 13)]


def test_croissant_is_valid_and_names_every_shard(noted: Manifest) -> None:
    metadata = json.loads(call(noted.workspace, "--format", "croissant"))
    found = mlcroissant.Dataset(jsonld=metadata).metadata
    assert not found.ctx.issues.errors
    files = {file.name: file for file in found.file_objects}
    on_disk = {path.name: path for path in (noted.workspace / "shards").iterdir()}
    assert files.keys() == on_disk.keys()
    for name, path in on_disk.items():
        assert files[name].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (noted.workspace / files[name].content_url).samefile(path)
    (records,) = found.record_sets
    columns = pl.read_ipc_stream(next(iter(on_disk.values()))).columns
    named = [name for name, *_ in (*FIELDS, PHASES)]
    assert sorted(field.name for field in records.fields) == sorted(named) == sorted(columns)
    assert set(metadata["license"]) == {"CC-BY-4.0", "MIT"}


def test_a_corpus_without_shards_has_no_croissant(alone: Path) -> None:
    content = json.loads(alone.read_text())
    content["published"] = {}
    alone.write_text(manifest_text(sealed(content)))
    result = CliRunner().invoke(app, ["manifest", str(alone), "--format", "croissant"])
    assert result.exit_code == 2
    assert "Add the stage `shard`" in result.output


def test_json_is_the_manifest_and_out_a_file(noted: Manifest, tmp_path: Path, card: str) -> None:
    assert call(noted.workspace, "--format", "json") == noted.path.read_text()
    assert call(noted.workspace, "--out", tmp_path / "README.md") == ""
    assert (tmp_path / "README.md").read_text() == card
