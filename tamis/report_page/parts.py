"""What a page is made of: panels with charts, each beside the same numbers as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tamis.tables import Section

Figure = dict[str, Any]
"""A figure as plotly.js takes it: ``data`` and ``layout``. Colours may name the page's own, such as
``var(--accent)``; they are filled in for light and dark when it is drawn."""


@dataclass(frozen=True)
class Chart:
    """A chart. ``figures`` are its views by name (one has no switch); ``narrow`` is drawn in place
    of all views where the page is no wider than a phone. ``label`` says in words what it shows, for
    those who do not see it, and ``table`` has its numbers. ``above`` stands over the title."""

    id: str
    title: str
    label: str
    figures: Mapping[str, Figure]
    table: Section
    narrow: Figure | None = None
    above: str = ""


@dataclass(frozen=True)
class Panel:
    """A section of the page. ``small`` charts stand side by side. ``body`` is the template of what
    is neither chart nor table, ``content`` what it shows."""

    id: str
    title: str
    lead: str = ""
    charts: Sequence[Chart] = ()
    small: bool = False
    tables: Sequence[Section] = ()
    body: str | None = None
    content: Any = None


@dataclass(frozen=True)
class Headline:
    """A number of the strip on top: its name, the number, and what it means."""

    name: str
    number: str
    note: str


@dataclass(frozen=True)
class Page:
    """The whole page, in order."""

    name: str
    description: str
    fingerprint: str
    version: str
    headlines: Sequence[Headline]
    warnings: Sequence[str]
    panels: Sequence[Panel]
