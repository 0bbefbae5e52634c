"""Corpora that a deduplication compared its documents with, by what its ledger calls them."""

from __future__ import annotations

from typing import Any

from manifests.manifest import Manifest

LABEL_DIGITS = 16
"""Digits of the checksum of an earlier corpus' signatures that stand for it in a ledger."""


def earlier_corpora(manifest: Manifest, stage: str) -> dict[str, str]:
    """The corpora that a stage lists under ``against``, by the label that its ledger's column
    ``corpus`` holds: each as the recipe names it, relative to the recipe. Empty without any."""
    written = next(
        (one for one in manifest.content["recipe"]["stages"] if one["name"] == stage), None
    )
    if written is None:
        return {}
    # the same list twice: with paths as written, and with checksums in their place
    paths = _signatures(written["config"])
    sums = _signatures(manifest.stage(stage)["config"])
    return {
        checksum.partition(":")[2][:LABEL_DIGITS]: path.rpartition("/signatures/")[0] or path
        for path, checksum in zip(paths, sums, strict=True)
    }


def _signatures(config: dict[str, Any]) -> list[str]:
    return [str(one["signatures"]) for one in config.get("against", [])]
