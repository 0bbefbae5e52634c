"""What the tables of a diff and of an answer of what-if say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, replace
from typing import TYPE_CHECKING, Any

from manifests.attribution import Attribution
from manifests.diff import Diff
from manifests.documents import Document, find_documents
from manifests.effects import Amount, GroupEffect, mixture_dimension
from manifests.manifest import Manifest
from tamis.printable import one_line
from tamis.tables import Section

if TYPE_CHECKING:
    from tamis.suppose import WhatIf

GROUPS = 12
"""Groups shown of one dimension, those that moved most; JSON has all."""
_PARTS = 4
"""Groups of one dimension that are attributed to causes."""
_ONCE = "Tokens of a document count once here; in the mixtures, as often as they are read."


def diff_sections(diff: Diff, texts: Mapping[str, Document] | None = None) -> Iterator[Section]:
    """The tables of a diff: causes, then effects, then documents. ``texts`` are the documents to
    read, by id."""
    if diff.before == diff.after:
        yield Section("The corpora are the same.")
        return
    causes = [(c.what, _value(c.before), _value(c.after)) for c in diff.causes]
    yield Section("Causes", ("what", "before", "after"), causes, words=3)
    if diff.attribution is not None and diff.attribution.steps:
        yield _attributed(diff.attribution, diff)
    rows = []
    for stage in diff.stages:
        if (stage.in_before, stage.kept_before) != (stage.in_after, stage.kept_after):
            kept = (stage.kept_before, stage.kept_after)
            rows.append(
                (
                    stage.stage,
                    _change(
                        *(_of(side, "documents") for side in (stage.in_before, stage.in_after))
                    ),
                    *(_change(*(_of(side, name) for side in kept)) for name in _UNITS),
                )
            )
    yield Section(
        "Documents and tokens by stage",
        ("stage", "documents in", "documents kept", "bytes kept", "tokens kept"),
        rows,
        [_ONCE] if any(s.kept_after and s.kept_after.tokens for s in diff.stages) else [],
    )
    yield from group_sections(diff.groups)
    reasons = [
        (r.stage, r.reason, _change(r.documents_before, r.documents_after))
        for r in diff.reasons
        if r.documents_before != r.documents_after
    ]
    yield Section("Dropped", ("stage", "reason", "documents"), reasons, words=2)
    yield _moved(diff, texts or {})


_UNITS = ("documents", "bytes", "tokens")


def _moved(diff: Diff, texts: Mapping[str, Document]) -> Section:
    if diff.moves is None:
        return Section(
            "Documents that moved",
            notes=["Documents cannot be compared: the ledgers of one side are gone."],
        )
    rows = [(move.before, move.after, f"{move.documents:,}") for move in diff.moves]
    notes = []
    for move in diff.moves:
        notes.append(f"{move.before} → {move.after}:")
        for identity, locator in zip(move.ids, move.sample, strict=True):
            text = f": {one_line(texts[identity].text, 120)}" if identity in texts else ""
            notes.append(f"  {identity[:12]} {one_line(locator, 80)}{text}")
    return Section("Documents that moved", ("before", "after", "documents"), rows, notes, words=2)


def texts_of_moves(found: Diff, sides: tuple[Manifest, Manifest]) -> dict[str, Document]:
    """The first words of the documents that moves name, as far as the workspaces are there."""
    wanted = {identity for move in found.moves or [] for identity in move.ids}
    texts: dict[str, Document] = {}
    for side in reversed(sides):
        try:
            texts |= find_documents(side, wanted - texts.keys(), 240)
        except FileNotFoundError:
            continue  # a manifest of which the workspace is gone
    return texts


def group_sections(groups: Sequence[GroupEffect]) -> Iterator[Section]:
    """A table a dimension; the groups whose share moved most first. A dimension that says the same
    as one before it (the groups of a balance by domain) is left out."""
    seen: list[list[tuple[object, ...]]] = []
    for dimension in dict.fromkeys(group.dimension for group in groups):
        moved = [
            g
            for g in groups
            if g.dimension == dimension
            and (g.documents_before, g.tokens_before, g.share_before)
            != (g.documents_after, g.tokens_after, g.share_after)
        ]
        told = [astuple(replace(g, dimension="")) for g in groups if g.dimension == dimension]
        if not moved or told in seen:
            continue
        seen.append(told)
        rows = [
            (
                g.group,
                _change(g.documents_before, g.documents_after),
                _change(g.tokens_before, g.tokens_after),
                f"{_share(g.share_before)} → {_share(g.share_after)}",
                f"{100 * ((g.share_after or 0) - (g.share_before or 0)):+.2f} pp",
                _relative(g.share_before, g.share_after),
            )
            for g in moved[:GROUPS]
        ]
        more = len(moved) - GROUPS
        yield Section(
            f"The mixture by {dimension}",
            (dimension, "documents", "tokens", "share", "change", "relative"),
            rows,
            [f"{more:,} more groups moved less (--json has them)."] if more > 0 else [],
        )


def _attributed(found: Attribution, diff: Diff) -> Section:
    """By cause, its part of the change in documents, tokens, and the shares that moved most."""
    dimensions = [group.dimension for group in diff.groups]
    preferred = mixture_dimension(dimensions)
    shown = [g for g in diff.groups if g.dimension == preferred][:_PARTS]
    rows = []
    notes: dict[str, list[str]] = {}
    totals = [0, 0, *(0.0 for _ in shown)]
    for number, (step, effects) in enumerate(zip(found.steps, found.effects, strict=True), 1):
        by_group = {(e.dimension, e.group): e for e in effects}
        whole = by_group[None, None]
        parts = [
            by_group[preferred, g.group].share or 0.0 if (preferred, g.group) in by_group else 0.0
            for g in shown
        ]
        name = ", ".join(step.causes) or "not attributed"
        rows.append(
            (
                f"{number}. {name}",
                step.how + ("" if step.exact else ", not exact"),
                f"{whole.documents:+,}",
                f"{whole.tokens:+,}",
                *(f"{part:+.2f} pp" for part in parts),
            )
        )
        totals = [
            a + b for a, b in zip(totals, [whole.documents, whole.tokens, *parts], strict=True)
        ]
        if step.note:
            notes.setdefault(step.note, []).append(str(number))
    rows.append(
        (
            "all",
            "",
            f"{totals[0]:+,}",
            f"{totals[1]:+,}",
            *(f"{part:+.2f} pp" for part in totals[2:]),
        )
    )
    shares = f", shares by {preferred}" if shown else ""
    return Section(
        f"Which part comes from which cause, in this order{shares}",
        ("cause", "how known", "documents", "tokens", *(g.group for g in shown)),
        rows,
        [f"{', '.join(numbers)}: {note}." for note, numbers in notes.items()],
        words=2,
    )


def what_if_sections(found: WhatIf) -> Iterator[Section]:
    """The tables of an answer of what-if."""
    changes = [(c.setting, _value(c.before), _value(c.after)) for c in found.changes]
    yield Section("What if", ("setting", "now", "then"), changes, words=3)
    rows = [
        ("documents", _change(found.documents_before, found.documents.known)),
        ("tokens", _change(found.tokens_before, found.tokens)),
        ("effective tokens", _change(found.effective_tokens_before, found.effective_tokens)),
    ]
    notes = []
    if found.exact and found.tokens_exact:
        notes.append("Exact: a build would give these very numbers.")
    else:
        notes.append(
            f"Not exact. A build would keep at least {found.documents.at_least:,} and at most"
            f" {found.documents.at_most:,} documents; above is what the ledgers know."
        )
        notes += [
            f"{number:,} documents come alive that had been dropped by {name}: later stages never"
            " saw them, and they are in the upper bound alone."
            for name, number in found.unseen.items()
        ]
        notes += [f"{doubt}." for doubt in found.doubts]
    yield Section("What would be kept", ("", "now → then"), rows, notes)
    old = {stage.stage: stage for stage in found.stages_before}
    stages = []
    for stage in found.stages:
        was = old[stage.stage]
        bound = "" if stage.at_least == stage.at_most else f"{stage.at_least:,} … {stage.at_most:,}"
        stages.append(
            (stage.stage, _change(was.came, stage.came), _change(was.kept, stage.kept), bound)
        )
    yield Section("Documents by stage", ("stage", "in", "kept", "kept, bounds"), stages)
    yield from group_sections(found.groups)


def _value(value: Any) -> str:
    return "—" if value is None else one_line(str(value), 100)


def _of(side: Amount | None, name: str) -> int | None:
    return None if side is None else getattr(side, name)


def _change(before: int | None, after: int | None) -> str:
    if before is None or after is None:
        return f"{_count(before)} → {_count(after)}" if (before, after) != (None, None) else "—"
    if before == after:
        return f"{after:,}"
    return f"{before:,} → {after:,} ({after - before:+,})"


def _count(value: int | None) -> str:
    return "—" if value is None else f"{value:,}"


def _share(share: float | None) -> str:
    return "—" if share is None else f"{100 * share:.2f} %"


def _relative(before: float | None, after: float | None) -> str:
    if not before:
        return "new" if after else ""
    return f"{100 * ((after or 0) / before - 1):+.1f} %"
