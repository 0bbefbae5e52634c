"""The benchmark of moves knows beforehand what it has to find."""

from pathlib import Path

from benchmarks.ledger_diff import Side, diff, expected, read, write
from manifests.moves import NOT_THERE, find_moves


def test_the_moves_are_those_expected(tmp_path: Path) -> None:
    rows = 20_000
    before = Side("before", range(rows), 3_000, changed=False)
    after = Side("after", range(rows // 10, rows + rows // 10), 2_500, changed=True)
    for side in (before, after):
        write(tmp_path, side)
    wanted = expected(before, after)
    assert diff(tmp_path).moves == wanted
    small = find_moves(read(tmp_path / "before"), read(tmp_path / "after"), bucket=1_000)
    assert {(move.before, move.after): move.documents for move in small} == wanted
    gone = sum(number for (_, fate), number in wanted.items() if fate == NOT_THERE)
    came = sum(number for (fate, _), number in wanted.items() if fate == NOT_THERE)
    assert (gone, came) == (rows // 10, rows // 10)
    assert wanted["kept", "dropped by heuristics: too_short"] > 0
    assert wanted["dropped by near_dedupe: near_duplicate", "kept"] > 0
