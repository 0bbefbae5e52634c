"""Signatures, bands, shapes and the hash of bytes, against their theory and against datasketch."""

from __future__ import annotations

import math
import random

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash, MinHashLSH

from stages.dedupe.arrays import Words32
from stages.dedupe.hashing import hash_texts
from stages.dedupe.minhash import (
    band_keys,
    collision_probability,
    optimal_shape,
    permutations,
    signatures,
)
from tests.stages.dedupe import oracle

HASHES = 112


def sign(texts: list[str], hashes: int = HASHES, seed: int = 1) -> Words32:
    return signatures(pa.array(texts, pa.large_string()), hashes, 5, 8, seed)[0]


def planted(similarity: float, shingles: int, number: int) -> tuple[str, str]:
    """Two texts whose shingle sets have that Jaccard index: a shared run of words, then one's own.

    Of n shingles each, s shared: J = s / (2n - s).
    """
    words = shingles + 4
    shared = round(2 * shingles * similarity / (1 + similarity)) + 4
    common = [f"c{number}x{i}" for i in range(shared)]
    left = [f"l{number}x{i}" for i in range(words - shared)]
    right = [f"r{number}x{i}" for i in range(words - shared)]
    return " ".join(common + left), " ".join(common + right)


@pytest.mark.parametrize("similarity", [0.2, 0.5, 0.8, 0.95])
def test_signatures_estimate_jaccard_within_three_sigma(similarity: float) -> None:
    pairs = [planted(similarity, 200, number) for number in range(150)]
    true = np.array([oracle.jaccard(*pair) for pair in pairs])
    signed = sign([text for pair in pairs for text in pair])
    agreed = (signed[0::2] == signed[1::2]).mean(axis=1)
    sigma = np.sqrt(true * (1 - true) / HASHES)
    assert abs((agreed - true).mean()) < 3 * sigma.mean() / math.sqrt(len(pairs))
    # single pairs: normal errors leave three sigma once in 370
    assert (np.abs(agreed - true) > 3 * sigma + 1 / HASHES).sum() <= 3
    # as spread as independent hashes are: within 3 standard errors of a variance
    spread = ((agreed - true) ** 2 / sigma**2).mean()
    assert abs(spread - 1) < 3 * math.sqrt(2 / len(pairs))


@pytest.mark.parametrize("similarity", [0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
def test_recall_of_planted_pairs_follows_the_s_curve(similarity: float) -> None:
    pairs = [planted(similarity, 160, number) for number in range(500)]
    true = oracle.jaccard(*pairs[0])
    keys = band_keys(sign([text for pair in pairs for text in pair]), 14, 8)
    found = (keys[0::2] == keys[1::2]).any(axis=1).mean()
    chance = collision_probability(true, 14, 8)
    error = math.sqrt(chance * (1 - chance) / len(pairs))
    assert abs(found - chance) <= 3 * error + 1 / len(pairs)


def test_unrelated_documents_share_no_band() -> None:
    keys = band_keys(sign([planted(0.1, 100, n)[0] for n in range(500)]), 14, 8)
    assert len(np.unique(keys)) == keys.size


def test_bands_are_told_apart() -> None:
    keys = band_keys(np.zeros((1, 112), np.uint32), 14, 8)
    assert len(np.unique(keys)) == 14


def test_estimates_agree_with_datasketch() -> None:
    rng = random.Random(5)
    base = [f"word{rng.randrange(400)}" for _ in range(300)]
    texts = []
    for share in (0.0, 0.02, 0.05, 0.1, 0.2):
        texts.append(" ".join(rng.choice(["x", "y"]) if rng.random() < share else w for w in base))
    theirs = []
    for text in texts:
        sketch = MinHash(num_perm=512, seed=1)
        for gram in oracle.shingles(text):
            sketch.update(" ".join(gram).encode())
        theirs.append(sketch)
    ours = sign(texts, 512)
    for a in range(len(texts)):
        for b in range(a):
            mine = float((ours[a] == ours[b]).mean())
            assert mine == pytest.approx(theirs[a].jaccard(theirs[b]), abs=0.12)
            assert mine == pytest.approx(oracle.jaccard(texts[a], texts[b]), abs=0.085)


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9])
def test_shape_for_a_threshold_is_that_of_datasketch(threshold: float) -> None:
    index = MinHashLSH(threshold=threshold, num_perm=128)
    assert optimal_shape(threshold, 128) == (index.b, index.r)


def test_functions_differ_and_depend_on_the_seed_alone() -> None:
    multipliers, addends = permutations(HASHES, 1)
    assert (multipliers % 2 == 1).all()
    assert len(set(multipliers.tolist())) == len(set(addends.tolist())) == HASHES
    assert permutations(HASHES, 2)[0].tolist() != multipliers.tolist()
    # a change of these numbers changes every sketch: raise the stage's version
    assert multipliers[:2].tolist() == [4104716645, 3215568525]
    assert addends[:2].tolist() == [3475175769, 3031571353]


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("", "00000000000000000000000000000000"),
        ("hello", "cbd8a7b341bd9b025b1e906a48ae1d19"),
        ("hello, world", "342fac623a5ebc8e4cdcbc079642414d"),
        ("19 Jan 2038 at 3:14:07 AM", "b89e5988b737affc664fc2950231b2cb"),
        ("The quick brown fox jumps over the lazy dog.", "cd99481f9ee902c9695da1a38987b6e7"),
    ],
)
def test_bytes_are_hashed_by_murmur3(text: str, digest: str) -> None:
    """Vectors that implementations of MurmurHash3_x64_128 share."""
    found = hash_texts(pa.array([text], pa.large_string()))[0][0]
    assert f"{found[0]:016x}{found[1]:016x}" == digest
