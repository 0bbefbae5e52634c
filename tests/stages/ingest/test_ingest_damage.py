"""Damaged input: everything before the damage is kept, the damage is counted and shown."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LINES = [json.dumps({"text": f"line {n} " + "abcdefgh" * (n % 7)}) for n in range(1, 2001)]
ZSTD = zstandard.ZstdCompressor(write_checksum=True)
NOISE = random.Random(0).randbytes(200_000).hex()


def line_texts(count: int) -> list[str]:
    return [json.loads(line)["text"] for line in LINES[:count]]


def compressed(data: bytes, kind: str) -> bytes:
    return gzip.compress(data) if kind == "gzip" else ZSTD.compress(data)


@pytest.mark.parametrize(("kind", "suffix"), [("gzip", ".gz"), ("zstd", ".zst")])
class TestCompressed:
    def test_truncated(self, raw: Path, ingest: Any, kind: str, suffix: str) -> None:
        rng = random.Random(0)
        records = [{"text": rng.randbytes(200).hex()} for _ in range(5000)]
        data = compressed("".join(json.dumps(r) + "\n" for r in records).encode(), kind)
        (raw / f"a.jsonl{suffix}").write_bytes(data[: len(data) // 2])
        found = ingest()
        texts = [record["text"] for record in records]
        kept = len(found.texts)
        assert 0 < kept < 5000
        assert found.texts == texts[:kept]
        assert found.reasons == [f"truncated_{kind}"]
        entry = found.quarantine[0]
        assert entry["locator"] == f"a.jsonl{suffix}#{kept + 1}"
        assert json.dumps(records[kept]).startswith(entry["excerpt"])

    @pytest.mark.parametrize("cut", [1, 3, 9])
    def test_cut_in_its_last_bytes(
        self, raw: Path, ingest: Any, kind: str, suffix: str, cut: int
    ) -> None:
        data = compressed(("\n".join(LINES) + "\n").encode(), kind)
        (raw / f"a.jsonl{suffix}").write_bytes(data[:-cut])
        found = ingest()
        assert found.reasons == [f"truncated_{kind}"]
        assert found.texts == line_texts(len(found.texts))

    def test_corrupt(self, raw: Path, ingest: Any, kind: str, suffix: str) -> None:
        data = bytearray(compressed(json.dumps({"text": NOISE}).encode() + b"\n", kind) * 3)
        data[len(data) // 2] ^= 0xFF
        data[len(data) // 2 + 1] ^= 0xFF
        (raw / f"a.jsonl{suffix}").write_bytes(bytes(data))
        found = ingest()
        assert found.texts[0] == NOISE
        assert len(found.texts) < 3
        assert found.reasons == [f"corrupt_{kind}"]

    def test_empty(self, raw: Path, ingest: Any, kind: str, suffix: str) -> None:
        (raw / f"a.jsonl{suffix}").write_bytes(b"")
        assert ingest().reasons == [f"truncated_{kind}"]

    def test_not_compressed(self, raw: Path, ingest: Any, kind: str, suffix: str) -> None:
        (raw / f"a.txt{suffix}").write_text("plain text")
        assert ingest().reasons == [f"not_{kind}"]

    def test_a_cut_text_file_is_no_document(
        self, raw: Path, ingest: Any, kind: str, suffix: str
    ) -> None:
        (raw / f"a.txt{suffix}").write_bytes(compressed(NOISE.encode(), kind)[:-5000])
        found = ingest()
        assert found.texts == []
        assert found.reasons == [f"truncated_{kind}"]
        assert NOISE.startswith(found.quarantine[0]["excerpt"])


BAD_LINES = {
    b'{"text": "cut sho': "broken_json",
    b"not json": "broken_json",
    b"[" * 100_000: "broken_json",
    b'{"text": "a", "n": ' + b"9" * 5000 + b"}": "broken_json",
    b'["text"]': "not_an_object",
    b"null": "not_an_object",
    b'{"body": "x"}': "missing_text",
    b'{"text": null}': "missing_text",
    b'{"text": 5}': "text_not_a_string",
    b'{"text": ["a"]}': "text_not_a_string",
    b'{"text": "\xff\xfe"}': "invalid_utf8",
    b'{"text": "a\\u0000b"}': "nul_bytes",
    b'{"text": "a\0b"}': "broken_json",
    b'{"text": "\\ud800"}': "lone_surrogate",
}


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.items())
def test_a_bad_line_costs_only_itself(raw: Path, ingest: Any, line: bytes, reason: str) -> None:
    (raw / "a.jsonl").write_bytes(b'{"text": "before"}\n' + line + b'\n{"text": "after"}\n')
    found = ingest()
    assert found.texts == ["before", "after"]
    assert found.locators == ["a.jsonl#1", "a.jsonl#3"]
    (entry,) = found.quarantine
    assert (entry["reason"], entry["locator"]) == (reason, "a.jsonl#2")
    assert entry["detail"]
    assert entry["excerpt"]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines=st.lists(st.sampled_from(["good", "blank", "empty", "long", *BAD_LINES.values()])))
def test_records_are_conserved(raw: Path, ingest: Any, lines: list[str]) -> None:
    bad = {reason: line for line, reason in reversed(BAD_LINES.items())}
    special = {
        "good": b'{"text": "good"}',
        "blank": b" ",
        "empty": b'{"text": " \\n"}',
        "long": b'{"text": "%s"}' % (b"a" * 101),
    }
    (raw / "a.jsonl").write_bytes(b"\n".join({**bad, **special}[line] for line in lines))
    found = ingest(config={"max_document_bytes": 100})
    counted = {
        "good": len(found.texts),
        "empty": found.counts["skipped"].get("empty_text", 0),
        "long": found.counts["skipped"].get("too_long", 0),
    }
    too_long_unread = [r for r in bad if len(bad[r]) > 800]
    for word in ("good", "empty"):
        assert counted[word] == lines.count(word)
    assert counted["long"] == lines.count("long") + sum(map(lines.count, too_long_unread))
    for reason in bad:
        expected = 0 if reason in too_long_unread else lines.count(reason)
        assert found.counts["quarantined"].get(reason, 0) == expected
    assert found.counts["records"] == len(lines) - lines.count("blank")


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_too_long_to_read_is_skipped(raw: Path, ingest: Any, end: bytes) -> None:
    long = b'{"text": "%s"}' % (b"a" * 3_000_000)
    (raw / "a.jsonl").write_bytes(b'{"text":"x"}\n' + long + b'\n{"text":"y"}\n' + long + end)
    found = ingest(config={"max_document_bytes": 100})
    assert found.locators == ["a.jsonl#1", "a.jsonl#3"]
    assert found.counts["skipped"] == {"too_long": 2}
    assert found.skipped == [
        {"reason": "too_long", "locator": "a.jsonl#2"},
        {"reason": "too_long", "locator": "a.jsonl#4"},
    ]
    assert found.counts["record_bytes"] == 24 + 2 * len(long)


@pytest.mark.parametrize(
    ("data", "encoding", "reason"),
    [
        (b"abc\xff", "utf-8", "invalid_utf8"),
        (b"abc\x81", "cp1252", "invalid_charmap"),
        (b"abc\xe9", "ascii", "invalid_ascii"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "utf-8", "nul_bytes"),
        (b"abc\0def", "utf-8", "nul_bytes"),
    ],
)
def test_text_that_is_none(raw: Path, ingest: Any, data: bytes, encoding: str, reason: str) -> None:
    (raw / "a.txt").write_bytes(data)
    (raw / "b.txt").write_bytes(b"good")
    found = ingest(encoding=encoding)
    assert found.texts == ["good"]
    assert found.reasons == [reason]
    assert found.quarantine[0]["locator"] == "a.txt"


def test_a_long_text_file_is_skipped(raw: Path, ingest: Any) -> None:
    (raw / "a.txt").write_bytes(b"a" * 101)
    (raw / "b.txt").write_bytes(b"a" * 801)
    (raw / "c.txt").write_bytes(b"a" * 100)
    found = ingest(config={"max_document_bytes": 100})
    assert found.locators == ["c.txt"]
    assert [entry["locator"] for entry in found.skipped] == ["a.txt", "b.txt"]
    assert found.counts["skipped"] == {"too_long": 2}


@pytest.mark.parametrize("cut", [0, 3, 10, -1, -8, -200])
def test_parquet_without_footer(raw: Path, ingest: Any, cut: int) -> None:
    path = raw / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b"] * 500}), path)
    path.write_bytes(path.read_bytes()[:cut])
    (raw / "b.txt").write_text("next")
    found = ingest()
    assert found.texts == ["next"]
    assert found.reasons == ["parquet_footer"]
    assert found.quarantine[0]["locator"] == "a.parquet"


def test_a_damaged_row_group_costs_only_itself(raw: Path, ingest: Any) -> None:
    texts = [f"{n} {NOISE[n * 50 : n * 50 + 300]}" for n in range(3000)]
    path = raw / "a.parquet"
    table = pa.table({"text": texts})
    pq.write_table(table, path, row_group_size=1000, compression="zstd", use_dictionary=False)
    column = pq.read_metadata(path).row_group(1).column(0)
    data = bytearray(path.read_bytes())
    middle = column.data_page_offset + column.total_compressed_size // 2
    data[middle : middle + 64] = bytes(64)
    path.write_bytes(bytes(data))
    found = ingest()
    assert found.reasons == ["parquet_row_group"]
    assert "row group 1" in found.quarantine[0]["detail"]
    assert found.texts[:1000] == texts[:1000]
    assert found.texts[-1000:] == texts[2000:]
    assert found.quarantine[0]["rows"] == 3000 - len(found.texts) > 0
    assert found.counts["records"] == 3000
    assert found.locators[-1] == "a.parquet#2999"


def test_a_parquet_row_of_invalid_utf8_costs_only_itself(raw: Path, ingest: Any) -> None:
    data = pa.array([b"good", b"\xff\xfe", b"fine"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, data.buffers())
    pq.write_table(pa.table({"text": text}), raw / "a.parquet")
    found = ingest()
    assert found.texts == ["good", "fine"]
    assert found.locators == ["a.parquet#0", "a.parquet#2"]
    assert found.reasons == ["invalid_utf8"]
