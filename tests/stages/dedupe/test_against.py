"""A batch of new sources against a corpus that was built earlier."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from manifests.clusters import largest_clusters
from manifests.explain import explain_document
from pipeline.build import Built, build
from pipeline.engine import Engine
from pipeline.engines.local import LocalEngine
from pipeline.observer import Silence
from pipeline.recipe import RecipeError
from pipeline.recipe_check import recipe_from
from pipeline.store import Store
from stages.catalog import CATALOG
from tamis.cluster_tables import show_clusters
from tamis.reports import ClustersReport, Wishes
from tamis.summary import show_build


def text(seed: int) -> str:
    rng = random.Random(seed)
    return " ".join(f"word{chr(97 + rng.randrange(26))}{rng.randrange(900)}x" for _ in range(150))


def edited(words: str) -> str:
    """The text with its fourth word replaced: a Jaccard index of .95."""
    return " ".join("other" if n == 3 else word for n, word in enumerate(words.split()))


def built(folder: Path, name: str, texts: dict[str, str], near: dict[str, Any]) -> Built:
    source = folder / f"{name}.jsonl"
    lines = [json.dumps({"text": body, "url": f"x://{key}"}) for key, body in texts.items()]
    source.write_text("\n".join(lines) + "\n")
    content = {
        "name": name,
        "ingest": {"part_bytes": 4000, "task_bytes": 4000},
        "sources": [{"name": "web", "path": source.name}],
        "stages": {"near_dedupe": near},
    }
    recipe = recipe_from(content, CATALOG, folder, folder / f"corpus-{name}")

    def engine(store: Store) -> Engine:
        return LocalEngine(store, 1)

    return build(recipe, CATALOG, engine, Silence(), "test")


def dropped(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    """The near_dedupe ledger of dropped documents, by URL."""
    root = folder / f"corpus-{name}" / "store"
    by_id = {}
    for path in root.glob("ingest/**/*.parquet"):
        if "url" in (names := pq.read_schema(path).names) and "text" in names:
            table = pq.read_table(path, columns=["id", "url"]).to_pylist()
            by_id |= {row["id"]: row["url"] for row in table}
    found = {}
    for path in root.glob("near_dedupe/annotations/*/*.parquet"):
        found |= {by_id[r["id"]]: r for r in pq.read_table(path).to_pylist() if r["survivor"]}
    return found


@pytest.mark.parametrize("linkage", ["direct", "single"])
def test_only_the_new_side_loses_documents_and_no_old_text_is_read(
    tmp_path: Path, linkage: str
) -> None:
    old = {"a": text(1), "a2": edited(text(1)), "b": text(2)} | {
        f"f{n}": text(100 + n) for n in range(9)
    }
    new = {"copy": text(1), "near": edited(text(2)), "fresh": text(3), "twin": edited(text(3))}
    built(tmp_path, "old", old, {})
    assert set(dropped(tmp_path, "old")) in ({"x://a"}, {"x://a2"})
    for path in (tmp_path / "corpus-old" / "store" / "ingest").rglob("*.parquet"):
        path.write_bytes(b"no longer readable")

    manifest = built(tmp_path, "new", new, {"against": ["corpus-old"], "linkage": linkage}).manifest
    (stage,) = manifest.content["stages"]
    lost = dropped(tmp_path, "new")
    assert {"x://copy", "x://near"} < set(lost)
    assert len(lost) == 3
    assert {url for url, row in lost.items() if row["corpus"] is None} < {"x://fresh", "x://twin"}
    label = {row["corpus"] for row in lost.values()} - {None}
    assert len(label) == 1
    assert lost["x://near"]["jaccard"] == pytest.approx(0.95, abs=0.1)
    assert stage["dropped"]["near_duplicate"]["documents"] == 3
    assert stage["record"]["earlier_documents"] == 11


def test_clusters_and_explain_name_the_earlier_corpus(tmp_path: Path) -> None:
    built(tmp_path, "old", {"a": text(1)}, {})
    new = {"copy": text(1), "near": edited(text(1)), "alone": text(2)}
    manifest = built(tmp_path, "new", new, {"against": ["corpus-old"]}).manifest
    (cluster,) = largest_clusters(manifest, "near_dedupe")
    assert (cluster.size, cluster.kept, cluster.earlier) == (3, 0, 1)
    assert [member.corpus for member in cluster.members] == ["corpus-old"] * 2

    console = Console(file=(written := io.StringIO()), width=200)
    show_clusters(console, manifest, [cluster], compared=False)
    show_build(console, manifest, [], 0.0)
    shown = written.getvalue()
    assert "a cluster of 3 documents, 0 kept (web 2), 1 in earlier corpora" in shown
    assert "(in the earlier corpus corpus-old)" in shown
    assert "more dropped" not in shown
    assert "3 documents  in an earlier corpus" in shown

    (story,) = explain_document(manifest, "x://near")
    survivor = story.steps[-1].references["survivor"]
    assert survivor.endswith("(in the earlier corpus corpus-old, where explain knows it)")
    assert story.steps[-1].witness == survivor[:32]


def test_that_nothing_is_alike_is_said(tmp_path: Path) -> None:
    manifest = built(tmp_path, "old", {"a": text(1), "b": text(2)}, {}).manifest
    for wanted, told in ((10, "near_dedupe: no cluster"), (0, "")):
        console = Console(file=(written := io.StringIO()), width=200)
        ClustersReport(manifest, "near_dedupe", Wishes(clusters=wanted)).show(console)
        shown = written.getvalue()
        assert shown.startswith(told)
        assert bool(shown) == bool(told)


def test_a_corpus_is_named_once(tmp_path: Path) -> None:
    built(tmp_path, "old", {"a": text(1)}, {})
    other = tmp_path / "corpus-old/../corpus-old"
    for again in ("corpus-old", str(other)):
        with pytest.raises(RecipeError, match=r"is the same corpus as corpus-old/.* Name it once"):
            built(tmp_path, "new", {"b": text(1)}, {"against": ["corpus-old", again]})


def test_what_is_not_compared_is_told_unverified(tmp_path: Path) -> None:
    pages = {"a": text(1), "b": edited(text(1))}
    for name, config, said in (
        ("chained", {"linkage": "single"}, "dropped 0."),
        ("unverified", {"verify": False}, "dropped unverified "),
    ):
        manifest = built(tmp_path, name, pages, config).manifest
        console = Console(file=(written := io.StringIO()), width=200)
        clusters = largest_clusters(manifest, "near_dedupe")
        show_clusters(console, manifest, clusters, compared=False)
        assert said in written.getvalue()


def test_a_corpus_is_not_compared_with_itself(tmp_path: Path) -> None:
    built(tmp_path, "old", {"a": text(1)}, {})
    with pytest.raises(RecipeError, match=r"corpus-old is this build's own workspace.*--workspace"):
        built(tmp_path, "old", {"a": text(1)}, {"against": ["corpus-old"]})


def test_an_earlier_corpus_may_lie_in_the_folder_of_the_new_one(tmp_path: Path) -> None:
    (tmp_path / "corpus-new").mkdir()
    built(tmp_path / "corpus-new", "old", {"a": text(1)}, {})
    built(tmp_path, "new", {"b": text(1)}, {"against": ["corpus-new/corpus-old"]})
    assert set(dropped(tmp_path, "new")) == {"x://b"}


def test_what_cannot_be_compared_is_told_before_any_text_is_read(tmp_path: Path) -> None:
    built(tmp_path, "old", {"a": text(1)}, {"ngram": 4})
    with pytest.raises(RecipeError, match=r"ngram: 4 there, 5 here"):
        built(tmp_path, "new", {"b": text(1)}, {"against": ["corpus-old"]})
    assert not (tmp_path / "corpus-new/store/near_dedupe").exists()


def test_signatures_of_an_older_format_are_told_as_such(tmp_path: Path) -> None:
    built(tmp_path, "old", {"a": text(1)}, {})
    listed = tmp_path / "corpus-old/signatures/near_dedupe.json"
    listed.write_text(listed.read_text().replace('"format": 2', '"format": 1'))
    with pytest.raises(RecipeError, match=r"another version of tamis.*format 1.*Build that"):
        built(tmp_path, "new", {"b": text(1)}, {"against": ["corpus-old"]})


def test_signatures_made_otherwise_are_refused_with_the_cure(tmp_path: Path) -> None:
    built(tmp_path, "old", {"a": text(1)}, {"ngram": 4})
    with pytest.raises(Exception, match=r"ngram: 4 there, 5 here.*Set the same here"):
        built(tmp_path, "new", {"b": text(1)}, {"against": ["corpus-old"]})
    with pytest.raises(RecipeError, match="corpus-none"):
        built(tmp_path, "new", {"b": text(1)}, {"against": ["corpus-none"]})


def test_a_damaged_sketch_of_the_earlier_corpus_is_refused(tmp_path: Path) -> None:
    built(tmp_path, "old", {"a": text(1)}, {})
    (keys,) = (tmp_path / "corpus-old" / "store" / "near_dedupe" / "sketch").glob("*/key.npy")
    content = bytearray(keys.read_bytes())
    content[-1] ^= 1
    keys.write_bytes(bytes(content))
    with pytest.raises(Exception, match="has changed since it was built"):
        built(tmp_path, "new", {"b": text(1)}, {"against": ["corpus-old"]})
