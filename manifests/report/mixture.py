"""Mixture: what a balance was asked for, planned and reached, by group and phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from manifests.manifest import Manifest
from manifests.schema import Json


@dataclass(frozen=True)
class MixtureGroup:
    """A group of a mixture. Shares are of tokens read; ``natural_share`` is that of the tokens that
    there were; ``unique_tokens`` are read at least once. ``effective_tokens`` are D' of arXiv
    2305.16264: repeats count for less."""

    documents: int
    read_documents: int
    tokens: int
    unique_tokens: int
    reached_tokens: int
    effective_tokens: int
    natural_share: float
    target_share: float
    planned_share: float
    reached_share: float
    epochs: float
    why: str


@dataclass(frozen=True)
class Phase:
    """A phase of the training: its tokens, and the target and reached share of every group."""

    name: str
    order: str
    sequence_length: int | None
    planned_tokens: int
    reached_tokens: int
    shares: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Mixture:
    """What a balance did. ``stated_as`` is how the recipe states it: weights, targets …"""

    stage: str
    by: tuple[str, ...]
    stated_as: str
    tokens: int
    planned_tokens: int
    reached_tokens: int
    effective_tokens: int
    groups: Mapping[str, MixtureGroup]
    phases: tuple[Phase, ...]


def mixtures_of(manifest: Manifest) -> list[Mixture]:
    """The mixtures of a corpus, one a balance, groups that are read most first."""
    return [
        _mixture(stage["name"], stage["record"])
        for stage in manifest.content["stages"]
        if stage["use"] == "balance"
    ]


def _mixture(stage: str, record: Mapping[str, Json]) -> Mixture:
    names = [field.name for field in fields(MixtureGroup)]
    groups = sorted(
        record["groups"].items(), key=lambda item: (-item[1]["reached_tokens"], item[0])
    )
    return Mixture(
        stage=stage,
        by=tuple(record["by"]),
        stated_as=record["stated_as"],
        tokens=record["tokens"],
        planned_tokens=record["planned_tokens"],
        reached_tokens=record["reached_tokens"],
        effective_tokens=record["effective_tokens"],
        groups={
            group: MixtureGroup(**{name: told[name] for name in names}) for group, told in groups
        },
        phases=tuple(_phase(phase) for phase in record["phases"]),
    )


def _phase(phase: Mapping[str, Json]) -> Phase:
    return Phase(
        phase["name"],
        phase["order"],
        phase["sequence_length"],
        phase["planned_tokens"],
        phase["reached_tokens"],
        {
            group: (told["target_share"], told["reached_share"])
            for group, told in phase["groups"].items()
        },
    )
