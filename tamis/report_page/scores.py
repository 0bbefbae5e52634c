"""The panel of scores: their distributions, with the thresholds they were compared with."""

from __future__ import annotations

from typing import Any

from manifests.manifest import Manifest
from manifests.report.scores import Histogram, score_histograms
from tamis.report_page.figures import DROPPED, KEPT, axis, figure
from tamis.report_page.numbers import count, score
from tamis.report_page.parts import Chart, Figure, Panel
from tamis.tables import Section

_SHOWN = 8
"""Histograms drawn of one stage, those with most documents; a table has the others' counts."""
_STEEP = 100
"""Counts are drawn on a logarithmic scale where the highest bar is so much over the middle one."""


def scores_panel(manifest: Manifest) -> Panel:
    """A small chart for every score that a stage compared, most documents first."""
    histograms = score_histograms(manifest)
    drawn: dict[str, list[Histogram]] = {}
    for histogram in histograms:
        drawn.setdefault(histogram.stage, []).append(histogram)
    shown = [histogram for own in drawn.values() for histogram in own[:_SHOWN]]
    charts = [_chart(number, histogram) for number, histogram in enumerate(shown)]
    lead = (
        "Documents by the score that a stage compared with its threshold (dashed). Grey was"
        " dropped. Where several rules are compared, a document is counted by the rule that dropped"
        " it, and the scores of kept documents are not told."
    )
    return Panel("scores", "Scores and thresholds", lead, charts, True, [_all(histograms)])


def _chart(number: int, histogram: Histogram) -> Chart:
    kept, dropped = sum(histogram.kept), sum(histogram.dropped)
    name = histogram.reasons[0] if len(histogram.reasons) == 1 else "score"
    thresholds = " and ".join(map(score, histogram.thresholds))
    rows = [
        (f"{score(low)} to {score(high)}", count(a), count(b))
        for low, high, a, b in zip(
            histogram.edges, histogram.edges[1:], histogram.kept, histogram.dropped, strict=False
        )
        if a or b
    ]
    outside = [
        f"{count(documents)} documents {side} what is drawn."
        for documents, side in ((histogram.below, "below"), (histogram.above, "above"))
        if documents
    ]
    return Chart(
        f"score-{number}",
        name,
        f"Histogram of the scores of {count(kept)} kept and {count(dropped)} dropped documents,"
        f" threshold {thresholds or 'none'}.",
        {"": _bins(histogram)},
        Section("Documents by score", ("score", "kept", "dropped"), rows, outside),
        above=histogram.stage,
    )


def _bins(histogram: Histogram) -> Figure:
    middles = [round(edge + histogram.width / 2, 10) for edge in histogram.edges[:-1]]
    spans = [
        f"{score(low)} to {score(high)}"
        for low, high in zip(histogram.edges, histogram.edges[1:], strict=False)
    ]
    data: list[dict[str, Any]] = [
        {
            "type": "bar",
            "name": name,
            "x": middles,
            "y": [value or None for value in values],
            "width": histogram.width * 0.92,
            "marker": {"color": colour},
            "customdata": spans,
            "hovertemplate": f"%{{customdata}}<br>{name}: %{{y:,}}<extra></extra>",
        }
        for name, values, colour in (
            ("kept", histogram.kept, KEPT),
            ("dropped", histogram.dropped, DROPPED),
        )
        if any(values)
    ]
    heights = sorted(a + b for a, b in zip(histogram.kept, histogram.dropped, strict=True) if a + b)
    steep = heights and heights[-1] > _STEEP * heights[len(heights) // 2]
    scale = {"type": "log", "dtick": 1} if steep else {"rangemode": "tozero", "nticks": 4}
    layout = {
        # on a logarithmic scale bars on top of each other would lie
        "barmode": "overlay" if steep else "stack",
        "xaxis": axis("score", nticks=6, gridcolor="rgba(0,0,0,0)"),
        "yaxis": axis("documents" + (", log scale" if steep else ""), tickformat="~s", **scale),
        "shapes": [
            {
                "type": "line",
                "x0": threshold,
                "x1": threshold,
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "line": {"color": "var(--ink)", "width": 1.5, "dash": "dash"},
            }
            for threshold in histogram.thresholds
        ],
    }
    return figure(data, 210, layout)


def _all(histograms: list[Histogram]) -> Section:
    rows = [
        (
            histogram.stage,
            ", ".join(histogram.reasons),
            ", ".join(map(score, histogram.thresholds)) or "—",
            count(sum(histogram.kept) or None),
            count(sum(histogram.dropped)),
        )
        for histogram in histograms
    ]
    headers = ("stage", "score", "threshold", "kept", "dropped")
    return Section("Thresholds", headers, rows, words=2)
