"""Cuts: their union and their application against slow oracles; accounted for by a whole build."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.explain import explain_document
from manifests.manifest import Manifest
from manifests.schema import CUTS, EMPTY_AFTER_CUTS, KEEP
from manifests.verify import verify_workspace
from pipeline.build import Built, build
from pipeline.cuts import SPANS, cut_texts, settle_cuts, union
from pipeline.engine import Engine
from pipeline.engines.local import LocalEngine
from pipeline.observer import Silence
from pipeline.plan import DECIDE, plan
from pipeline.recipe import Recipe, RecipeError
from pipeline.recipe_check import recipe_from
from pipeline.stage import Verdicts
from pipeline.store import Store
from tests.pipeline.lines_catalog import CATALOG

TEXT = st.text("aé漢\n", max_size=12)
NO_TEXT = pa.chunked_array([pa.array([], pa.large_string())])


def column(texts: list[str]) -> pa.ChunkedArray:
    """The texts as a column of two chunks, the second of which does not begin at offset 0."""
    whole = pa.array(["before", *texts], pa.large_string())
    half = len(texts) // 2
    return pa.chunked_array([whole.slice(1, half), whole.slice(1 + half)])


def lists(spans: list[list[tuple[int, int]]]) -> pa.ListArray:
    return pa.array([[{"start": a, "end": b} for a, b in row] for row in spans], SPANS)


def cuts_of(spans: list[list[tuple[int, int]]]) -> pa.ListArray:
    return pa.array(
        [[{"start": a, "end": b, "reason": "test"} for a, b in row] for row in spans], CUTS
    )


def borders(text: str) -> list[int]:
    """Byte offsets between whole characters."""
    return [len(text[:n].encode()) for n in range(len(text) + 1)]


@st.composite
def marked(draw: st.DrawFn) -> tuple[list[str], list[list[list[tuple[int, int]]]]]:
    """Texts, and for each of up to three stages any spans of theirs."""
    texts = draw(st.lists(TEXT, min_size=1, max_size=5))
    stages = []
    for _ in range(draw(st.integers(1, 3))):
        rows = []
        for text in texts:
            span = st.tuples(st.sampled_from(borders(text)), st.sampled_from(borders(text)))
            spans = draw(st.lists(span, max_size=4))
            rows.append([(min(s), max(s)) for s in spans if s[0] != s[1]])
        stages.append(rows)
    return texts, stages


@given(marked())
def test_what_is_left_is_every_byte_that_no_stage_marked(
    drawn: tuple[list[str], list[list[list[tuple[int, int]]]]],
) -> None:
    texts, stages = drawn
    together = union([lists(stage) for stage in stages])
    left = cut_texts(column(texts), together).to_pylist()
    for row, text in enumerate(texts):
        gone = {byte for stage in stages for a, b in stage[row] for byte in range(a, b)}
        rest = bytes(byte for place, byte in enumerate(text.encode()) if place not in gone)
        assert left[row] == rest.decode()
        spans = [(span["start"], span["end"]) for span in together[row].as_py()]
        assert {byte for a, b in spans for byte in range(a, b)} == gone
        assert all(b < c for (_, b), (c, _) in pairwise(spans))


def test_nothing_is_cut_where_there_are_no_cuts() -> None:
    texts = column(["a", "b"])
    assert cut_texts(texts, None) is texts
    assert cut_texts(NO_TEXT, lists([])).to_pylist() == []
    assert union([pa.nulls(2, CUTS)]).to_pylist() == [[], []]


def test_dropped_documents_have_no_cuts_and_empty_ones_are_dropped() -> None:
    texts = column(["ab cd", "ab", "ab\n", "漢字", ""])
    verdict = pa.chunked_array([[KEEP, "bad", KEEP], [KEEP, KEEP]])
    nothing = pa.nulls(5, pa.float64())
    cuts = pa.chunked_array([cuts_of([[(0, 3)], [(0, 2)], [(0, 2)]]), cuts_of([[(0, 3)], []])])
    settled = settle_cuts(Verdicts(verdict, nothing, nothing, cuts), texts, None)
    assert settled.verdict.to_pylist() == [KEEP, "bad", EMPTY_AFTER_CUTS, KEEP, KEEP]
    assert settled.cuts is not None
    assert settled.cuts.is_valid().to_pylist() == [True, False, False, True, False]
    earlier = lists([[], [], [], [(3, 6)], []])
    settled = settle_cuts(Verdicts(verdict, nothing, nothing, cuts), texts, earlier)
    assert settled.verdict.to_pylist()[3] == EMPTY_AFTER_CUTS


@pytest.mark.parametrize(
    "spans", [[(2, 1)], [(1, 1)], [(-1, 2)], [(0, 8)], [(0, 1)], [(4, 7), (0, 3)], [(0, 6), (3, 7)]]
)
def test_spans_that_are_no_cuts_are_refused(spans: list[tuple[int, int]]) -> None:
    kept = Verdicts.keep_all(1)
    decided = Verdicts(kept.verdict, kept.score, kept.threshold, cuts_of([spans]))
    with pytest.raises(ValueError, match=f"the cut {spans[-1][0]}-{spans[-1][1]} of a text of 7"):
        settle_cuts(decided, column(["漢字a"]), None)


LINES = ["axxb", "xx", "yxyx", "plain", "xyé漢yy", "yy x"]


def recipe_for(folder: Path, at_least: int = 1, **more: Any) -> Recipe:
    (folder / "raw").mkdir(exist_ok=True)
    (folder / "raw/one.txt").write_text("\n".join(LINES) + "\n")
    (folder / "raw/two.txt").write_text("xxx end\nuncut\n")
    stages = {
        "cut_x": {"use": "cut_runs", "at_least": at_least},
        "cut_y": {"use": "cut_runs", "letters": "xy"},
        "what_is_left": {},
        **more,
    }
    content = {"sources": [{"name": "raw", "path": "raw"}], "stages": stages}
    return recipe_from(content, CATALOG, folder, folder / "w")


def run(recipe: Recipe) -> Built:
    def engine(store: Store) -> Engine:
        return LocalEngine(store, 1)

    return build(recipe, CATALOG, engine, Silence(), "test")


def left(manifest: Manifest) -> list[str | None]:
    files = manifest.files.filter(stage="what_is_left", role="annotations").sort("part")
    frames = [pl.read_parquet(manifest.workspace / path) for path in files["path"]]
    return pl.concat(frames)["left"].to_list()


def test_a_build_accounts_for_every_cut(tmp_path: Path) -> None:
    manifest = run(recipe_for(tmp_path)).manifest
    expected = ["ab", None, None, "plain", "é漢", None, " end", "uncut"]
    assert left(manifest) == expected
    x, y, _ = manifest.content["stages"]
    assert x["dropped"] == {EMPTY_AFTER_CUTS: {"documents": 1, "bytes": 2}}
    assert x["cut"] == {"run_of_x": {"documents": 5, "bytes": 2 + 2 + 1 + 1 + 3}}
    assert y["dropped"] == {EMPTY_AFTER_CUTS: {"documents": 2, "bytes": 4 + 4}}
    assert y["cut"] == {"run_of_xy": {"documents": 3, "bytes": 2 + 4 + 3}}
    assert manifest.content["cut"] == {"documents": 3, "bytes": 9}
    kept = manifest.cube.filter(pl.col("dropped_by").is_null())["bytes"].sum()
    assert kept - 9 == sum(len(text.encode()) for text in left(manifest) if text)
    assert verify_workspace(manifest).passed


def test_a_story_shows_what_was_cut(tmp_path: Path) -> None:
    manifest = run(recipe_for(tmp_path)).manifest
    (story,) = explain_document(manifest, "xyé漢yy")
    first, second, _ = story.steps
    assert [(c.start, c.end, c.text, c.reason) for c in first.cuts] == [(0, 1, "x", "run_of_x")]
    assert [(c.start, c.end, c.text) for c in second.cuts] == [(0, 2, "xy"), (7, 9, "yy")]
    (story,) = explain_document(manifest, "yy x")
    assert story.outcome == f"dropped by cut_y: {EMPTY_AFTER_CUTS}"


def test_a_new_threshold_for_cuts_measures_nothing_again(tmp_path: Path) -> None:
    run(recipe_for(tmp_path))
    measured = sorted((tmp_path / "w/store/cut_x/annotations").iterdir())
    changed = recipe_for(tmp_path, at_least=2)
    assert {s.stage: s.state for s in plan(changed, CATALOG)}["cut_x"] == DECIDE
    manifest = run(changed).manifest
    assert sorted((tmp_path / "w/store/cut_x/annotations").iterdir()) == measured
    assert manifest.stage("cut_x")["cut"] == {"run_of_x": {"documents": 2, "bytes": 5}}


def test_a_wrong_count_of_cuts_is_found(tmp_path: Path) -> None:
    manifest = run(recipe_for(tmp_path)).manifest
    manifest.content["stages"][0]["cut"]["run_of_x"]["bytes"] += 1
    faults = verify_workspace(manifest).faults
    assert len(faults) == 1
    assert "stage cut_x: the manifest counts cuts" in faults[0]


def test_a_recipe_cannot_cut_what_was_read_already(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="Move it above `what_is_left`"):
        recipe_for(tmp_path, late={"use": "cut_runs"})
