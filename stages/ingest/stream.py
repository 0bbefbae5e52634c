"""Reading a file, decompressed by its name, up to where it is damaged."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard

from stages.closing import Closing

BLOCK = 1 << 20
_ZSTD_INPUT = 1 << 14
_GZIP_MAGIC = b"\x1f\x8b\x08"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
_ZSTD_WINDOW = 1 << 31
_ZLIB_NO_MEMORY = "Error -4 "
"""How Python words zlib's Z_MEM_ERROR."""
_ZSTD_NO_MEMORY = "not enough memory"
"""Part of zstd's own name for its error 64."""


@dataclass(frozen=True)
class Damage:
    """Why a stream ended before its file did: a reason for the counts, and detail for a person."""

    reason: str
    detail: str


class _DamagedError(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.damage = Damage(reason, detail)


class ByteStream(Closing):
    """The bytes of a file, decompressed when its name ends in ``.gz`` or ``.zst``.

    ``read`` never raises for damage: it returns all bytes before it, then ``b""``, and ``damage``
    says what was wrong (``truncated_gzip``, ``corrupt_gzip``, ``not_gzip``, and the same for
    zstd). It does raise OSError when the file cannot be read and MemoryError when it cannot be
    decompressed for lack of memory: neither says anything about the file's content. Memory is
    bounded by the block size, whatever a compressed block unpacks to.
    ``position`` counts the bytes read so far, decompressed.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.name = name.lower()
        self.damage: Damage | None = None
        self.position = 0
        self._file: BinaryIO = path.open("rb")
        self._member = 0
        self._pending = memoryview(b"")
        self._kept: deque[bytes] | None = None
        self._kept_from = 0
        if self.name.endswith(".gz"):
            self._blocks = _gunzip(self, self._file)
        elif self.name.endswith(".zst"):
            self._blocks = _unzstd(self._file)
        else:
            self._blocks = iter(lambda: self._file.read(BLOCK), b"")

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def read(self, size: int = BLOCK) -> bytes:
        """Up to ``size`` bytes (a negative size means one block); ``b""`` at the end or damage."""
        while not self._pending:
            try:
                self._pending = memoryview(next(self._blocks))
            except StopIteration:
                return b""
            except _DamagedError as error:
                self.damage = error.damage
                return b""
        if size < 0:
            size = len(self._pending)
        block = bytes(self._pending[:size])
        self._pending = self._pending[size:]
        self.position += len(block)
        if self._kept is not None:
            self._kept.append(block)
        return block

    def tell(self) -> int:
        """``position``, for readers that ask a stream for it."""
        return self.position

    def keep_from(self, position: int) -> None:
        """Remembers what is read from ``position`` on (at most this far back), for ``back_to``."""
        if self._kept is None:
            self._kept = deque()
            self._kept_from = self.position
        while self._kept and self._kept_from + len(self._kept[0]) <= position:
            self._kept_from += len(self._kept.popleft())

    def back_to(self, position: int) -> None:
        """Makes the bytes from ``position`` on, which must be kept, the next to be read."""
        kept = b"".join(self._kept or ())
        self._pending = memoryview(kept[position - self._kept_from :] + bytes(self._pending))
        self._kept = deque()
        self._kept_from = self.position = position

    def read_up_to(self, limit: int) -> bytes:
        """All that is left, or ``limit`` bytes when there is more."""
        blocks, left = [], limit
        while left and (block := self.read(left)):
            blocks.append(block)
            left -= len(block)
        return b"".join(blocks)

    def resume(self, start: bytes) -> bool:
        """After damage to a gzip file: goes on at the next member whose content begins with
        ``start``. Returns False when there is none; the damage then stays."""
        if self.damage is None or not self.name.endswith(".gz"):
            return False
        offset = self._member + 1
        while (offset := _find(self._file, _GZIP_MAGIC, offset)) >= 0:
            self._file.seek(offset)
            try:
                trial = zlib.decompressobj(31).decompress(self._file.read(1 << 12), len(start))
            except zlib.error:
                trial = b""
            if trial == start:
                self._file.seek(offset)
                self._member = offset
                self._blocks = _gunzip(self, self._file)
                self._kept = None
                self.damage = None
                return True
            offset += 1
        return False


def _gunzip(stream: ByteStream, file: BinaryIO) -> Iterator[bytes]:
    """Blocks of a gzip file of one or many members."""
    data = file.read(BLOCK)
    if not data:
        raise _DamagedError("truncated_gzip", "the file is empty; a gzip file never is")
    if not data.startswith(_GZIP_MAGIC) and not _GZIP_MAGIC.startswith(data):
        raise _DamagedError("not_gzip", "the file is named .gz but does not begin like gzip")
    while data:
        stream._member = file.tell() - len(data)
        member = zlib.decompressobj(31)
        while not member.eof:
            try:
                block = member.decompress(data, BLOCK)
            except zlib.error as error:
                if str(error).startswith(_ZLIB_NO_MEMORY):
                    raise MemoryError(str(error)) from None
                raise _DamagedError("corrupt_gzip", str(error)) from None
            if block:
                yield block
            if not member.eof:
                data = member.unconsumed_tail or (b"" if block else file.read(BLOCK))
                if not data and not block:
                    raise _DamagedError(
                        "truncated_gzip", "the file ends in the middle of compressed data"
                    )
        data = member.unused_data or file.read(BLOCK)
        if data and not data.strip(b"\0"):
            data = b""


def _unzstd(file: BinaryIO) -> Iterator[bytes]:
    """Blocks of a zstd file of one or many frames."""
    data = file.read(_ZSTD_INPUT)
    if not data:
        raise _DamagedError("truncated_zstd", "the file is empty; a zstd file never is")
    known = data.startswith(_ZSTD_MAGIC) or data[1:4] == _ZSTD_SKIPPABLE
    if not known and not _ZSTD_MAGIC.startswith(data):
        raise _DamagedError("not_zstd", "the file is named .zst but does not begin like zstd")
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    while data:
        frame = decompressor.decompressobj()
        while not frame.eof:
            try:
                block = frame.decompress(data)
            except zstandard.ZstdError as error:
                if _ZSTD_NO_MEMORY in str(error):
                    raise MemoryError(str(error)) from None
                raise _DamagedError("corrupt_zstd", str(error)) from None
            if block:
                yield block
            if not frame.eof:
                data = file.read(_ZSTD_INPUT)
                if not data:
                    raise _DamagedError(
                        "truncated_zstd", "the file ends in the middle of compressed data"
                    )
        data = frame.unused_data or file.read(_ZSTD_INPUT)


def _find(file: BinaryIO, pattern: bytes, offset: int) -> int:
    """The first place of ``pattern`` in the file at or after ``offset``, or -1."""
    file.seek(offset)
    kept = b""
    while block := file.read(BLOCK):
        window = kept + block
        place = window.find(pattern)
        if place >= 0:
            return file.tell() - len(window) + place
        kept = window[-len(pattern) + 1 :]
    return -1
