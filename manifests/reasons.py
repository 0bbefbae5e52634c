"""A sample of the documents that were dropped for one reason: what to read before trusting it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from hashlib import blake2b

import polars as pl

from manifests.explain import NotFoundError
from manifests.manifest import Manifest


def sample_dropped(manifest: Manifest, reason: str, count: int, seed: int = 0) -> list[str]:
    """Ids (hexadecimal) of ``count`` documents that were dropped for ``reason``, or fewer if there
    are not so many.

    ``reason`` is a word of the ledger (``near_duplicate``), or the part of it before a dot
    (``contaminated`` for all benchmarks). The sample is uniform and depends on nothing but the ids
    and ``seed``: the smallest keyed hashes of ids. Raises NotFoundError, naming the reasons that
    there are.
    """
    key = str(seed).encode()

    def rank(identity: bytes) -> bytes:
        return blake2b(identity, key=key, digest_size=16).digest()

    chosen = heapq.nsmallest(count, _dropped(manifest, reason), key=rank)
    if not chosen:
        reasons = sorted(
            {word for stage in manifest.content["stages"] for word in stage["dropped"]}
        )
        raise NotFoundError(
            f"no document was dropped for `{reason}`. Reasons in this corpus:"
            f" {', '.join(reasons) or 'none, nothing was dropped'}."
        )
    return [identity.hex() for identity in chosen]


def _dropped(manifest: Manifest, reason: str) -> Iterator[bytes]:
    verdict = pl.col("verdict").cast(pl.String)
    for path in manifest.files.filter(pl.col("role") == "verdicts")["path"]:
        yield from (
            pl.scan_parquet(manifest.workspace / path)
            .filter((verdict == reason) | verdict.str.starts_with(f"{reason}."))
            .collect()["id"]
        )
