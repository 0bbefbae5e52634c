"""Every format, read whole: fields, locators, normalisation."""

import gzip
import hashlib
import json
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stages.ingest.config import SourceConfig, file_format
from stages.ingest.fields import take
from stages.ingest.write import normalized

RECORDS: list[dict[str, Any]] = [
    {"text": "One.", "url": "http://a/1", "timestamp": "2024-01-01", "license": "MIT"},
    {"text": "Zwei \u00fc", "tags": ["x", "y"], "score": 0.5},
    {"text": "cafe\u0301 \u2126", "meta": {"b": 1, "a": None}},
]


def jsonl(records: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def packed(data: bytes, suffix: str) -> bytes:
    if suffix == ".gz":
        return gzip.compress(data)
    return zstandard.ZstdCompressor().compress(data) if suffix == ".zst" else data


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_jsonl_round_trip(raw: Path, ingest: Any, suffix: str) -> None:
    (raw / f"a.jsonl{suffix}").write_bytes(packed(jsonl(RECORDS), suffix))
    found = ingest(license="CC0-1.0")
    rows = found.documents.to_pylist()
    assert found.texts == ["One.", "Zwei \u00fc", "caf\u00e9 \u03a9"]
    assert found.locators == [f"a.jsonl{suffix}#{line}" for line in (1, 2, 3)]
    assert [row["license"] for row in rows] == ["MIT", "CC0-1.0", "CC0-1.0"]
    assert (rows[0]["url"], rows[0]["timestamp"]) == ("http://a/1", "2024-01-01")
    assert [row["metadata"] for row in rows] == [
        None,
        '{"score":0.5,"tags":["x","y"]}',
        '{"meta":{"a":null,"b":1}}',
    ]
    assert {row["source"] for row in rows} == {"source"}
    digest = hashlib.blake2b(f"source\0a.jsonl{suffix}#1".encode(), digest_size=16).digest()
    assert rows[0]["id"] == digest
    assert found.counts["record_bytes"] == sum(len(json.dumps(r)) for r in RECORDS)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_files_of_many_members_are_read_to_the_end(raw: Path, ingest: Any, suffix: str) -> None:
    pieces = [packed(jsonl([record]), suffix) for record in RECORDS * 50]
    (raw / f"a.jsonl{suffix}").write_bytes(b"".join(pieces))
    assert len(ingest().texts) == 150


def test_fields_are_taken_by_dotted_paths(raw: Path, ingest: Any) -> None:
    record = {"doc": {"body": "Hello.", "lang": "en"}, "at": 1700000000, "a.b": 3, "lic": None}
    (raw / "a.jsonl").write_bytes(jsonl([record, {"doc": {"body": "Alone."}}]))
    found = ingest(text_field="doc.body", timestamp_field="at", license_field="lic", license="X")
    rows = found.documents.to_pylist()
    assert found.texts == ["Hello.", "Alone."]
    assert rows[0]["timestamp"] == "1700000000"
    assert rows[0]["license"] == "X"
    assert rows[0]["metadata"] == '{"a.b":3,"doc":{"lang":"en"}}'
    assert rows[1]["metadata"] is None


def test_take_prefers_the_exact_key() -> None:
    record = {"a.b": 1, "a": {"b": 2}}
    assert take(record, "a.b") == 1
    assert take(record, "a.b") == 2
    assert record == {}
    assert take({"a": 3}, "a.b") is None


def test_an_id_field_makes_locators_that_stay_unique(raw: Path, ingest: Any) -> None:
    records = [{"text": "t", "id": i} for i in ("x", "y", "x", None, 5, "4", "x@3")]
    (raw / "a.jsonl").write_bytes(jsonl(records))
    assert ingest(id_field="id").locators == [
        *("a.jsonl#x", "a.jsonl#y", "a.jsonl#x@3", "a.jsonl#4", "a.jsonl#5", "a.jsonl#4@6"),
        "a.jsonl#x@3@7",
    ]


def test_blank_lines_and_a_byte_order_mark_are_no_records(raw: Path, ingest: Any) -> None:
    (raw / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"text":"a"}\r\n\r\n  \n{"text":"b"}')
    found = ingest()
    assert found.counts["records"] == 2
    assert found.locators == ["a.jsonl#1", "a.jsonl#4"]


def test_numbers_that_json_does_not_know_become_null(raw: Path, ingest: Any) -> None:
    (raw / "a.jsonl").write_bytes(b'{"text":"a","x":NaN,"y":[1e999,-Infinity],"z":"\\ud800"}\n')
    metadata = ingest().documents["metadata"].to_pylist()[0]
    assert json.loads(metadata) == {"x": None, "y": [None, None], "z": "\ud800"}


def test_parquet_round_trip(raw: Path, ingest: Any) -> None:
    when = datetime(2024, 5, 1, 12, tzinfo=UTC)
    table = pa.table(
        {
            "text": pa.array(["One.", None, "cafe\u0301", ""], pa.large_string()),
            "timestamp": pa.array([when, None, when, when], pa.timestamp("us", "UTC")),
            "n": [1, 2, None, 4],
            "nested": [{"lang": "en"}, None, {"lang": None}, None],
        }
    )
    pq.write_table(table, raw / "a.parquet", row_group_size=2)
    found = ingest()
    rows = found.documents.to_pylist()
    assert found.texts == ["One.", "caf\u00e9"]
    assert found.locators == ["a.parquet#0", "a.parquet#2"]
    assert rows[0]["timestamp"] == "2024-05-01T12:00:00+00:00"
    assert rows[0]["metadata"] == '{"n":1,"nested":{"lang":"en"}}'
    assert found.reasons == ["missing_text"]
    assert found.counts["skipped"] == {"empty_text": 1}


def test_parquet_text_may_be_nested_or_binary(raw: Path, ingest: Any) -> None:
    pq.write_table(pa.table({"doc": [{"t": "a"}, {"t": "b"}]}), raw / "a.parquet")
    assert ingest(text_field="doc.t").texts == ["a", "b"]
    pq.write_table(pa.table({"raw": [b"a", b"\xff"]}), raw / "a.parquet")
    found = ingest(text_field="raw")
    assert found.texts == ["a"]
    assert found.reasons == ["invalid_utf8"]


@pytest.mark.parametrize("field", ["text", "doc.body", "doc.t.x"])
def test_a_missing_text_column_is_the_recipes_mistake(raw: Path, ingest: Any, field: str) -> None:
    pq.write_table(pa.table({"content": ["a"], "doc": [{"t": "x"}]}), raw / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet has no column .*content, doc.*text_field"):
        ingest(text_field=field)


def test_text_files_are_one_document_each(raw: Path, ingest: Any) -> None:
    (raw / "sub").mkdir()
    (raw / "b.py").write_bytes(b"\xef\xbb\xbfprint(1)\r\nprint(2)\r")
    (raw / "sub" / "a.txt.gz").write_bytes(gzip.compress("\u00e9\n".encode()))
    (raw / "empty.md").write_bytes(b" \n")
    found = ingest(license="MIT")
    assert dict(zip(found.locators, found.texts, strict=True)) == {
        "b.py": "print(1)\nprint(2)\n",
        "sub/a.txt.gz": "\u00e9\n",
    }
    assert found.counts["skipped"] == {"empty_text": 1}
    assert set(found.documents["license"].to_pylist()) == {"MIT"}


def test_text_files_in_another_encoding(raw: Path, ingest: Any) -> None:
    (raw / "a.txt").write_bytes("\u00bfQu\u00e9?".encode("cp1252"))
    assert ingest(encoding="cp1252").texts == ["\u00bfQu\u00e9?"]


@pytest.mark.parametrize("encoding", ["utf-nine", "hex", "", "utf\0"])
def test_an_unknown_encoding_is_a_fault_of_the_source(encoding: str) -> None:
    with pytest.raises(ValidationError, match=r"no text encoding .* such as utf-8") as caught:
        SourceConfig(name="s", path="x", encoding=encoding)
    assert caught.value.errors()[0]["loc"] == ("encoding",)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "shift_jis", "latin1", "UTF8"])
