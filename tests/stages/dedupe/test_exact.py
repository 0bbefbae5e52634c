"""Exact deduplication against a dictionary."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.dedupe.exact import ExactDedupe, ExactDedupeConfig
from stages.dedupe.hashing import hash_texts
from tests.stages.dedupe import oracle
from tests.stages.dedupe.driver import Result, Text, run_stage

PIECES = ["", "a", "A", "a.", "b", "a b", "a  b", "\uff41 b", "1", "2", "é", "É", "我", "...", "!"]


def exact(parts: list[list[Text]], root: Path, **config: object) -> Result:
    return run_stage(ExactDedupe(ExactDedupeConfig.model_validate(config)), parts, root)


@given(st.lists(st.sampled_from(PIECES), max_size=25), st.integers(1, 3), st.booleans())
@settings(max_examples=25, deadline=None)
def test_one_of_each_text_is_kept(pieces: list[str], parts: int, by_words: bool) -> None:
    texts = [Text(f"d{n}", piece) for n, piece in enumerate(pieces)]

    def key(text: Text) -> object:
        return tuple(oracle.tokens(text.text)) if by_words else text.text

    with TemporaryDirectory() as folder:
        result = exact(
            [texts[n::parts] for n in range(parts)],
            Path(folder),
            normalization="text" if by_words else "none",
        )
    groups: dict[object, list[Text]] = {}
    for text in oracle.order(texts):
        groups.setdefault(key(text) or text.id, []).append(text)
    for group in groups.values():
        for text in group:
            row = result.annotations[text.id]
            assert row["copies"] == len(group)
            assert row["survivor"] == (None if text is group[0] else group[0].id)
    assert result.kept == {group[0].id for group in groups.values()}
    assert set(result.reasons.values()) <= {"exact_duplicate"}


def test_parts_and_partitions_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(1)
    texts = [Text(f"d{n}", f"text number {rng.randrange(60)}") for n in range(200)]
    one = exact([texts], tmp_path / "one")
    assert len(one.kept) == len({text.text for text in texts})
    monkeypatch.setattr(ExactDedupe, "keys_per_partition", 9)
    rng.shuffle(texts)
    other = exact([texts[:20], [], texts[20:]], tmp_path / "other")
    assert one == other


def test_priority_of_sources_decides_between_copies(tmp_path: Path) -> None:
    copies = [Text(f"{n}", "the same text", source) for n, source in enumerate("abc")]
    config = {"order": ["source_priority", "id"], "source_priority": ["b", "c"]}
    result = exact([[copy] for copy in copies], tmp_path, **config)
    assert result.kept == {copies[1].id}
    assert result.witness(copies[0]) == result.witness(copies[2]) == copies[1].id
    assert result.record["most_copies"] == 3


def test_no_documents(tmp_path: Path) -> None:
    assert exact([], tmp_path / "a").record["removed"] == 0
    assert exact([[], []], tmp_path / "b").record["groups"] == 0


def test_two_documents_of_one_id_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Ids must be unique"):
        exact([[Text("a", "one")], [Text("a", "two")]], tmp_path)


@given(st.lists(st.text(max_size=60), min_size=1, max_size=20), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_a_hash_depends_on_its_text_alone(texts: list[str], skipped: int) -> None:
    column = pa.array(["x" * skipped, *texts], pa.large_string())
    hashes, _ = hash_texts(column)
    for text, row in zip(texts, hashes[1:].tolist(), strict=True):
        assert hash_texts(pa.array([text], pa.string()))[0][0].tolist() == row
    assert len({tuple(row) for row in hashes[1:].tolist()}) == len(set(texts))
