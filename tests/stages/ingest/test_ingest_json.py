"""JSON lines are read as Python's json reads them: values, and words for what is wrong."""

import json
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stages.ingest.config import SourceConfig
from stages.ingest.jsonl import read_jsonl
from stages.ingest.record import Found, Quarantined

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
AROUND = st.text(" \t\r\ufeff}{x0,", max_size=2)


def read(line: str) -> tuple[dict[str, object], str]:
    """The object of a line, NaN and infinities as null, and Python's words for a fault."""
    try:
        return json.loads(line, parse_constant=lambda constant: None), ""
    except json.JSONDecodeError as error:
        return {}, str(error)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(), VALUES), AROUND, AROUND)
@example({"a": float("nan"), "n": 10**40}, "", "")
@example({}, "\ufeff", "")
@example({"a": 1}, "", " ")
@example({"a": 1}, "", "{}")
def test_a_line_is_what_json_says(
    tmp_path: Path, content: dict[str, object], before: str, after: str
) -> None:
    line = f"{before}{json.dumps({**content, 'text': 'A text.'})}{after}"
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n" + line.encode() + b"\n")  # in the second line a mark of order is damage
    source = SourceConfig(
        name="web", path="", url_field=None, timestamp_field=None, license_field=None
    )
    (outcome,) = read_jsonl(path, "a.jsonl", source, 1 << 20)
    expected, fault = read(line)
    if fault:
        assert isinstance(outcome, Quarantined)
        assert outcome.reason == "broken_json"
        assert outcome.detail.startswith(f"{fault}. ")
    else:
        assert isinstance(outcome, Found)
        assert outcome.text == expected.pop("text")
        assert json.loads(outcome.metadata or "{}") == expected