def test_known_encodings_are_taken(encoding: str) -> None:
    assert SourceConfig(name="s", path="x", encoding=encoding).encoding == encoding


@given(st.text())
def test_normalized_is_nfc_with_newlines(text: str) -> None:
    expected = text.replace("\r\n", "\n").replace("\r", "\n")
    assert normalized(text) == unicodedata.normalize("NFC", expected)
    assert normalized(normalized(text)) == normalized(text)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
    )
)
def test_any_text_survives_any_format(raw: Path, ingest: Any, texts: list[str]) -> None:
    kept = [normalized(text) for text in texts if not text.isspace()]
    records = [{"text": text} for text in texts]
    (raw / "a.jsonl").write_bytes(jsonl(records))
    pq.write_table(pa.table({"text": pa.array(texts, pa.string())}), raw / "b.parquet")
    assert ingest(["a.jsonl"]).texts == kept
    assert ingest(["b.parquet"]).texts == kept


def test_formats_go_by_file_name() -> None:
    auto = SourceConfig(name="s", path="x")
    expected = {
        "a.warc": "warc",
        "a/CC-1.warc.gz": "warc",
        "a.warc.zst": "warc",
        "a.warc.wet.gz": "wet",
        "a.wet": "wet",
        "A.JSONL.GZ": "jsonl",
        "a.ndjson.zst": "jsonl",
        "a.json": "jsonl",
        "a.parquet": "parquet",
        "a.txt.gz": "text",
        "Makefile": "text",
        "warc": "text",
    }
    assert {name: file_format(auto, name) for name in expected} == expected
    assert file_format(SourceConfig(name="s", path="x", format="jsonl"), "a.txt") == "jsonl"
    with pytest.raises(ValueError, match=r"a\.jsonl\.bz2 is compressed as \.bz2.*\.gz or \.zst"):
        file_format(auto, "a.jsonl.bz2")
    with pytest.raises(ValueError, match=r"source s: a\.parquet\.gz is Parquet inside .*exclude"):
        file_format(auto, "a.parquet.gz")
    with pytest.raises(ValueError, match="format"):
        SourceConfig.model_validate({"name": "s", "path": "x", "format": "csv"})
