"""Diversity: what is new enough beside what was kept, and beside what it was made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.stage import StageConfig, setting
from stages.dedupe.minhash import band_keys, signatures
from stages.dedupe.shingles import jaccard, shingle_sets

_BANDS, _ROWS = 32, 2
"""Of MinHash: pairs of Jaccard index .5 are candidates with a probability of .9999."""
_CHARACTERS = 5
"""Shingles of scripts without spaces, in characters, as in ``near_dedupe``."""


class DiversityConfig(StageConfig):
    """What is too near to be kept, and how much of one thing."""

    max_similarity: float = setting(
        0.8,
        about="Jaccard index of word n-grams from which on a text is a near-duplicate of one kept",
        source="near_dedupe's default",
        gt=0.0,
        le=1.0,
    )
    ngram: int = setting(3, about="Words of such an n-gram; synthetic texts are short", ge=1)
    max_seed_overlap: float = setting(
        0.5,
        about="Share of a text's n-grams that may stand in what it was made of: of a passage, a"
        " question, the body of a function",
        ge=0.0,
        le=1.0,
    )
    seed_ngram: int = setting(
        5, about="Words of an n-gram that is compared with the seed", source="near_dedupe", ge=1
    )
    per_seed: int | None = setting(None, about="Documents of one seed at most", ge=1)
    per_skill: int | None = setting(None, about="Documents of one skill at most", ge=1)


ECHOES = {"max_seed_overlap", "seed_ngram"}
"""The settings of ``DiversityConfig`` that ``echo_of`` reads."""


@dataclass(frozen=True)
class Fault:
    """Why a text is not kept: a reason, and in words what it was compared with."""

    reason: str
    detail: str


class Diversity:
    """Texts, looked at in order: each is compared with those that were kept before it."""

    def __init__(self, config: DiversityConfig, names: Sequence[str], texts: Sequence[str]) -> None:
        """``names`` tell the texts apart for people."""
        self._config = config
        self._names = names
        column = pa.array(texts, pa.large_string())
        self._hashes, self._bounds = shingle_sets(column, config.ngram, _CHARACTERS)
        minima, _ = signatures(column, _BANDS * _ROWS, config.ngram, _CHARACTERS, seed=0)
        self._keys = band_keys(minima, _BANDS, _ROWS).tolist()
        self._buckets: dict[int, list[int]] = {}
        self._seeds: Counter[str] = Counter()
        self._skills: Counter[str] = Counter()

    def take(self, index: int, seed: str, skill: str) -> Fault | None:
        """Keeps a text, or says why not."""
        caps = (
            ("seed", seed, self._seeds, self._config.per_seed),
            ("skill", skill, self._skills, self._config.per_skill),
        )
        for what, name, counts, most in caps:
            if most is not None and counts[name] >= most:
                return Fault(f"over_{what}_cap", f"{what} {name} has {most} already")
        near = self._nearest(index)
        if near is not None:
            return near
        for key in self._keys[index]:
            self._buckets.setdefault(key, []).append(index)
        self._seeds[seed] += 1
        self._skills[skill] += 1
        return None

    def _nearest(self, index: int) -> Fault | None:
        others = {other for key in self._keys[index] for other in self._buckets.get(key, ())}
        found = [(self._similarity(index, other), -other) for other in others]
        likeness, other = max(found, default=(0.0, 0))
        if likeness < self._config.max_similarity:
            return None
        return Fault("near_duplicate", f"{likeness:.2f} alike with {self._names[-other]}")

    def _similarity(self, left: int, right: int) -> float:
        sets = [self._hashes[self._bounds[i] : self._bounds[i + 1]] for i in (left, right)]
        return float(jaccard(*sets))


def echo_of(seed: str, text: str, config: DiversityConfig) -> Fault | None:
    """Whether a text repeats the seed it was made of."""
    column = pa.array([text, seed], pa.large_string())
    hashes, bounds = shingle_sets(column, config.seed_ngram, _CHARACTERS)
    own = set(hashes[bounds[0] : bounds[1]].tolist())
    shared = len(own & set(hashes[bounds[1] :].tolist())) / max(1, len(own))
    if shared <= config.max_seed_overlap:
        return None
    return Fault("echoes_seed", f"{shared:.2f} of its n-grams stand in the seed")
