"""What the tables of an answer of what-if say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tamis.changes import change, value
from tamis.diff_tables import group_sections
from tamis.tables import Section

if TYPE_CHECKING:
    from tamis.suppose import WhatIf


def what_if_sections(found: WhatIf) -> Iterator[Section]:
    """The tables of an answer of what-if."""
    changes = [(c.setting, value(c.before), value(c.after)) for c in found.changes]
    yield Section("What if", ("setting", "now", "then"), changes, words=3)
    rows = [
        ("documents", change(found.documents_before, found.documents.known)),
        ("tokens", change(found.tokens_before, found.tokens)),
        ("effective tokens", change(found.effective_tokens_before, found.effective_tokens)),
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
            (stage.stage, change(was.came, stage.came), change(was.kept, stage.kept), bound)
        )
    yield Section("Documents by stage", ("stage", "in", "kept", "kept, bounds"), stages)
    yield from group_sections(found.groups)
