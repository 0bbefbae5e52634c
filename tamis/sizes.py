"""How numbers of bytes are told: in the unit that suits them, of 1000 each."""

from __future__ import annotations

from typing import NamedTuple


class Unit(NamedTuple):
    """A unit of bytes."""

    name: str
    bytes: int

    def of(self, n_bytes: int) -> str:
        """So many bytes in this unit, without its name, with a digit after the point."""
        return f"{n_bytes / self.bytes:,.1f}"


_UNITS = (Unit("GB", 10**9), Unit("MB", 10**6), Unit("kB", 10**3))


def unit_for(n_bytes: int) -> Unit:
    """The largest unit of which there are ten, so that a hundredth is no zero; kB for fewer."""
    return next((unit for unit in _UNITS if n_bytes >= 10 * unit.bytes), _UNITS[-1])


def size(n_bytes: int) -> str:
    """Bytes in the largest unit of which there is one, with its name."""
    unit = next((unit for unit in _UNITS if n_bytes >= unit.bytes), None)
    return f"{n_bytes} bytes" if unit is None else f"{unit.of(n_bytes)} {unit.name}"
