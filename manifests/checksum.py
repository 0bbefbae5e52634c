"""Checksums and fingerprints: names for content that do not depend on machine, clock or order."""

import hashlib
import json
from pathlib import Path
from typing import Any, BinaryIO

_READ = 1 << 20


def fingerprint(value: Any) -> str:
    """32 hexadecimal digits (BLAKE2b-128) of a JSON value, in canonical form (sorted keys).

    Raises TypeError when the value holds something that JSON cannot.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def sha256_of(stream: BinaryIO) -> str:
    """SHA-256 of a binary stream, read to its end in pieces."""
    digest = hashlib.sha256()
    while block := stream.read(_READ):
        digest.update(block)
    return digest.hexdigest()


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return sha256_of(stream)
