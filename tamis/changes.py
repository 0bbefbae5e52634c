"""How the tables of a diff and of what-if write changes: before and after, in as few characters as
say it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from manifests.causes import Cause
from tamis.printable import one_line

_SMALL = 100_000
"""Counts below this are written in full."""
_SHORT = 24
"""Characters of a setting that stands behind its name."""


@dataclass(frozen=True)
class Unit:
    """What the numbers of a column are counted in: 1, thousands, millions …"""

    size: int = 1
    name: str = ""

    def told(self, number: int | None) -> str:
        """The number in this unit; one digit behind the point where there is one before it."""
        if number is None:
            return "—"
        if self.size == 1 or number == 0:
            return f"{number:,}"
        return f"{number / self.size:,.{1 if abs(number) < 10 * self.size else 0}f}"

    def header(self, what: str) -> str:
        """The header of a column of such numbers."""
        return f"{what}, {self.name}" if self.name else what


def unit_of(numbers: Iterable[int | None]) -> Unit:
    """The unit in which the largest of these has five digits at most."""
    largest = max((abs(number) for number in numbers if number is not None), default=0)
    for unit in (Unit(), Unit(10**3, "10³"), Unit(10**6, "10⁶"), Unit(10**9, "10⁹")):
        if largest < _SMALL * unit.size:
            return unit
    return Unit(10**12, "10¹²")


def pair(before: int | None, after: int | None, unit: Unit | None = None) -> str:
    """Before and after, or one number where they are the same."""
    unit = unit or Unit()
    if before == after:
        return unit.told(after)
    return f"{unit.told(before)} → {unit.told(after)}"


def change(before: int | None, after: int | None) -> str:
    """Before and after in full, and by how much they differ."""
    told = pair(before, after)
    if before is None or after is None or before == after:
        return told
    return f"{told} ({after - before:+,})"


def difference(before: int | None, after: int | None) -> str:
    """By how much a number changed: in full, and relative to what it was."""
    if before is None or after is None or before == after:
        return ""
    return f"{after - before:+,} ({relative(before, after)})" if before else f"{after - before:+,}"


def shares(before: float | None, after: float | None) -> str:
    """A share of a mixture before and after, in percent, which the header says."""
    told = ["—" if share is None else f"{100 * share:.2f}" for share in (before, after)]
    return f"{told[0]} → {told[1]}"


def points(before: float | None, after: float | None) -> str:
    """By how many percentage points, which the header says, a share changed."""
    return f"{100 * ((after or 0) - (before or 0)):+.2f}"


def relative(before: float | None, after: float | None) -> str:
    """By how much something changed, relative to what it was."""
    if not before:
        return "new" if after else ""
    if not after:
        return "gone"
    return f"{100 * (after / before - 1):+.1f} %"


def value(of: Any, most: int = 100) -> str:
    """A setting as it stands in a recipe; — where it is not there."""
    return "—" if of is None else one_line(str(of), most)


def cause_in_words(cause: Cause) -> str:
    """A cause in a line: `quality: min_prior 0.12 → 0.3`."""
    path, told = cause.path, [value(side) for side in (cause.before, cause.after)]
    name = cause.what
    if len(path) > 2 and path[0] in ("stages", "synthesize", "sources"):
        name = f"{path[1]}: {'.'.join(path[2:])}"
    if path[:1] == ("inputs",) or max(map(len, told)) > _SHORT:
        return name
    return f"{name} {told[0]} → {told[1]}"
