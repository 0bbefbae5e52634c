"""Figures as plotly.js draws them (Plotly, MIT licence), in the colours of the page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from tamis.printable import one_line
from tamis.report_page.parts import Figure

KEPT = "var(--accent)"
DROPPED = "var(--lost)"
BEFORE = "var(--before)"
_LABEL = 28
"""Characters of a name that stand beside a bar."""
_ROW = 26
"""Pixels a bar, with the space around it."""


def label(text: str, most: int = _LABEL) -> str:
    """A name as plotly.js shows it: it would take tags in it for its own."""
    return html.escape(one_line(text, most), quote=False)


def figure(
    data: Sequence[dict[str, Any]], height: int, layout: dict[str, Any] | None = None
) -> Figure:
    """A figure of so many pixels, with what all figures have in common."""
    common: dict[str, Any] = {
        "height": height,
        "margin": {"l": 8, "r": 16, "t": 8, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "var(--ink)", "size": 12, "family": "var(--sans)"},
        "hoverlabel": {"bgcolor": "var(--raised)", "font": {"color": "var(--ink)"}},
        "showlegend": False,
        "barcornerradius": 2,
    }
    return {"data": list(data), "layout": {**common, **(layout or {})}}


def axis(title: str = "", **settings: Any) -> dict[str, Any]:
    """An axis with a quiet grid. ``title`` names the quantity and its unit."""
    return {
        "title": {"text": title, "font": {"size": 12, "color": "var(--muted)"}, "standoff": 8},
        "gridcolor": "var(--line)",
        "zerolinecolor": "var(--line)",
        "linecolor": "var(--line)",
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": "rgba(0,0,0,0)",
        "automargin": True,
        "fixedrange": True,
        **settings,
    }


def bars(
    names: Sequence[str], values: Sequence[int], unit: str, lost: Sequence[int] = ()
) -> Figure:
    """Bars from left to right, one a name, top to bottom; where something is ``lost``, it stands
    behind what is kept."""
    rows = [label(name) for name in names]
    series = [("kept", values, KEPT), ("dropped", lost, DROPPED)] if lost else [("", values, KEPT)]
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": rows,
            "x": list(sizes),
            "marker": {"color": colour},
            "hovertemplate": f"%{{y}}<br>{name} %{{x:,}} {label(unit)}<extra></extra>",
        }
        for name, sizes, colour in series
    ]
    layout = {
        "barmode": "stack",
        "bargap": 0.35,
        "xaxis": axis(unit, rangemode="tozero"),
        "yaxis": axis(autorange="reversed", gridcolor="rgba(0,0,0,0)", type="category"),
        "legend": _LEGEND,
        "showlegend": bool(lost),
        "margin": {"l": 8, "r": 16, "t": 32 if lost else 8, "b": 44},
    }
    return figure(data, 90 + _ROW * len(rows), layout)


_LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}


def dumbbells(
    names: Sequence[str],
    points: Sequence[tuple[str, Sequence[float | None], str, str]],
    unit: str,
    number: str,
    **x_axis: Any,
) -> Figure:
    """A line of points a name. ``points`` are (name, values, colour, symbol); a line joins the
    first with the last."""
    rows = [label(name) for name in names]
    layout = {
        "xaxis": axis(unit, **x_axis),
        "yaxis": axis(type="category", categoryarray=rows[::-1], categoryorder="array"),
        "showlegend": True,
        "legend": _LEGEND,
        "margin": {"l": 8, "r": 16, "t": 32, "b": 44},
    }
    data = [_joining(rows, points[0][1], points[-1][1])]
    data += [
        {
            "type": "scatter",
            "mode": "markers",
            "name": label(name),
            "x": list(values),
            "y": rows,
            "marker": {
                "color": colour,
                "symbol": symbol,
                "size": 10,
                "line": {"width": 2 if symbol.endswith("open") else 0, "color": colour},
            },
            "hovertemplate": f"%{{y}}<br>{label(name)}: %{{x:{number}}}<extra></extra>",
        }
        for name, values, colour, symbol in points
    ]
    return figure(data, 110 + _ROW * len(rows), layout)


def _joining(
    rows: Sequence[str], first: Sequence[float | None], last: Sequence[float | None]
) -> dict[str, Any]:
    """Lines from the first to the last point of every row; None ends a line."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [x for a, b in zip(first, last, strict=True) for x in (a, b, None)],
        "y": [y for row in rows for y in (row, row, None)],
        "line": {"color": "var(--flow)", "width": 5},
        "hoverinfo": "skip",
        "showlegend": False,
    }
