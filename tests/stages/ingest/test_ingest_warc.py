"""WARC and WET: which records become documents, and what damage costs."""

import gzip
import json
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastwarc.stream_io import ChunkedWriter
from fastwarc.warc import WarcRecord, WarcRecordType

PAGE = "<html><body><main><p>{}</p></main></body></html>"
OK = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\n{}\r\n"


def record(
    kind: str,
    name: str | None,
    block: bytes,
    content_type: str = "application/http; msgtype=response",
) -> bytes:
    head = ["WARC/1.0", f"WARC-Type: {kind}", f"Content-Type: {content_type}"]
    head += [f"WARC-Record-ID: <{name}>"] if name else []
    head += [f"WARC-Target-URI: http://host/{name}", "WARC-Date: 2024-01-02T03:04:05Z"]
    head += [f"Content-Length: {len(block)}", "", ""]
    return "\r\n".join(head).encode() + block + b"\r\n\r\n"


def response(
    name: str | None, body: bytes, content_type: str = "text/html", headers: str = ""
) -> bytes:
    return record("response", name, OK.format(content_type, headers).encode() + body)


def page(name: str, text: str) -> bytes:
    return response(name, PAGE.format(text).encode())


PAGES = [page(f"urn:{n}", f"Page number {n}, which is here. " * 30) for n in range(8)]


def test_kinds_of_records(raw: Path, ingest: Any) -> None:
    (raw / "a.warc").write_bytes(
        b"".join(
            [
                record("warcinfo", "urn:i", b"software: x\r\n", "application/warc-fields"),
                record("request", "urn:q", b"GET / HTTP/1.1\r\n\r\n", "application/http"),
                page("urn:1", "First."),
                record("metadata", "urn:m", b"a: b\r\n", "application/warc-fields"),
                record("revisit", "urn:v", b"HTTP/1.1 200 OK\r\n\r\n"),
                record("response", "urn:d", b"20240101\n1.2.3.4\n", "text/dns"),
                record("response", "urn:n", b"HTTP/1.1 404 Not Found\r\n\r\nno"),
                response("urn:p", b"\x89PNG\r\n\x1a\n\0\0", "image/png"),
                response("urn:w", b"\x89PNG\r\n\x1a\n\0\0", "text/html"),
                response("urn:t", b"plain", "text/plain"),
                response("urn:e", b"<html><body> </body></html>"),
                response("urn:s", b"<!-- x --> <!DOCTYPE html><main>Sniffed.</main>", ""),
                record("resource", "urn:r", PAGE.format("Kept.").encode(), "text/html"),
                record("conversion", "urn:c", "Conv\u00e9rted.".encode(), "text/plain"),
                record("conversion", "urn:x", b"\xff\xfe", "text/plain"),
            ]
        )
    )
    found = ingest(license="L")
    rows = found.documents.to_pylist()
    assert found.texts == ["First.", "Sniffed.", "Kept.", "Conv\u00e9rted."]
    assert found.locators == [f"a.warc#urn:{name}" for name in "1src"]
    assert rows[0]["url"] == "http://host/urn:1"
    assert {row["timestamp"] for row in rows} == {"2024-01-02T03:04:05Z"}
    assert {row["license"] for row in rows} == {"L"}
    assert found.counts["records"] == 15
    assert found.counts["skipped"] == {
        "warcinfo": 1,
        "warc_request": 1,
        "warc_metadata": 1,
        "warc_revisit": 1,
        "not_http": 1,
        "http_404": 1,
        "not_html": 3,
        "empty_text": 1,
    }
    assert found.counts["quarantined"] == {"invalid_utf8": 1}
    assert [
        (entry["locator"].partition("#urn:")[2], entry["reason"]) for entry in found.skipped
    ] == [
        ("i", "warcinfo"),
        ("q", "warc_request"),
        ("m", "warc_metadata"),
        ("v", "warc_revisit"),
        ("d", "not_http"),
        ("n", "http_404"),
        ("p", "not_html"),
        ("w", "not_html"),
        ("t", "not_html"),
        ("e", "empty_text"),
    ]


