"""What the tables of a diff say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, replace

from manifests.attribution import Attribution, Step
from manifests.causes import Cause
from manifests.diff import Diff
from manifests.documents import Document, find_documents
from manifests.effects import Amount, GroupEffect, StageEffect, mixture_dimension
from manifests.manifest import Manifest
from manifests.moves import KEPT, Move
from tamis.changes import (
    Unit,
    cause_in_words,
    change,
    difference,
    pair,
    points,
    relative,
    shares,
    unit_of,
    value,
)
from tamis.printable import one_line
from tamis.tables import INDENT, Section

ROWS = 12
"""Groups of a dimension, reasons and kinds of move that are shown; JSON has all."""
_PARTS = 3
"""Groups of one dimension that are attributed to causes."""
_CAUSES = 4
"""Causes that are named of one step."""
_READ = 6
"""Kinds of move of which documents are shown to read: of those that came or went first."""
_SAMPLE = 3
"""Documents of each."""
_ONCE = "A document's tokens count once here; in the mixtures, as often as they are read."
Pair = tuple[int | None, int | None]
_STAGES_NOTE = re.compile(r"; (?=\w+: )")
"""Between what two stages say in the note of a step."""
_MEGABYTES = Unit(10**6)


def diff_sections(diff: Diff, texts: Mapping[str, Document] | None = None) -> Iterator[Section]:
    """The tables of a diff: causes, then effects, then documents. ``texts`` are the documents to
    read, by id."""
    if diff.before == diff.after:
        yield Section("The corpora are the same.")
        return
    causes = [(c.what, value(c.before), value(c.after)) for c in diff.causes]
    yield Section("Causes", ("what", "before", "after"), causes, words=3)
    yield _kept(diff)
    if diff.attribution is not None and diff.attribution.steps:
        yield _attributed(diff.attribution, diff)
    yield _stages(diff.stages)
    yield from group_sections(diff.groups)
    yield _dropped(diff)
    yield _moved(diff, texts or {})


def _kept(diff: Diff) -> Section:
    """What is kept in all, in full numbers."""
    rows = []
    told = {"documents": "documents", "bytes": "bytes of text", "tokens": "tokens, as read"}
    for name, what in told.items():
        before, after = (_of(side, name) for side in (diff.kept_before, diff.kept_after))
        if (before, after) != (None, None):
            full = Unit()
            rows.append((what, full.told(before), full.told(after), difference(before, after)))
    return Section("What is kept", ("", "before", "after", "change"), rows)


def _attributed(found: Attribution, diff: Diff) -> Section:
    """By cause, its part of the change in documents, tokens, and the shares that moved most."""
    preferred = mixture_dimension([group.dimension for group in diff.groups])
    shown = [g for g in diff.groups if g.dimension == preferred][:_PARTS]
    causes = {cause.what: cause for cause in diff.causes}
    numbers: list[list[float]] = []
    for effects in found.effects:
        by_group = {(e.dimension, e.group): e for e in effects}
        whole = by_group[None, None]
        parts = [by_group.get((preferred, g.group)) for g in shown]
        moved = [part.share or 0.0 if part else 0.0 for part in parts]
        numbers.append([whole.documents, whole.tokens, *moved])
    totals = [sum(column) for column in zip(*numbers, strict=True)]
    steps = [f"{number}. {_step(step, causes)}" for number, step in enumerate(found.steps, 1)]
    unit = unit_of(int(row[1]) for row in [*numbers, totals])
    rows = [
        (name, f"{row[0]:+,}", _signed(int(row[1]), unit), *(f"{part:+.2f}" for part in row[2:]))
        for name, row in zip([*steps, "all"], [*numbers, totals], strict=True)
    ]
    in_points = f"; shares by {preferred}, in pp" if shown else ""
    return Section(
        f"Which part comes from which cause{in_points}",
        ("cause", "documents", unit.header("tokens"), *(g.group for g in shown)),
        rows,
        list(_doubts(found.steps)),
    )


def _step(step: Step, causes: Mapping[str, Cause]) -> str:
    told = [cause_in_words(causes[what]) for what in step.causes[:_CAUSES] if what in causes]
    more = len(step.causes) - _CAUSES
    told += [f"{more} more causes"] if more > 0 else []
    causes_told = "; ".join(told) or "what no cause has alone"
    return f"{causes_told} ({step.how}{' ≈' * (not step.exact)})"


def _doubts(steps: Sequence[Step]) -> Iterator[str]:
    """Why steps are not exact, each reason once."""
    notes: dict[str, list[str]] = {}
    for number, step in enumerate(steps, 1):
        for note in _STAGES_NOTE.split(step.note):
            notes.setdefault(note, []).append(str(number))
    if any(not step.exact for step in steps):
        yield "≈ not exact: a build of just these causes could differ a little."
    yield from (f"{', '.join(numbers)}: {note}." for note, numbers in notes.items() if note)


def _signed(number: int, unit: Unit) -> str:
    return f"+{unit.told(number)}" if number >= 0 else unit.told(number)


def _stages(stages: Sequence[StageEffect]) -> Section:
    """The waterfall, without stages that drop nothing on both sides: nothing changes at them."""
    told: list[tuple[StageEffect, Pair]] = []
    for stage in stages:
        dropped = (
            _lost(stage.in_before, stage.kept_before),
            _lost(stage.in_after, stage.kept_after),
        )
        same = (stage.in_before, stage.kept_before) == (stage.in_after, stage.kept_after)
        if not same and (any(dropped) or None in dropped):
            told.append((stage, dropped))
    kept = [(stage.kept_before, stage.kept_after) for stage, _ in told]
    first = [(stage.in_before, stage.in_after) for stage in stages[:1]]
    units = {
        name: unit_of(_of(side, name) for sides in [*kept, *first] for side in sides)
        for name in ("documents", "tokens")
    }

    def cells(sides: tuple[Amount | None, Amount | None]) -> list[str]:
        (documents, size, tokens) = (
            (_of(sides[0], name), _of(sides[1], name)) for name in ("documents", "bytes", "tokens")
        )
        both = None not in documents and documents[0] != documents[1]
        return [
            pair(*documents, units["documents"]),
            relative(*documents) if both else "",
            pair(*size, _MEGABYTES),
            pair(*tokens, units["tokens"]) if tokens != (None, None) else "",
        ]

    rows = [("ingest", *cells(sides), "") for sides in first if told]
    rows += [
        (stage.stage, *cells(sides), pair(*dropped, units["documents"]))
        for (stage, dropped), sides in zip(told, kept, strict=True)
    ]
    headers = (
        "stage",
        units["documents"].header("documents kept"),
        "change",
        "text, MB",
        units["tokens"].header("tokens"),
        "dropped",
    )
    counted = any(side and side.tokens for sides in kept for side in sides)
    return Section("Documents and tokens by stage", headers, rows, [_ONCE] if counted else [])


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
        unit = unit_of(n for g in moved for n in (g.tokens_before, g.tokens_after))
        rows = [
            (
                g.group,
                shares(g.share_before, g.share_after),
                points(g.share_before, g.share_after),
                relative(g.share_before, g.share_after),
                pair(g.documents_before, g.documents_after),
                pair(g.tokens_before, g.tokens_after, unit),
            )
            for g in moved[:ROWS]
        ]
        more = len(moved) - ROWS
        yield Section(
            f"The mixture by {dimension}",
            (dimension, "share, %", "pp", "relative", "documents", unit.header("tokens")),
            rows,
            [f"{more:,} more groups moved less (--json has them)."] if more > 0 else [],
        )


def _dropped(diff: Diff) -> Section:
    """Reasons, by stage; of many those that changed most."""
    changed = [r for r in diff.reasons if r.documents_before != r.documents_after]
    by_size = sorted(changed, key=lambda r: -abs(r.documents_after - r.documents_before))
    shown = {(r.stage, r.reason) for r in by_size[:ROWS]}
    rows = [
        (r.stage, r.reason, change(r.documents_before, r.documents_after))
        for r in changed
        if (r.stage, r.reason) in shown
    ]
    more = len(changed) - len(rows)
    notes = [f"{more:,} more reasons changed less (--json has them)."] if more else []
    return Section("Dropped", ("stage", "reason", "documents"), rows, notes, words=2)


def _moved(diff: Diff, texts: Mapping[str, Document]) -> Section:
    if diff.moves is None:
        return Section(
            "Documents that moved",
            notes=["Documents cannot be compared: the ledgers of one side are gone."],
        )
    moves = sorted(diff.moves, key=lambda move: KEPT not in (move.before, move.after))
    rows = [(move.before, move.after, f"{move.documents:,}") for move in moves[:ROWS]]
    notes = []
    if moves[ROWS:]:
        left = sum(move.documents for move in moves[ROWS:])
        notes.append(f"{len(moves) - ROWS:,} more kinds, {left:,} documents (--json has them).")
    for move in _to_show(moves):
        notes.append(f"{move.before} → {move.after}, such as")
        notes += _to_read(move, texts)
    return Section("Documents that moved", ("before", "after", "documents"), rows, notes, words=2)


def _to_show(moves: Sequence[Move]) -> Sequence[Move]:
    """The moves of which documents are shown: those to and from the kept, if there are any."""
    return ([move for move in moves if KEPT in (move.before, move.after)] or moves)[:_READ]


def _to_read(move: Move, texts: Mapping[str, Document]) -> Iterator[str]:
    """Some documents of a move: id, where it stands, its first words."""
    for identity, locator in list(zip(move.ids, move.sample, strict=True))[:_SAMPLE]:
        text = f": {one_line(texts[identity].text, 120)}" if identity in texts else ""
        yield f"{INDENT}{identity[:12]} {one_line(locator, 80)}{text}"


def texts_of_moves(found: Diff, sides: tuple[Manifest, Manifest]) -> dict[str, Document]:
    """The first words of the documents that are shown, as far as the workspaces are there."""
    wanted = {name for move in _to_show(found.moves or []) for name in move.ids[:_SAMPLE]}
    texts: dict[str, Document] = {}
    for side in reversed(sides):
        try:
            texts |= find_documents(side, wanted - texts.keys(), 240)
        except FileNotFoundError:
            continue  # a manifest of which the workspace is gone
    return texts


def _lost(came: Amount | None, kept: Amount | None) -> int | None:
    return None if came is None or kept is None else came.documents - kept.documents


def _of(side: Amount | None, name: str) -> int | None:
    return None if side is None else getattr(side, name)
