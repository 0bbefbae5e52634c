"""How the page writes numbers."""

from __future__ import annotations

NONE = "—"


def count(number: int | None) -> str:
    """A whole number with separators of thousands."""
    return NONE if number is None else f"{number:,}"


def megabytes(n_bytes: int | None) -> str:
    """Bytes in MB (10^6); so few that one digit would say nothing have three."""
    if n_bytes is None:
        return NONE
    return f"{n_bytes / 1e6:,.{3 if 0 < n_bytes < 1e5 else 1}f}"


def percent(part: float, whole: float = 1.0, digits: int = 1) -> str:
    """A share; of nothing there is none."""
    return NONE if not whole else f"{100 * part / whole:,.{digits}f} %"


def score(value: float | None) -> str:
    """A score or a threshold with at most six digits."""
    return NONE if value is None else f"{value:,.6g}"
