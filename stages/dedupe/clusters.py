"""Clusters and survivors from similar pairs: independent of the order in which pairs come."""

from __future__ import annotations

import numpy as np

from pipeline.compile import compiled
from stages.dedupe.arrays import Flags, Floats, Ints


@compiled
def _root(parents: Ints, node: int) -> int:
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@compiled
def components(nodes: int, left: Ints, right: Ints) -> Ints:
    """The smallest node of each node's connected component (int64). Union by smaller number, with
    path halving (Tarjan and van Leeuwen 1984): near linear in edges."""
    parents = np.arange(nodes)
    for edge in range(len(left)):
        a = _root(parents, left[edge])
        b = _root(parents, right[edge])
        if a < b:
            parents[b] = a
        elif b < a:
            parents[a] = b
    for node in range(nodes):
        parents[node] = parents[parents[node]]
    return parents


@compiled
def direct_survivors(
    nodes: int, left: Ints, right: Ints, similarity: Floats
) -> tuple[Ints, Floats]:
    """Linkage ``direct``: in order, a node is dropped if a node kept before it is its neighbour.

    Edges have ``left < right`` and are sorted by ``right``, then ``left``. Returns each node's
    witness (int64: of the kept neighbours the most similar, then the first; -1: kept) and the
    similarity with it (float32; NaN: kept).
    """
    witness = np.full(nodes, -1, np.int64)
    best = np.full(nodes, np.nan, np.float32)
    for edge in range(len(left)):
        a = left[edge]
        b = right[edge]
        if witness[a] >= 0:
            continue
        if witness[b] < 0 or similarity[edge] > best[b]:
            witness[b] = a
            best[b] = similarity[edge]
    return witness, best


def single_survivors(
    component: Ints, first: Flags, left: Ints, right: Ints, similarity: Floats
) -> tuple[Ints, Floats]:
    """Linkage ``single``: the first node of each component is kept, chains allowed, and so are
    nodes where ``first`` says that nothing comes before them. Returns each node's survivor (-1:
    kept) and, where the two were compared, their similarity (else NaN)."""
    numbers = np.arange(len(component))
    survivor = np.where((component == numbers) | first, -1, component)
    compared = np.full(len(component), np.nan, np.float32)
    direct = survivor[right] == left
    compared[right[direct]] = similarity[direct]
    return survivor, compared
