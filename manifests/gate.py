"""Gates: conditions on a diff under which a check fails, such as ``share(domain=science) < -1pp``.

A condition compares a change (after less before): in percentage points of a share (``pp``), in
percent of what was there before (``%``), or in whole numbers.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from manifests.diff import Diff

_WORDS = re.compile(
    r"\s*(?P<measure>\w+)\s*(?:\(\s*(?P<key>\w+)\s*=\s*(?P<value>[^)]*?)\s*\))?"
    r"\s*(?P<sign><=|>=|<|>)\s*(?P<number>[+-]?\d+(?:\.\d+)?)\s*(?P<unit>pp|%)?\s*"
)
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ALLOWED = (
    "Write MEASURE SIGN NUMBER: documents < -5%, tokens < -1000000, documents(source=web) < -10%,"
    " tokens(language=de) < -10%, share(domain=science) < -1pp, dropped(reason=near_duplicate) >"
    " 20%, dropped(stage=quality) > 1000. Signs: < <= > >=. A change is given in pp (shares alone),"
    " in % of what was there before, or as a whole number."
)


class GateError(ValueError):
    """A condition that cannot be read, or that names what the corpora do not have."""


@dataclass(frozen=True)
class Met:
    """A condition, whether it is met, and the change that was compared (None: nothing to compare,
    as with a percentage of nothing), in its unit: `pp`, `%`, or none for whole numbers."""

    condition: str
    met: bool
    change: float | None
    unit: str = ""

    @property
    def told(self) -> str:
        """The change in words."""
        if self.change is None:
            return "there was nothing"
        return f"{self.change:+,.2f} {self.unit}" if self.unit else f"{self.change:+,.0f}"


def check(diff: Diff, conditions: Sequence[str]) -> list[Met]:
    """Every condition against the diff. Raises GateError saying what is allowed."""
    return [_check(diff, condition) for condition in conditions]


def _check(diff: Diff, condition: str) -> Met:
    found = _WORDS.fullmatch(condition)
    if found is None:
        raise GateError(f"--fail-if `{condition}`: cannot be read. {_ALLOWED}")
    measure, key, value, unit = found["measure"], found["key"], found["value"], found["unit"]
    if (measure == "share") != (unit == "pp"):
        raise GateError(
            f"--fail-if `{condition}`: shares, and they alone, change in pp. {_ALLOWED}"
        )
    before, after = _values(diff, condition, measure, key, value)
    change: float | None = after - before
    if unit == "pp":
        change = 100 * (after - before)
    elif unit == "%":
        change = 100 * (after - before) / before if before else None
        if change is None and after > 0:
            change = float("inf")
    # a change of -1.0000000000000009 points is one of -1
    met = change is not None and _SIGNS[found["sign"]](round(change, 9), float(found["number"]))
    return Met(condition, met, change, unit or "")


def _values(
    diff: Diff, condition: str, measure: str, key: str | None, value: str
) -> tuple[float, float]:
    if measure == "dropped":
        if key not in ("stage", "reason"):
            raise GateError(f"--fail-if `{condition}`: say of which stage or reason. {_ALLOWED}")
        found = [one for one in diff.reasons if getattr(one, key) == value]
        known = {getattr(one, key) for one in diff.reasons}
        if key == "stage":
            known |= {one.stage for one in diff.stages}
        _require(condition, key, value, known)
        return (
            sum(one.documents_before for one in found),
            sum(one.documents_after for one in found),
        )
    if measure not in ("documents", "tokens", "share"):
        raise GateError(f"--fail-if `{condition}`: there is no measure `{measure}`. {_ALLOWED}")
    if key is None:
        if measure == "share":
            raise GateError(f"--fail-if `{condition}`: say of which group. {_ALLOWED}")
        sides = [diff.kept_before, diff.kept_after]
        before, after = ((getattr(side, measure) if side else 0) or 0 for side in sides)
        return before, after
    _require(condition, "dimension", key, {group.dimension for group in diff.groups})
    groups = {group.group: group for group in diff.groups if group.dimension == key}
    _require(condition, key, value, set(groups))
    group = groups[value]
    return (
        getattr(group, f"{measure}_before") or 0,
        getattr(group, f"{measure}_after") or 0,
    )


def _require(condition: str, what: str, name: str, known: set[str]) -> None:
    if name not in known:
        there = ", ".join(sorted(known)) or "none"
        raise GateError(
            f"--fail-if `{condition}`: the corpora have no {what} `{name}`. There are: {there}."
        )
