"""What chance leaves open of a share that was counted."""

from __future__ import annotations


def interval(share: float, total: int) -> tuple[float, float]:
    """The 95 % interval of a share of ``total`` cases (Wilson 1927); of no case that of one."""
    z = 1.96
    n = max(1, total)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)
