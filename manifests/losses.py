"""Losses: sources that a deduplication took most of, which is a template or a fault more often than
a finding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from manifests.schema import Json


def source_losses(stages: Iterable[Mapping[str, Json]], limit: float) -> list[dict[str, Json]]:
    """The sources that lost more than ``limit`` (a share) of the documents that came to a stage.

    ``stages`` are those of a manifest. Returns stage, source, documents_in, documents_dropped and
    limit, in the order of the stages, then of the sources' names.
    """
    return [
        {"stage": stage["name"], "source": source, **counts, "limit": limit}
        for stage in stages
        for source, counts in sorted(stage["by_source"].items())
        if counts["documents_dropped"] > limit * counts["documents_in"]
    ]