def chunked(body: bytes) -> bytes:
    target = BytesIO()
    with ChunkedWriter(target) as writer:
        writer.write(body)
    return target.getvalue()


@pytest.mark.parametrize(
    ("headers", "encode"),
    [
        ("Content-Encoding: gzip\r\n", gzip.compress),
        ("Content-Encoding: gzip\r\n", bytes),
        ("Transfer-Encoding: chunked\r\n", chunked),
        ("Transfer-Encoding: chunked\r\n", bytes),
        (
            "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n",
            lambda body: chunked(gzip.compress(body)),
        ),
    ],
)
def test_http_encodings_are_undone_where_they_are_there(
    raw: Path, ingest: Any, headers: str, encode: Any
) -> None:
    body = encode(PAGE.format("Encoded text. " * 20).encode())
    (raw / "a.warc").write_bytes(response("urn:1", body, headers=headers))
    assert ingest().texts == [("Encoded text. " * 20).strip()]


@pytest.mark.parametrize(
    ("coding", "body"), [("gzip", b"\x1f\x8b\x08 no gzip"), ("exi", b"<html>x")]
)
def test_a_broken_http_encoding(raw: Path, ingest: Any, coding: str, body: bytes) -> None:
    broken = response("urn:1", body, headers=f"Content-Encoding: {coding}\r\n")
    (raw / "a.warc").write_bytes(broken + page("urn:2", "After."))
    found = ingest()
    assert found.texts == ["After."]
    assert found.reasons == ["bad_content_encoding"]
    assert coding in found.quarantine[0]["detail"]


@pytest.mark.parametrize(
    ("encoding", "said", "meta"),
    [
        ("gb2312", "; charset=gb2312", ""),
        ("gb2312", "", '<meta charset="gb2312">'),
        ("windows-1251", "; charset=windows-1251", ""),
        ("utf-8", "; charset=iso-8859-1", ""),
        (
            "shift_jis",
            "",
            '<meta http-equiv="Content-Type" content="text/html; charset=Shift_JIS">',
        ),
        ("iso-2022-jp", "; charset=iso-2022-jp", ""),
    ],
)
def test_charsets(raw: Path, ingest: Any, encoding: str, said: str, meta: str) -> None:
    text = {"gb2312": "\u5e7f\u4e1c\u7701\u4eba\u6c11", "windows-1251": "\u041f\u0440\u0438\u0432"}
    words = " ".join([text.get(encoding, "\u65e5\u672c\u8a9e")] * 20)
    html = f"<html><head>{meta}</head><body><main><p>{words}</p></main></body></html>"
    (raw / "a.warc").write_bytes(response("urn:1", html.encode(encoding), f"text/html{said}"))
    found = ingest()
    assert found.texts == [words]
    assert (found.documents["metadata"].to_pylist() == [None]) == (encoding == "utf-8")


def test_record_ids_that_come_twice_get_their_offset(raw: Path, ingest: Any) -> None:
    first, second = page("urn:1", "One."), page("urn:1", "Two.")
    (raw / "a.warc.gz").write_bytes(gzip.compress(first) + gzip.compress(second))
    assert ingest().locators == ["a.warc.gz#urn:1", f"a.warc.gz#urn:1@{len(first)}"]
    (raw / "a.warc.gz").write_bytes(gzip.compress(response(None, PAGE.format("No.").encode())))
    assert ingest().locators == ["a.warc.gz#@0"]


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_a_file_cut_anywhere_keeps_what_is_before(raw: Path, ingest: Any, name: str) -> None:
    pack = gzip.compress if name.endswith(".gz") else bytes
    packed = [pack(one) for one in PAGES[:3]]
    whole = b"".join(packed)
    ends = [len(packed[0]), len(packed[0]) + len(packed[1]), len(whole)]
    (raw / name).write_bytes(whole)
    texts = ingest().texts
    assert len(texts) == 3
    step = 97 if name == "a.warc" else 11
    for cut in range(1, len(whole), step):
        (raw / name).write_bytes(whole[:cut])
        found = ingest()
        # The four bytes of line ends after a record may be lost without harm.
        slack = 4 if name == "a.warc" else 0
        complete = sum(cut >= end - slack for end in ends)
        assert found.texts[:complete] == texts[:complete]
        assert found.texts == texts[: len(found.texts)]
        at_end = any(end - slack <= cut <= end for end in ends)
        assert len(found.quarantine) == (0 if at_end else 1), cut
        if name == "a.warc.gz" and not at_end:
            assert found.reasons == ["truncated_gzip"]


