"""The panel of what changed since another corpus: causes, the waterfall, shares, documents."""

from __future__ import annotations

from typing import Any

from manifests.diff import Diff, diff_manifests
from manifests.effects import mixture_dimension
from manifests.manifest import Manifest
from tamis.attribution import attribution
from tamis.diff_tables import diff_sections, texts_of_moves
from tamis.report_page.figures import (
    BEFORE,
    DROPPED,
    KEPT,
    axis,
    dumbbells,
    figure,
    label,
)
from tamis.report_page.numbers import count, percent
from tamis.report_page.parts import Chart, Figure, Panel
from tamis.tables import Section

_GROUPS = 12
"""Groups drawn, those whose share moved most."""


def changes_panel(before: Manifest, after: Manifest) -> Panel:
    """What changed from ``before`` to ``after``."""
    found = diff_manifests(before, after)
    if found.before != found.after:
        found.attribution = attribution(before, after)
    charts = []
    if found.attribution is not None and found.attribution.steps:
        charts.append(_waterfall(found))
    if found.before != found.after:
        charts.append(_shares(found))
    texts = texts_of_moves(found, (before, after))
    return Panel(
        "changes",
        "What changed",
        f"From the corpus with the fingerprint {found.before} to this one.",
        charts,
        tables=list(diff_sections(found, texts)),
    )


def _waterfall(found: Diff) -> Chart:
    """Documents kept before, what each cause adds or takes, documents kept after."""
    assert found.attribution is not None
    assert found.kept_before is not None
    assert found.kept_after is not None
    steps = [
        (", ".join(step.causes) or "not attributed", effects[0].documents)
        for step, effects in zip(found.attribution.steps, found.attribution.effects, strict=True)
    ]
    ends = (found.kept_before.documents, found.kept_after.documents)
    rows = [
        ("kept before", count(ends[0])),
        *((name, f"{change:+,}") for name, change in steps),
        ("kept after", count(ends[1])),
    ]
    return Chart(
        "waterfall",
        "Documents kept, by cause",
        f"Waterfall from {count(ends[0])} documents kept before to {count(ends[1])} after.",
        {"": _waterfall_figure(steps, ends)},
        Section("Documents kept, by cause", ("cause", "documents"), rows),
    )


def _waterfall_figure(steps: list[tuple[str, int]], ends: tuple[int, int]) -> Figure:
    # steps are small beside the whole: the axis begins near the lowest level
    levels = [ends[0]]
    for _, change in steps:
        levels.append(levels[-1] + change)
    low, high = min(*levels, *ends), max(*levels, *ends)
    margin = max(1, 2 * (high - low) // 5)
    names = [f"{number}. {label(name)}" for number, (name, _) in enumerate(steps, 1)]
    data: dict[str, Any] = {
        "type": "waterfall",
        "orientation": "h",
        "y": ["kept before", *names, "kept after"],
        "x": [ends[0], *(change for _, change in steps), ends[1]],
        "measure": ["absolute", *("relative" for _ in steps), "absolute"],
        "text": [count(ends[0]), *(f"{change:+,}" for _, change in steps), count(ends[1])],
        "textposition": "outside",
        "increasing": {"marker": {"color": KEPT}},
        "decreasing": {"marker": {"color": DROPPED}},
        "totals": {"marker": {"color": BEFORE}},
        "connector": {"line": {"color": "var(--line)", "width": 1}},
        "hovertemplate": "%{y}<br>%{text}<extra></extra>",
    }
    layout = {
        "xaxis": axis(
            "documents (not from zero)",
            range=[max(0, low - margin), high + margin],
            tickformat=",",
            nticks=5,
        ),
        "yaxis": axis(autorange="reversed", gridcolor="rgba(0,0,0,0)", type="category"),
        "bargap": 0.35,
    }
    return figure([data], 90 + 32 * (len(names) + 2), layout)


def _shares(found: Diff) -> Chart:
    dimension = mixture_dimension([group.dimension for group in found.groups]) or "source"
    moved = [group for group in found.groups if group.dimension == dimension][:_GROUPS]
    shares = [(group.share_before or 0.0, group.share_after or 0.0) for group in moved]
    points: list[tuple[str, list[float | None], str, str]] = [
        (name, [100 * pair[side] for pair in shares], colour, symbol)
        for side, name, colour, symbol in (
            (0, "before", BEFORE, "circle-open"),
            (1, "after", KEPT, "circle"),
        )
    ]
    names = [group.group for group in moved]
    rows = [
        (name, percent(old), percent(new), f"{100 * (new - old):+.2f} pp")
        for name, (old, new) in zip(names, shares, strict=True)
    ]
    return Chart(
        "shares",
        f"Shares by {dimension}, those that moved most",
        f"Share of every {dimension} before and after.",
        {"": dumbbells(names, points, "share (%)", ".3~g", rangemode="tozero")},
        Section("Shares", (dimension, "before", "after", "change"), rows),
    )
