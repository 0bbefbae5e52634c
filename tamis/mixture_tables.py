"""The mixture of a corpus as tables: what is kept of every group, and of a balance what was asked,
planned and reached, and why they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from manifests.effects import kept_of, mixture_dimension, tokens_column
from manifests.manifest import Manifest
from tamis.tables import Section

Group = Mapping[str, Any]
"""What a balance puts on record of a group."""

GROUPS = 20
"""Groups shown of a mixture, those that are read most; the manifest has all."""
_WIDE = 120
"""Columns from which on a balance is shown whole."""
_LEFT_OUT = ("documents", "natural", "planned", "effective")
"""Columns of a balance that a narrow terminal does without."""
_WHY = "why not the target"
_SAME = 0.0005
"""Shares that are shown alike."""


def mixture_sections(manifest: Manifest, width: int) -> Iterator[Section]:
    """The mixture of what is kept, by domain where there are domains; then every balance and its
    phases. A balance of the same groups says it all, and stands alone."""
    balances = [stage for stage in manifest.content["stages"] if stage["use"] == "balance"]
    dimension = mixture_dimension(manifest.cube.columns) or "source"
    if all(stage["record"]["by"] != [dimension] for stage in balances):
        yield _kept(manifest, dimension)
    for stage in balances:
        yield _balance(stage["record"], width)
        for phase in stage["record"]["phases"]:
            yield _phase(phase, stage["record"]["groups"])


def _kept(manifest: Manifest, dimension: str) -> Section:
    """Shares of the tokens that are kept; of the documents where no tokens are counted."""
    measure = "tokens" if tokens_column(manifest.cube) else "documents"
    kept = kept_of(manifest.cube, dimension).sort(measure, "group", descending=[True, False])
    shown = list(dict.fromkeys(("documents", measure)))
    totals = {name: int(kept[name].sum()) for name in shown}
    rows = [
        (row["group"], *(f"{row[name]:,}" for name in shown), _part(row[measure], totals[measure]))
        for row in kept.iter_rows(named=True)
    ]
    rows.append(("all", *(f"{totals[name]:,}" for name in shown), "100 %" if len(kept) else ""))
    return Section("The mixture", (dimension, *shown, "share"), rows)


def _balance(record: Mapping[str, Any], width: int) -> Section:
    groups: Mapping[str, Group] = record["groups"]
    columns: dict[str, Callable[[Group], str]] = {
        "documents": lambda g: f"{g['read_documents']:,}",
        "tokens": lambda g: f"{g['reached_tokens']:,}",
        "effective": lambda g: f"{g['effective_tokens']:,}",
        "epochs": lambda g: f"{g['epochs']:.2f}",
        "natural": lambda g: _share(g["natural_share"]),
        "target": lambda g: _share(g["target_share"]),
        "planned": lambda g: _share(g["planned_share"]),
        "share": lambda g: _share(g["reached_share"]),
    }
    shown = {
        name: cell for name, cell in columns.items() if width >= _WIDE or name not in _LEFT_OUT
    }
    ordered = _most_read(groups)
    rows = [
        (name, *(cell(group) for cell in shown.values()), group["why"]) for name, group in ordered
    ]
    totals = {
        "documents": f"{sum(group['read_documents'] for group in groups.values()):,}",
        "tokens": f"{record['reached_tokens']:,}",
        "effective": f"{record['effective_tokens']:,}",
        "epochs": f"{record['planned_tokens'] / max(1, record['tokens']):.2f}",
    }
    rows.append(("all", *(totals.get(name, "100 %") for name in shown), ""))
    notes = _notes(groups, ordered)
    if record["absent_groups"]:
        notes.append(f"Named, but not in the corpus: {', '.join(record['absent_groups'])}.")
    title = f"The mixture, stated as {record['stated_as']}"
    headers = (_by(record), *shown, _WHY)
    return Section(title, headers, rows, notes, remarks=True)


def _phase(phase: Mapping[str, Any], whole: Mapping[str, Group]) -> Section:
    groups: Mapping[str, Group] = phase["groups"]
    ordered = _most_read(groups)
    rows = [
        (
            name,
            f"{group['reached_tokens']:,}",
            f"{group['epochs']:.2f}",
            _share(group["target_share"]),
            _share(group["planned_share"]),
            _share(group["reached_share"]),
            group["why"],
        )
        for name, group in ordered
    ]
    available = sum(group["tokens"] for group in whole.values())
    epochs = phase["planned_tokens"] / max(1, available)
    rows.append(
        ("all", f"{phase['reached_tokens']:,}", f"{epochs:.2f}", "100 %", "100 %", "100 %", "")
    )
    length = phase["sequence_length"]
    told = [
        f"phase {phase['name']}",
        f"{phase['order']} order",
        f"sequences of {length:,}" if length else "",
        f"{phase['asked_tokens']:,} tokens asked for" if phase["asked_tokens"] != "all" else "",
    ]
    headers = ("group", "tokens", "epochs", "target", "planned", "share", _WHY)
    title = ", ".join(filter(None, told))
    return Section(title, headers, rows, _notes(groups, ordered), remarks=True)


def _by(record: Mapping[str, Any]) -> str:
    """What the groups are, as a heading."""
    named = set(record["groups"]) <= {*record["by"], "other"}
    return "group" if named else "/".join(record["by"])


def _most_read(groups: Mapping[str, Group]) -> list[tuple[str, Group]]:
    ordered = sorted(groups.items(), key=lambda item: (-item[1]["reached_tokens"], item[0]))
    return ordered[:GROUPS]


def _notes(groups: Mapping[str, Group], shown: Sequence[tuple[str, Group]]) -> list[str]:
    notes = []
    if len(groups) > len(shown):
        rest = sum(group["reached_share"] for group in groups.values()) - sum(
            group["reached_share"] for _, group in shown
        )
        notes.append(f"{len(groups) - len(shown):,} more groups are {_share(rest)} of it.")
    if any(abs(g["reached_share"] - g["planned_share"]) >= _SAME for g in groups.values()):
        notes.append(
            "Shares miss the plan by less than one document a group: these are read whole."
        )
    return notes


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"


def _part(amount: int, total: int) -> str:
    return _share(amount / max(1, total))
