"""How the page writes numbers."""

from __future__ import annotations

NONE = "—"


def count(number: int | None) -> str:
    """A whole number with separators of thousands."""
    return NONE if number is None else f"{number:,}"


def megabytes(size: int | None) -> str:
    """Bytes in MB (10^6)."""
    return NONE if size is None else f"{size / 1e6:,.1f}"


def percent(part: float, whole: float = 1.0) -> str:
    """A share; of nothing there is none."""
    return NONE if not whole else f"{100 * part / whole:,.1f} %"


def score(value: float | None) -> str:
    """A score or a threshold with at most six digits."""
    return NONE if value is None else f"{value:,.6g}"
