"""What MinHash-LSH must find: pairs of a known Jaccard index, and a bound that is not luck."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count

import numpy as np

UNLUCKY = 1e-5
"""A count so low that it comes about by chance less often than this is a fault."""


def planted(
    token: Callable[[int], str], ngram: int, similarity: float, shingles: int, pairs: int
) -> list[tuple[str, str]]:
    """Pairs of texts of so many shingles each, whose sets have that Jaccard index: a run of tokens
    that both share, then tokens of their own. No two tokens of all texts are the same.

    Of n shingles each, s shared: J = s / (2n - s). ``token`` makes the text of the nth token, with
    the space behind it where the script has one.
    """
    numbers = count()

    def run(length: int) -> str:
        return "".join(token(next(numbers)) for _ in range(length))

    shared = round(2 * shingles * similarity / (1 + similarity))
    found = []
    for _ in range(pairs):
        common = run(shared + ngram - 1)
        found.append((common + run(shingles - shared), common + run(shingles - shared)))
    return found


def too_few(found: int, chances: Iterable[float]) -> bool:
    """Whether independent events of these probabilities come about so seldom, or less, with a
    probability below ``UNLUCKY``: the exact distribution, by convolution."""
    distribution = np.ones(1)
    for chance in chances:
        distribution = np.convolve(distribution, [1 - chance, chance])
    return bool(distribution[: found + 1].sum() < UNLUCKY)


def resolved(pairs: Sequence[tuple[bytes, bytes]], removed: Iterable[bytes]) -> int:
    """Pairs of which one document or both are removed."""
    gone = set(removed)
    return sum(left in gone or right in gone for left, right in pairs)
