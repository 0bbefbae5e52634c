"""Frames on a pipe: a length (u32) and a JSON object."""

from __future__ import annotations

import json
import os
import struct
from typing import Any

LENGTH = struct.Struct("<I")


def pack(content: dict[str, Any]) -> bytes:
    """One frame."""
    body = json.dumps(content, separators=(",", ":")).encode()
    return LENGTH.pack(len(body)) + body


def write(descriptor: int, content: dict[str, Any]) -> None:
    """Writes one frame, however often the pipe takes only a part."""
    rest = memoryview(pack(content))
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def read(descriptor: int) -> dict[str, Any] | None:
    """The next frame, or None at the end."""
    head = _read_exactly(descriptor, LENGTH.size)
    if head is None:
        return None
    body = _read_exactly(descriptor, LENGTH.unpack(head)[0])
    if body is None:
        return None
    content: dict[str, Any] = json.loads(body)
    return content


def _read_exactly(descriptor: int, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        piece = os.read(descriptor, size - len(data))
        if not piece:
            return None
        data += piece
    return data
