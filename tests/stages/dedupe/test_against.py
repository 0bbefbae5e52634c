"""A batch of new sources against a corpus that was built earlier."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.build import Built, build
from pipeline.engine import Engine
from pipeline.engines.local import LocalEngine
from pipeline.observer import Silence
from pipeline.recipe import RecipeError
from pipeline.recipe_check import recipe_from
from pipeline.store import Store
from stages.catalog import CATALOG


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
