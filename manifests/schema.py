"""Columns and words that documents and ledgers are made of. Everything else imports them.

A stage's ledger for one part of the documents is up to two Parquet files with the same rows in
the same order as that part: ``annotations.parquet`` (what the stage measured; costly) and
``verdicts.parquet`` (what was decided from it; a scan of small columns). They are apart so that a
changed threshold rewrites only the second.
"""

import pyarrow as pa

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

ROLE = b"tamis.role"
"""Key in an annotation field's metadata that says how ``explain`` shows it: see ``ROLE_*``."""

ROLE_DOCUMENT = b"document"
"""The annotation is the id of another document (a survivor, a witness)."""

ROLE_MATCHES = b"matches"
"""A list of structs with ``start`` and ``end``: character offsets into the document's text."""

RECEIPT = "receipt.json"
"""Beside every output of a task: its files with sizes and checksums. Written last."""
