"""A diff, or an answer of what-if, as tables: for the terminal, a pull request, a browser."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from manifests.attribution import Attribution
from manifests.diff import Diff
from manifests.documents import Document
from manifests.effects import Amount, GroupEffect
from tamis.printable import one_line
from tamis.what_if import WhatIf

GROUPS = 12
"""Groups shown of one dimension, those that moved most; JSON has all."""
_PARTS = 4
"""Groups of one dimension that are attributed to causes."""


@dataclass(frozen=True)
class Section:
    """One table, with a title and sentences below it. The first ``words`` columns are words."""

    title: str
    headers: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    notes: list[str] = field(default_factory=list)
    words: int = 1


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


def group_sections(groups: Sequence[GroupEffect]) -> Iterator[Section]:
    """A table a dimension; the groups whose share moved most first."""
    for dimension in dict.fromkeys(group.dimension for group in groups):
        moved = [
            g
            for g in groups
            if g.dimension == dimension
            and (g.documents_before, g.tokens_before, g.share_before)
            != (g.documents_after, g.tokens_after, g.share_after)
        ]
        if not moved:
            continue
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
    shown: list[GroupEffect] = []
    dimensions = [group.dimension for group in diff.groups]
    preferred = next((d for d in ("domain", "kind", "source") if d in dimensions), None)
    shown = [g for g in diff.groups if g.dimension == preferred][:_PARTS]
    rows, notes = [], []
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
            notes.append(f"{number}: {step.note}.")
    rows.append(
        (
            "all",
            "",
            f"{totals[0]:+,}",
            f"{totals[1]:+,}",
            *(f"{part:+.2f} pp" for part in totals[2:]),
        )
    )
    return Section(
        "Which part comes from which cause, in this order",
        ("cause", "how known", "documents", "tokens", *(f"share of {g.group}" for g in shown)),
        rows,
        notes,
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


def show_sections(console: Console, sections: Iterator[Section]) -> None:
    """Prints tables on a terminal."""
    for section in sections:
        if section.headers:
            table = Table(box=box.SIMPLE_HEAD, title=escape(section.title), title_justify="left")
            for number, header in enumerate(section.headers):
                justify = "left" if number < section.words else "right"
                table.add_column(
                    escape(header),
                    justify="left" if justify == "left" else "right",
                    overflow="fold",
                )
            for row in section.rows:
                table.add_row(*(escape(cell) for cell in row))
            console.print(table)
        else:
            console.print(section.title, markup=False)
        for note in section.notes:
            console.print(note, markup=False, highlight=False, style="dim")


def as_markdown(sections: Iterator[Section]) -> str:
    """The tables for a pull request."""
    lines: list[str] = []
    for section in sections:
        lines += [f"### {_plain(section.title)}", ""]
        if section.headers and section.rows:
            marks = (":--" if n < section.words else "--:" for n in range(len(section.headers)))
            lines += [_row(section.headers), _row(tuple(marks), raw=True)]
            lines += [_row(row) for row in section.rows]
            lines.append("")
        lines += [f"- {_plain(note.strip())}" for note in section.notes]
        lines += [""] * bool(section.notes)
    return "\n".join(lines)


def _row(cells: Sequence[str], raw: bool = False) -> str:
    return f"| {' | '.join(cell if raw else _plain(cell) for cell in cells)} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: what was crawled must not become a link or a tag."""
    flat = html.escape(one_line(text, 400), quote=False)
    return "".join(f"\\{c}" if c in "\\`*_[]|#!~@" else c for c in flat)


def as_html(title: str, sections: Iterator[Section]) -> str:
    """One self-contained page, light and dark."""
    body = []
    for section in sections:
        body.append(f"<h2>{html.escape(section.title)}</h2>")
        if section.headers and section.rows:
            head = "".join(f"<th scope=col>{html.escape(cell)}</th>" for cell in section.headers)
            rows = "".join(
                "<tr>"
                + "".join(
                    f"<td{'' if n < section.words else ' class=n'}>{html.escape(cell)}</td>"
                    for n, cell in enumerate(row)
                )
                + "</tr>"
                for row in section.rows
            )
            body.append(
                f"<div><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
            )
        body += [f"<p>{html.escape(note)}</p>" for note in section.notes]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>"
        f"<h1>{html.escape(title)}</h1>{''.join(body)}</html>\n"
    )


_STYLE = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;"
    "margin:2rem auto;padding:0 1rem}div{overflow-x:auto}table{border-collapse:collapse}"
    "th,td{padding:.25rem .75rem;text-align:left;border-bottom:1px solid #8884}"
    ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}p{margin:.2rem 0}"
)


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
