"""Diffs with records of other pipelines: found, compared and told as far as they reach."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from manifests.datatrove_stats import is_stats, read_stats
from manifests.dclm import is_dclm, read_dclm
from manifests.outline import Change, Outline, OutlineDiff, diff_outlines, outline_of
from tamis.revisions import find_manifest
from tamis.tables import Section


def find_outline(name: str) -> Outline | None:
    """The outline of another pipeline's file; None when ``name`` is anything else."""
    path = Path(name)
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    if is_dclm(content):
        return read_dclm(content)
    return read_stats(content, path.name) if is_stats(content) else None


def diff_with_others(before: str, after: str) -> OutlineDiff | None:
    """The diff of two sides when one of them at least is another pipeline's record; else None.

    Raises ManifestError when a side is neither that nor a manifest.
    """
    found = [find_outline(name) for name in (before, after)]
    if found == [None, None]:
        return None
    sides = [
        outline or outline_of(find_manifest(name))
        for outline, name in zip(found, (before, after), strict=True)
    ]
    return diff_outlines(*sides)


def outline_sections(diff: OutlineDiff) -> Iterator[Section]:
    """The tables of such a diff."""
    sides = (diff.before, diff.after)
    rows = [(side.name, side.made_by) for side in sides]
    yield Section("Compared", ("", "made by"), rows, words=2)
    numbers = [_number(change) for change in diff.numbers]
    notes = [] if numbers else ["Both say no number in common."]
    yield Section("What both count", ("", "before", "after", "change"), numbers, notes)
    for title, changes in (("Facts", diff.facts), ("Sources, how often read", diff.sources)):
        told = [(c.what, str(c.before), str(c.after)) for c in changes if c.before != c.after]
        if told:
            yield Section(title, ("", "before", "after"), told, words=3)
    for side in sides:
        if side.steps:
            yield _steps(side)
    yield Section("What cannot be compared", notes=diff.missing)


def _number(change: Change) -> tuple[str, ...]:
    before, after = int(change.before or 0), int(change.after or 0)
    share = f" ({100 * (after / before - 1):+.1f} %)" if before else ""
    return (change.what, f"{before:,}", f"{after:,}", f"{after - before:+,}{share}")


def _steps(side: Outline) -> Section:
    rows = [
        (
            step.name,
            "" if step.came is None else f"{step.came:,}",
            "" if step.kept is None else f"{step.kept:,}",
            ", ".join(f"{reason or 'no reason'} {n:,}" for reason, n in step.dropped.items()),
        )
        for step in side.steps
    ]
    headers = ("step", "documents in", "kept", "dropped")
    return Section(f"Steps of {side.name}", headers, rows, remarks=True)
