"""Names of ledgers, packed: what is asked of them is what was added."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger_names import ByPart, LedgerNames

FINGERPRINTS = st.binary(min_size=16, max_size=16).map(bytes.hex)
STAGES = ("kind", "synthetic/strict", "last")


@given(st.lists(st.tuples(*(FINGERPRINTS for _ in STAGES)), min_size=1, max_size=9))
def test_names_are_those_that_were_added(rows: list[tuple[str, ...]]) -> None:
    names = LedgerNames()
    for place, stage in enumerate(STAGES):
        for row in rows:
            names.add(f"store/{stage}/annotations/{row[place]}")
            if stage != "last":
                names.add(f"store/{stage}/verdicts/{row[place]}")
    for part, row in enumerate(rows):
        told = dict(zip(STAGES, row, strict=True))
        assert names.annotations(part) == {
            stage: f"store/{stage}/annotations/{name}/annotations.parquet"
            for stage, name in told.items()
        }
        assert names.verdicts(part) == [
            f"store/{stage}/verdicts/{told[stage]}/verdicts.parquet" for stage in STAGES[:2]
        ]
    views = ByPart(names.verdicts, len(rows))
    assert list(views) == views[:] == [names.verdicts(part) for part in range(len(rows))]
    assert views[-1] == names.verdicts(len(rows) - 1)
    with pytest.raises(IndexError):
        views[len(rows)]


def test_parts_without_ledgers_have_no_names() -> None:
    names = LedgerNames()
    assert (names.verdicts(3), names.annotations(0)) == ([], {})
