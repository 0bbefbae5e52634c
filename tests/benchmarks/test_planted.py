"""What the generator of the benchmarks promises, held against slow Python."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.planted import Planted, write_parts
from benchmarks.vocabulary import Vocabulary, own_vocabulary
from manifests.schema import DOCUMENTS

COPIES = 0.2


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return own_vocabulary()


@pytest.fixture(scope="module")
def planted(vocabulary: Vocabulary) -> Planted:
    return Planted(1050, vocabulary)


@pytest.fixture(scope="module")
def texts(planted: Planted) -> list[str]:
    found: list[str] = planted.texts(0, planted.documents).to_pylist()
    return found


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[n : n + 5]) for n in range(len(words) - 4)}


def jaccard(left: str, right: str) -> float:
    a, b = shingles(left), shingles(right)
    return len(a & b) / len(a | b)


def test_planted_pairs_have_the_jaccard_index_they_say(planted: Planted, texts: list[str]) -> None:
    pairs = planted.pairs()
    measured = [jaccard(texts[a], texts[b]) for a, b in zip(pairs.left, pairs.right, strict=True)]
    assert len(measured) > 250
    assert pairs.jaccard.tolist() == pytest.approx(measured, abs=1e-12)
    assert pairs.jaccard.max() == 1.0
    assert pairs.jaccard.min() < 0.5


def test_only_planted_pairs_are_similar(planted: Planted, texts: list[str]) -> None:
    pairs = planted.pairs()
    known = set(map(frozenset, zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)))
    holders: dict[tuple[str, ...], list[int]] = {}
    for number, text in enumerate(texts):
        for shingle in shingles(text):
            holders.setdefault(shingle, []).append(number)
    met: Counter[frozenset[int]] = Counter()
    for numbers in holders.values():
        met.update(frozenset((a, b)) for a in numbers for b in numbers if a < b)
    assert {pair for pair, shared in met.items() if shared > 1} <= known


def test_long_documents_keep_to_their_places(vocabulary: Vocabulary) -> None:
    planted = Planted(200, vocabulary, 600, 700, seed=3)
    texts = planted.texts(0, 200).to_pylist()
    pairs = planted.pairs()
    for a, b, index in zip(*pairs, strict=True):
        assert jaccard(texts[a], texts[b]) == pytest.approx(index, abs=1e-12)
    assert all(600 <= len(text.split()) <= 700 for text in texts)


def test_a_fifth_are_copies_and_sizes_vary(planted: Planted, texts: list[str]) -> None:
    pairs = planted.pairs()
    clusters: dict[int, int] = {}
    for a, b in sorted(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)):
        clusters[b] = clusters.get(a, a)
    assert len(clusters) / planted.documents == pytest.approx(COPIES, abs=0.03)
    sizes = {len(text.split()) for text in texts}
    assert min(sizes) >= 120
    assert max(sizes) <= 220
    assert len(sizes) > 80


def test_documents_do_not_depend_on_how_they_are_cut(
    planted: Planted, texts: list[str], tmp_path: Path
) -> None:
    parts = write_parts(planted, tmp_path, 400)
    assert [part.rows for part in parts] == [400, 400, 250]
    tables = [pq.read_table(tmp_path / part.documents) for part in parts]
    assert all(table.schema.equals(DOCUMENTS) for table in tables)
    read = [text for table in tables for text in table["text"].to_pylist()]
    assert read == texts
    sizes = [sum(len(text.encode()) for text in table["text"].to_pylist()) for table in tables]
    assert [part.text_bytes for part in parts] == sizes
    ids = {name for table in tables for name in table["id"].to_pylist()}
    assert len(ids) == planted.documents
    locators = [name for table in tables for name in table["locator"].to_pylist()]
    assert locators == [str(number) for number in range(planted.documents)]


def test_another_seed_makes_other_documents(planted: Planted, vocabulary: Vocabulary) -> None:
    other = Planted(planted.documents, vocabulary, seed=2)
    assert other.texts(0, 50).to_pylist() != planted.texts(0, 50).to_pylist()
    assert not np.array_equal(other.pairs().jaccard, planted.pairs().jaccard)


@pytest.mark.parametrize(("shortest", "longest"), [(10, 20), (50, 40)])
def test_impossible_lengths_are_refused(
    vocabulary: Vocabulary, shortest: int, longest: int
) -> None:
    with pytest.raises(ValueError, match="cannot be planted"):
        Planted(10, vocabulary, shortest, longest)
