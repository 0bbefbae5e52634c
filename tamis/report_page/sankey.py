"""The Sankey diagram of a flow: sources on the left, stages in a row, what is kept on the right.

Nodes are placed here, not by the library: the stream that is kept runs along the top, and what a
stage drops falls out of it. Stages that drop nothing are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from manifests.effects import Amount
from manifests.report.flow import Flow
from tamis.report_page.figures import DROPPED, KEPT, figure, label
from tamis.report_page.numbers import count, megabytes
from tamis.report_page.parts import Figure

_HEIGHT = 470
_FILLED = 0.72
"""Part of the height that nodes of a full column fill; the rest are gaps."""
_ENDS = 9
"""Groups shown one by one on the right, and sources on the left; the rest are added up."""
_LEFT, _RIGHT = 0.12, 0.88
"""Where the first stage and the end of the last stand, as parts of the width."""
_STAGGER = (0.0, 0.11, 0.22)
"""What neighbouring stages drop stands at different depths, so that labels have room."""


@dataclass(frozen=True)
class Unit:
    """What a flow is measured in: the field of an amount, and how it is written."""

    name: str
    field: str
    write: Callable[[int], str]

    def size(self, amount: Amount) -> int:
        """The amount in this unit; nothing where it is not known."""
        return int(getattr(amount, self.field) or 0)

    def told(self, size: int) -> str:
        """A size with its unit."""
        return f"{self.write(size)} {self.name}"


UNITS = (
    Unit("documents", "documents", count),
    Unit("MB of text", "bytes", megabytes),
    Unit("tokens", "tokens", count),
)
"""Tokens begin at the stage that follows their counting."""


@dataclass
class _Nodes:
    """Nodes and links as plotly.js takes them."""

    labels: list[str] = field(default_factory=list)
    hovers: list[str] = field(default_factory=list)
    colours: list[str] = field(default_factory=list)
    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    links: list[tuple[int, int, int, str, str]] = field(default_factory=list)

    def add(self, name: str, hover: str, colour: str, x: float, y: float) -> int:
        """A node with its middle at ``y`` (0 is the top); its number."""
        self.labels.append(label(name))
        self.hovers.append(hover)
        self.colours.append(colour)
        # plotly.js takes 0 and 1 for "not given"
        self.x.append(round(min(max(x, 0.001), 0.999), 4))
        self.y.append(round(min(max(y, 0.001), 0.999), 4))
        return len(self.labels) - 1

    def link(self, source: int, target: int, value: int, colour: str, hover: str) -> None:
        """A link between two nodes; none where nothing flows."""
        if value:
            self.links.append((source, target, value, colour, hover))


def sankey(flow: Flow, unit: Unit) -> Figure:
    """The diagram of a flow in one unit."""
    sources = _ends({name: unit.size(amount) for name, amount in flow.sources.items()})
    groups = _ends({name: unit.size(amount) for name, amount in flow.kept.items()})
    total = max(1, sum(size for _, size in sources))
    stages = [
        (step.stage, unit.size(step.came), unit.size(step.kept))
        for step in flow.steps
        if unit.size(step.came) > unit.size(step.kept)
    ]
    stream = [*stages, ("kept", sum(size for _, size in groups), 0)]
    width = (_RIGHT - _LEFT) / max(1, len(stages))
    nodes = _Nodes()
    middles = [
        nodes.add(
            "",  # a column is too narrow for a name: they stand above
            f"{label(name)}: {unit.told(came)}",
            KEPT,
            _LEFT + number * width,
            _FILLED * came / total / 2,
        )
        for number, (name, came, _) in enumerate(stream)
    ]
    names = [
        _name(label(name), _LEFT + number * width, number)
        for number, (name, _, _) in enumerate(stream)
    ]
    _place_ends(nodes, sources, total, 0.0, middles[0], unit)
    for number, (name, came, kept) in enumerate(stages):
        dropped = came - kept
        told = f"{label(name)} drops {unit.told(dropped)}"
        x = _LEFT + (number + 0.55) * width
        height = _FILLED * dropped / total
        y = _FILLED * came / total + 0.1 + _STAGGER[number % len(_STAGGER)] + height / 2
        y = min(y, 1 - height / 2)
        lost = nodes.add(f"−{unit.write(dropped)}", told, DROPPED, x, y)
        rest = f"{unit.told(kept)} kept"
        nodes.link(middles[number], middles[number + 1], kept, "var(--flow)", rest)
        nodes.link(middles[number], lost, dropped, "var(--flow-lost)", told)
    _place_ends(nodes, groups, total, 1.0, middles[-1], unit)
    columns = [
        (len(sources), total),
        *((2, came) for _, came, _ in stages),
        (len(groups), stream[-1][1]),
    ]
    pad = _pad([(number, size / total) for number, size in columns if number > 1])
    return figure([_trace(nodes, pad)], _HEIGHT, {"margin": _MARGIN, "annotations": names})


_MARGIN = {"l": 4, "r": 4, "t": 44, "b": 8}


def _name(text: str, x: float, number: int) -> dict[str, Any]:
    """A stage's name above its node; neighbours stand at two heights, so that both have room."""
    return {
        "text": text,
        "x": round(x, 4),
        "y": 1,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "center",
        "yanchor": "bottom",
        "yshift": 4 + 17 * (number % 2),
        "showarrow": False,
    }


