"""Bytes are told in units that leave something to read, and cuts with their documents."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from manifests.manifest import Manifest
from tamis.sizes import size, unit_for
from tamis.summary import show_build
from tests.tamis.test_cli import call


@given(st.integers(min_value=10_000, max_value=10**16))
def test_a_hundredth_is_not_told_as_nothing(n_bytes: int) -> None:
    unit = unit_for(n_bytes)
    assert unit.of(n_bytes // 100) != "0.0"
    assert float(unit.of(n_bytes).replace(",", "")) * unit.bytes == pytest.approx(
        n_bytes, abs=unit.bytes / 19
    )


def test_sizes_have_their_unit() -> None:
    told = [size(n) for n in (0, 999, 1_000, 999_949, 1_000_000, 2_345_000_000_000)]
    assert told == ["0 bytes", "999 bytes", "1.0 kB", "999.9 kB", "1.0 MB", "2,345.0 GB"]


def test_the_summary_of_a_small_corpus_is_in_kilobytes(tmp_path: Path) -> None:
    text = "A sieve lets the fine flour through and holds the bran back, whoever turns it. " * 9
    (tmp_path / "note.txt").write_text(text)
    shown = call("run", "heuristics", tmp_path / "note.txt", "--recipe", _recipe(tmp_path)).output
    assert "kB in" in shown
    assert "MB" not in shown.split("fingerprint")[0].split("What happened")[1]
    assert f"{len(text) / 1000:.1f}" in shown


def _recipe(folder: Path) -> Path:
    (folder / "r.yaml").write_text("stages: {heuristics: }\n")
    return folder / "r.yaml"


def test_cuts_are_told_with_size_and_documents(noted: Manifest) -> None:
    console = Console(width=400, record=True, file=io.StringIO())
    show_build(console, noted, [], 0.0)
    shown = console.export_text()
    (about,) = [s for s in noted.content["stages"] if s["name"] == "boilerplate_lines"]
    ((reason, counts),) = about["cut"].items()
    told = f"cut: {reason} {size(counts['bytes'])} in {counts['documents']:,} documents"
    assert told in shown
