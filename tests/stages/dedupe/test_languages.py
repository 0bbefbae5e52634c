"""Duplicates are found as well in every language, in code and in mathematics, and nothing else."""

from __future__ import annotations

import concurrent.futures
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stages.dedupe.arrays import Words64
from stages.dedupe.minhash import collision_probability
from stages.dedupe.near import NearDedupe
from stages.dedupe.near_config import NearDedupeConfig
from stages.dedupe.shingles import jaccard, likeness, shingle_sets, shingles_and_slots
from stages.dedupe.slots import differing_slots
from tests.stages.dedupe import oracle
from tests.stages.dedupe.driver import Text, run_stage
from tests.stages.dedupe.languages import DRESSES, KINDS, Language, edited, read_languages
from tests.stages.dedupe.recall import planted, resolved, too_few

SURELY_ALIKE = 0.8
"""A likeness, weighed too, above `min_jaccard` by so much that the pair counts."""


def spelled(first: int, last: int, length: int, space: str, number: int) -> str:
    """A token of its own for each number: letters from a range of code points."""
    letters = ""
    for _ in range(length):
        number, digit = divmod(number, last - first)
        letters += chr(first + digit)
    assert number == 0
    return letters + space


SCRIPTS: dict[str, tuple[Callable[[int], str], int]] = {
    "English": (partial(spelled, ord("a"), ord("z"), 5, " "), 5),
    "Korean": (partial(spelled, 0xAC00, 0xAD00, 3, " "), 5),
    "Arabic": (partial(spelled, 0x628, 0x63B, 5, " "), 5),
    "Hindi": (partial(spelled, 0x915, 0x93A, 4, " "), 5),
    "Russian": (partial(spelled, 0x430, 0x450, 4, " "), 5),
    "code": (lambda n: f"x_{n} = f({n});\n", 5),
    "mathematics": (lambda n: f"$\\alpha_{{{n}}}$ ", 5),
    "Chinese": (partial(spelled, 0x3400, 0x4DB0, 1, ""), 8),
    "Chinese with words": (lambda n: f"{chr(0x4E00 + n)}, ", 8),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_at_one_jaccard_index_every_script_is_found_as_often(script: str, tmp_path: Path) -> None:
    token, ngram = SCRIPTS[script]
    texts = planted(token, ngram, 0.78, 60 if ngram == 8 else 100, 70)
    lefts = [Text(f"{n} left", left) for n, (left, _) in enumerate(texts)]
    rights = [Text(f"{n} right", right) for n, (_, right) in enumerate(texts)]
    true = [oracle.jaccard(*pair) for pair in texts]
    assert min(true) > 0.75
    config = NearDedupeConfig(verify=False)
    result = run_stage(NearDedupe(config), [lefts, rights], tmp_path)
    pairs = [(left.id, right.id) for left, right in zip(lefts, rights, strict=True)]
    found = resolved(pairs, result.reasons)
    assert not too_few(found, [collision_probability(s, *config.shape) for s in true])
    assert found == len(result.reasons)


@pytest.fixture(scope="module")
def texts(shared_data: Path) -> dict[str, Language]:
    try:
        # of Python's own library, which does not change as this repository does
        return read_languages(shared_data, Path(concurrent.futures.__file__).parent)
    except FileNotFoundError as error:
        pytest.skip(f"no file {error.filename}")


@pytest.mark.parametrize("kind", KINDS)
def test_edited_copies_of_real_texts_are_found_and_nothing_else(
    kind: str, texts: dict[str, Language], tmp_path: Path
) -> None:
    """Copies with two words of a hundred replaced, and in another dress."""
    rng = random.Random(kind)
    dresses = list(DRESSES.values())
    documents = texts[kind].documents()[:60]
    assert len(documents) >= 10
    left = [Text(f"{n} left", "".join(words)) for n, words in enumerate(documents)]
    right = [
        Text(f"{n} right", dresses[n % len(dresses)](edited(words, 2, rng)))
        for n, words in enumerate(documents)
    ]
    config = NearDedupeConfig()
    result = run_stage(NearDedupe(config), [left, right], tmp_path)
    pairs, chances = [], []
    for one, other in zip(left, right, strict=True):
        both = pa.array([one.text, other.text], pa.large_string())
        values, bounds, slots, ends = shingles_and_slots(both, config.ngram, config.char_ngram)
        sets = values[: bounds[1]], values[bounds[1] :]
        names = differing_slots(slots[: ends[1]], slots[ends[1] :])
        apart = names * (config.name_weight - 1) * config.ngram
        if likeness(*sets, config.number_weight, apart)[1] >= SURELY_ALIKE:
            pairs.append((one.id, other.id))
            similarity = oracle.jaccard(one.text, other.text)
            chances.append(collision_probability(similarity, *config.shape))
        for name in {one.id, other.id} & set(result.reasons):
            assert result.annotations[name]["survivor"] in (one.id, other.id)
    assert len(pairs) >= 0.6 * len(documents)
    assert not too_few(resolved(pairs, result.reasons), chances)


@pytest.mark.parametrize("kind", KINDS)
def test_dress_does_not_matter(kind: str, texts: dict[str, Language]) -> None:
    document = "".join(texts[kind].documents()[3]).strip()
    dressed = [dress(document) for dress in DRESSES.values()]
    first, *others = shingles([document, *dressed])
    for name, other in zip(DRESSES, others, strict=True):
        assert jaccard(first, other) == 1.0, name


@pytest.mark.parametrize("kind", KINDS)
def test_unrelated_documents_stay_far_below_the_threshold(
    kind: str, texts: dict[str, Language]
) -> None:
    """Of one author, subject and language: as near as unrelated documents come."""
    each = shingles(["".join(words) for words in texts[kind].documents()[:60]])
    nearest = max(jaccard(a, b) for n, a in enumerate(each) for b in each[:n])
    assert nearest < 0.35


def shingles(texts: list[str]) -> list[Words64]:
    """The shingle set of each text."""
    sets, bounds = shingle_sets(pa.array(texts, pa.large_string()), 5, 8)
    return np.split(sets, bounds[1:-1])