def _pad(columns: Sequence[tuple[int, float]]) -> float:
    """The gap between nodes, in pixels, with which plotly.js draws them at our scale: as large as
    the fullest column leaves room for. ``columns``: nodes and their part of the whole."""
    room = _HEIGHT - _MARGIN["t"] - _MARGIN["b"]
    gaps = [(1 - _FILLED * part) * room / (number - 1) for number, part in columns]
    return round(min(gaps, default=0.0), 2)


def _trace(nodes: _Nodes, pad: float) -> dict[str, Any]:
    sources, targets, values, colours, hovers = zip(*nodes.links, strict=True)
    return {
        "type": "sankey",
        "arrangement": "fixed",
        "node": {
            "label": nodes.labels,
            "customdata": nodes.hovers,
            "hovertemplate": "%{customdata}<extra></extra>",
            "color": nodes.colours,
            "x": nodes.x,
            "y": nodes.y,
            "pad": pad,
            "thickness": 10,
            # what is dropped is in a column with the next stage, and below it
            "align": "left",
            "line": {"width": 0},
        },
        "link": {
            "source": sources,
            "target": targets,
            "value": values,
            "color": colours,
            "customdata": hovers,
            "hovertemplate": "%{customdata}<extra></extra>",
        },
    }


def _ends(amounts: dict[str, int]) -> list[tuple[str, int]]:
    """The largest amounts, and the sum of the rest."""
    ordered = sorted(amounts.items(), key=lambda item: (-item[1], item[0]))
    ordered = [item for item in ordered if item[1]]
    if len(ordered) <= _ENDS:
        return ordered
    rest = ordered[_ENDS - 1 :]
    return [*ordered[: _ENDS - 1], (f"{len(rest)} more", sum(value for _, value in rest))]


def _place_ends(
    nodes: _Nodes, ends: Sequence[tuple[str, int]], total: int, x: float, middle: int, unit: Unit
) -> None:
    """A column of nodes at the left or the right end, linked with the stream's node there."""
    filled = _FILLED * sum(size for _, size in ends) / total
    gap = (1 - max(filled, _FILLED)) / max(1, len(ends) - 1)
    top = 0.0
    for name, size in ends:
        height = _FILLED * size / total
        told = f"{label(name)}: {unit.told(size)}"
        end = nodes.add(name, told, KEPT, x, top + height / 2)
        source, target = (middle, end) if x else (end, middle)
        nodes.link(source, target, size, "var(--flow)", told)
        top += height + gap
