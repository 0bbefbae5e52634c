"""Columns and words that documents and ledgers are made of. Everything else imports them.

A stage's ledger for one part of the documents is up to two Parquet files with the same rows in
the same order as that part: ``annotations.parquet`` (what the stage measured; costly) and
``verdicts.parquet`` (what was decided from it; a scan of small columns). They are apart so that a
changed threshold rewrites only the second.
"""

from typing import Any

import pyarrow as pa

Json = Any
"""A value that JSON can hold."""

KEEP = "keep"
"""The verdict of a stage on a document that it lets pass; any other word is a reason to drop."""

ID = pa.binary(16)
"""A document's identity: 128-bit hash of source name and locator."""

DOCUMENTS = pa.schema(
    [
        pa.field("id", ID, nullable=False),
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("source", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("locator", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("timestamp", pa.string()),
        pa.field("license", pa.string()),
        pa.field("metadata", pa.string()),
    ]
)
"""A part of the documents. ``text`` is UTF-8 in NFC; ``metadata`` is a JSON object or null."""

VERDICTS = pa.schema(
    [
        pa.field("id", ID, nullable=False),
        pa.field("verdict", pa.dictionary(pa.int32(), pa.string())),
        pa.field("score", pa.float64()),
        pa.field("threshold", pa.float64()),
    ]
)
"""A stage's verdicts on a part; ``verdict`` is null where an earlier stage dropped the document."""

CUT = pa.struct(
    [
        pa.field("start", pa.int32()),
        pa.field("end", pa.int32()),
        pa.field("reason", pa.string()),
    ]
)
"""A span of a kept document that a stage wants out: UTF-8 bytes of its text, on character borders.
No text is rewritten: cuts are taken out once, when tokens are made."""

CUTS = pa.list_(CUT)
"""A document's cuts by one stage: sorted, disjoint, non-empty; null where there are none."""

VERDICTS_AND_CUTS = VERDICTS.append(pa.field("cuts", CUTS))
"""Verdicts of a stage that cuts."""

EMPTY_AFTER_CUTS = "empty_after_cuts"
"""Verdict on a document of which cuts would leave nothing but white space."""

ROLE = b"tamis.role"
"""Key in an annotation field's metadata that says how ``explain`` shows it: see ``ROLE_*``."""

ROLE_DOCUMENT = b"document"
"""The annotation is the id of another document (a survivor, a witness)."""

SURVIVOR = "survivor"
"""The annotation of a deduplication that holds the document kept in place of this one; null for
what it keeps."""

ROLE_MATCHES = b"matches"
"""A list of structs with ``start`` and ``end``: character offsets into the document's text."""

RECEIPT = "receipt.json"
"""Beside every output of a task: its files with sizes and checksums. Written last."""