def test_reading_goes_on_after_a_corrupt_gzip_member(raw: Path, ingest: Any) -> None:
    packed = [bytearray(gzip.compress(one)) for one in PAGES]
    (raw / "a.warc.gz").write_bytes(b"".join(packed))
    texts = ingest().texts
    packed[3][30:60] = bytes(30)
    (raw / "a.warc.gz").write_bytes(b"".join(packed))
    found = ingest()
    assert found.texts == texts[:3] + texts[4:]
    assert found.reasons == ["corrupt_gzip"]


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_reading_goes_on_after_a_bad_header(raw: Path, ingest: Any, name: str) -> None:
    pack = gzip.compress if name.endswith(".gz") else bytes
    pieces = [*PAGES[:2], b"JUNK " * 40_000 + b"\r\n\r\n", *PAGES[2:5], b"MORE\r\n", *PAGES[5:]]
    (raw / name).write_bytes(pack(b"".join(pieces)))
    found = ingest()
    assert found.reasons == ["bad_warc_header"] * 2
    kept = [locator.partition("#urn:")[2] for locator in found.locators]
    assert kept == ["0", "1", "2", "3", "4", "6", "7"]


def test_a_file_that_is_no_warc(raw: Path, ingest: Any) -> None:
    (raw / "a.warc").write_bytes(b"This is a text file.\n" * 1000)
    (raw / "b.warc").write_bytes(b"")
    found = ingest()
    assert found.reasons == ["bad_warc_header"]
    assert found.counts["records"] == 1


def test_large_records_are_skipped_unread(raw: Path, ingest: Any) -> None:
    large = page("urn:1", "Large. " * 500)
    (raw / "a.warc").write_bytes(large + page("urn:2", "Small."))
    found = ingest(config={"max_document_bytes": 100})
    assert found.texts == ["Small."]
    assert found.counts["skipped"] == {"too_long": 1}


def test_records_as_fastwarc_writes_them(raw: Path, ingest: Any) -> None:
    made = WarcRecord()
    made.init_headers(
        WarcRecordType.conversion, record_urn=b"uuid:8a7f8e2e-0000-0000-0000-000000000001"
    )
    made.headers["WARC-Target-URI"] = "http://host/x"
    made.set_bytes_content(b"Converted.")
    target = BytesIO()
    made.write(target)
    (raw / "a.wet").write_bytes(target.getvalue())
    found = ingest()
    assert found.texts == ["Converted."]
    assert found.locators == ["a.wet#urn:uuid:8a7f8e2e-0000-0000-0000-000000000001"]


def test_real_archives(shared_data: Path, raw: Path, ingest: Any) -> None:
    folder = shared_data / "open" / "web" / "warc"
    for path in sorted(folder.iterdir()):
        (raw / path.name).symlink_to(path)
    found = ingest()
    per_file = Counter(locator.partition("#")[0] for locator in found.locators)
    assert per_file == {
        "archive_org_example.warc.gz": 93,
        "cc_sample_resiliparse.warc.gz": 16,
        "whirlwind.warc.gz": 1,
        "whirlwind.warc.wet.gz": 1,
    }
    assert found.counts["quarantined"] == {}
    assert found.counts["records"] == 822 + 50 + 4 + 2
    rows = found.documents.to_pylist()
    assert all(row["url"].startswith("http") for row in rows)
    chinese = [r for r in rows if json.loads(r["metadata"] or "{}").get("charset") == "gbk"]
    assert len(chinese) >= 2
    assert all("\ufffd" not in row["text"][:200] for row in chinese)
