"""Outlines: the little that records of other pipelines and our manifests have in common.

DCLM's dataset files and datatrove's stats hold no ledgers, no shares and few numbers. An outline
takes what there is, names what is not there, and two of them are compared by what both have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from manifests.diff import FORMAT
from manifests.effects import kept_amount, tokens_column
from manifests.manifest import Manifest

DOCUMENTS, TOKENS, TEXT_BYTES = "documents", "tokens, repeats included", "bytes of text"


@dataclass(frozen=True)
class Step:
    """One step of a pipeline: documents that came and were kept (None where it does not say), and
    documents dropped by reason, ``""`` where no reason is given."""

    name: str
    came: int | None
    kept: int | None
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Outline:
    """What a record says of a corpus. ``numbers`` are compared with those of the same name;
    ``sources`` are named as often as they are read; ``missing`` are sentences."""

    name: str
    made_by: str
    numbers: Mapping[str, int]
    facts: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """Something that both sides say, or only one: None on the other."""

    what: str
    before: int | str | None
    after: int | str | None


@dataclass(frozen=True)
class OutlineDiff:
    """Two outlines compared. ``numbers`` and ``facts`` are those of both sides, ``sources`` how
    often each is read where that differs. Steps are not matched: pipelines name them differently.
    ``missing``: what cannot be said, and why. ``diff.schema.json`` describes this too."""

    before: Outline
    after: Outline
    numbers: list[Change]
    facts: list[Change]
    sources: list[Change]
    missing: list[str]
    format: int = FORMAT


def outline_of(manifest: Manifest) -> Outline:
    """What is in a manifest that other records may have too."""
    content, kept = manifest.content, kept_amount(manifest.cube)
    numbers = {DOCUMENTS: kept.documents, TOKENS: kept.tokens, TEXT_BYTES: kept.bytes}
    facts = {}
    for stage in content["stages"]:
        if stage["use"] == "tokenize":
            facts["tokenizer"] = str(stage["record"]["origin"])
    steps = (
        Step(
            stage["name"],
            stage["in"]["documents"],
            stage["kept"]["documents"],
            {reason: amount["documents"] for reason, amount in stage["dropped"].items()},
        )
        for stage in content["stages"]
    )
    missing = [] if tokens_column(manifest.cube) else ["has no stage that counts tokens"]
    return Outline(
        content["name"],
        f"tamis {content['tamis']}",
        {name: number for name, number in numbers.items() if number is not None},
        facts,
        tuple(source["name"] for source in content["recipe"]["sources"]),
        tuple(steps),
        tuple(missing),
    )


def diff_outlines(before: Outline, after: Outline) -> OutlineDiff:
    """What both sides say, compared; and what cannot be."""
    numbers = [
        Change(name, before.numbers[name], after.numbers[name])
        for name in before.numbers
        if name in after.numbers
    ]
    facts = [
        Change(name, before.facts[name], after.facts[name])
        for name in before.facts
        if name in after.facts
    ]
    read = [Counter(side.sources) for side in (before, after)]
    sources = [
        Change(name, read[0][name], read[1][name])
        for name in sorted(read[0].keys() | read[1].keys())
        if read[0][name] != read[1][name] and before.sources and after.sources
    ]
    missing = [f"{side.name}: {reason}." for side in (before, after) for reason in side.missing]
    for side, other in ((before, after), (after, before)):
        alone = [name for name in side.numbers if name not in other.numbers]
        if alone:
            missing.append(f"Only {side.name} says: {', '.join(alone)}.")
    missing.append("Shares, causes and documents that moved: they need two manifests.")
    return OutlineDiff(before, after, numbers, facts, sources, missing)
