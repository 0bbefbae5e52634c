"""The shard format: tokenized documents in Arrow files, defined here once.

A shard is an Arrow IPC stream, uncompressed, one row a document:

| column    | type                        | meaning                                               |
|-----------|-----------------------------|-------------------------------------------------------|
| `tokens`  | list<uint16> (or <uint32>)  | the document's tokens, without EOS                    |
| `id`      | fixed binary 16             | the document's 128-bit id                             |
| `source`  | string                      | name of its source in the recipe                      |
| `domain`  | string                      | its domain                                            |
| `repeats` | uint16                      | how often it is read in one pass: a plan, not copies  |
| `n_bytes` | uint32                      | UTF-8 bytes of its text, for bits per byte            |

uint16 serves vocabularies of up to 65,536 tokens. The schema's metadata holds
`tamis.shard.version`, `tamis.tokenizer.sha256`, `tamis.vocabulary_size` and `tamis.eos`.

Where the training has phases, `tamis.phases` holds their names (a JSON list) and one more column
`phase_repeats` (fixed_size_list<uint16>) how often the document is read in each; `repeats` is the
sum.

Why the *stream* format and not the *file* format: `datasets.Dataset.from_file` opens only streams
(tried with datasets 5.2), and a stream memory-maps just as well. It opens with
`pyarrow.ipc.open_stream`, `datasets.Dataset.from_file`, `datasets.load_dataset("arrow")` and
`polars.read_ipc_stream`. What a stream lacks is a footer, so a file that was cut between two record
batches would look whole; the reader therefore asks for the end-of-stream marker.

The same rows in the same order give the same bytes, however they were split into batches: the
writer cuts record batches by rules of its own.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

SHARD_VERSION = 1
SHARD_SUFFIX = ".arrow"
LARGEST_UINT16_VOCABULARY = 65_536
# List offsets are int32; 2^27 tokens of 4 bytes are 512 MiB, far from any reader's limit.
MAX_TOKENS_PER_DOCUMENT = 1 << 27
# A record batch is closed before it would pass these. They bound the writer's memory (32 MiB of
# uint16 tokens) and are part of the format: other numbers give other bytes.
TOKENS_PER_BATCH = 1 << 24
ROWS_PER_BATCH = 1 << 16
PHASE_REPEATS = "phase_repeats"
END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


class ShardError(ValueError):
    """A shard is damaged, of another version, or does not fit to its neighbours."""


@dataclass(frozen=True)
class ShardCounts:
    """What :func:`write_shard` wrote: rows, tokens (without repeats and EOS), text bytes."""

    documents: int
    tokens: int
    n_bytes: int


def shard_schema(
    vocabulary_size: int, tokenizer_sha256: str, eos: int, phases: Sequence[str] = ()
) -> pa.Schema:
    """The schema of a shard, metadata included.

    `vocabulary_size` counts all token ids (the largest id + 1), `tokenizer_sha256` is 64 hex
    digits, `eos` is the id that the trainer puts behind every document, `phases` are the names of
    the training's phases, where it has any. Raises ValueError for an impossible combination.
    """
    if not 1 <= vocabulary_size <= 1 << 32:
        raise ValueError(f"vocabulary_size {vocabulary_size} is not between 1 and 2^32")
    if not 0 <= eos < vocabulary_size:
        raise ValueError(f"eos {eos} is no token of a vocabulary of {vocabulary_size}")
    if len(tokenizer_sha256) != 64 or set(tokenizer_sha256) - set("0123456789abcdef"):
        raise ValueError(
            f"tokenizer_sha256 {tokenizer_sha256!r} is not 64 lower-case hexadecimal digits"
        )
    token = pa.uint16() if vocabulary_size <= LARGEST_UINT16_VOCABULARY else pa.uint32()
    columns = [
        ("tokens", pa.list_(token)),
        ("id", pa.binary(16)),
        ("source", pa.string()),
        ("domain", pa.string()),
        ("repeats", pa.uint16()),
        ("n_bytes", pa.uint32()),
    ]
    metadata = {
        "tamis.shard.version": str(SHARD_VERSION),
        "tamis.tokenizer.sha256": tokenizer_sha256,
        "tamis.vocabulary_size": str(vocabulary_size),
        "tamis.eos": str(eos),
    }
    if phases:
        columns.append((PHASE_REPEATS, pa.list_(pa.uint16(), len(phases))))
        metadata["tamis.phases"] = json.dumps(list(phases))
    return pa.schema(columns, metadata=metadata)


def _fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """`batch` with exactly `schema`; raises ShardError where it does not fit."""
    if not batch.schema.equals(schema, check_metadata=False):
        raise ShardError(
            f"a batch with the columns\n{batch.schema.to_string(show_schema_metadata=False)}\n"
            f"does not fit a shard's columns\n{schema.to_string(show_schema_metadata=False)}"
        )
    for name, column in zip(schema.names, batch.columns, strict=True):
        if column.null_count:
            raise ShardError(f"column `{name}` holds {column.null_count} nulls; a shard holds none")
    return pa.RecordBatch.from_arrays(batch.columns, schema=schema)


def _list_bounds(tokens: pa.ListArray) -> npt.NDArray[np.int64]:
    """Bounds of each list inside `tokens.values`: (rows + 1,) int64, slice offsets honoured."""
    if len(tokens) == 0:
        return np.zeros(1, np.int64)
    bounds: npt.NDArray[np.int64] = tokens.offsets.to_numpy().astype(np.int64)
    return bounds


def _check_bytes(lengths: npt.NDArray[np.int64], n_bytes: npt.NDArray[np.int64]) -> None:
    without = int(((lengths > 0) & (n_bytes == 0)).sum())
    if without:
        raise ShardError(f"{without} documents have tokens, but `n_bytes` is 0")


def _check_tokens(values: npt.NDArray[np.unsignedinteger], vocabulary_size: int) -> None:
    largest = int(values.max(initial=0))
    if largest >= vocabulary_size:
        raise ShardError(f"token {largest} lies outside the vocabulary of {vocabulary_size}")


def _cut(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of `batches` in record batches cut by this format's rules alone."""
    vocabulary_size = int(schema.metadata[b"tamis.vocabulary_size"])
    waiting: list[pa.RecordBatch] = []
    rows = tokens = 0

    def joined() -> pa.RecordBatch:
        # A slice is written with more of its buffers than a fresh array of the same rows; the empty
        # array makes concat_arrays copy even where it is given a single one.
        columns = [
            pa.concat_arrays([pa.array([], field.type), *(batch.column(i) for batch in waiting)])
            for i, field in enumerate(schema)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    for given in batches:
        batch = _fitted(given, schema)
        bounds = _list_bounds(batch.column("tokens"))
        values = batch.column("tokens").values.to_numpy()[bounds[0] : bounds[-1]]
        _check_tokens(values, vocabulary_size)
        _check_bytes(np.diff(bounds), batch.column("n_bytes").to_numpy())
        longest = int(np.diff(bounds).max(initial=0))
        if longest > MAX_TOKENS_PER_DOCUMENT:
            raise ShardError(
                f"a document of {longest:,} tokens is longer than {MAX_TOKENS_PER_DOCUMENT:,}; "
                "split it before it is written"
            )
        start = 0
        while start < batch.num_rows:
            room = bounds[start] + TOKENS_PER_BATCH - tokens
            stop = int(np.searchsorted(bounds, room, side="right")) - 1
            stop = min(stop, start + ROWS_PER_BATCH - rows, batch.num_rows)
            if stop <= start and rows == 0:
                stop = start + 1  # longer than a whole batch should be: a batch of its own
            if stop > start:
                waiting.append(batch.slice(start, stop - start))
                rows += stop - start
                tokens += int(bounds[stop] - bounds[start])
                start = stop
            if start < batch.num_rows:
                yield joined()
                waiting, rows, tokens = [], 0, 0
    if waiting:
        yield joined()


def write_shard(
    destination: str | os.PathLike[str] | IO[bytes],
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
) -> ShardCounts:
    """Write one shard; the bytes depend on the rows and their order alone.

    `batches` have the columns of `schema` (from :func:`shard_schema`). A path is written under a
    temporary name beside it and renamed when whole; an open binary file is written as it is.
    Memory: one record batch (about TOKENS_PER_BATCH tokens) plus the batch being read.
    Raises ShardError for rows that do not fit: wrong columns, nulls, tokens outside the vocabulary.
    """
    if isinstance(destination, str | os.PathLike):
        path = Path(destination)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            with partial.open("wb") as file:
                counts = write_shard(file, batches, schema)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return counts
    documents = tokens = n_bytes = 0
    options = pa.ipc.IpcWriteOptions(compression=None)
    with pa.ipc.new_stream(destination, schema, options=options) as writer:
        for batch in _cut(batches, schema):
            writer.write_batch(batch)
            documents += batch.num_rows
            tokens += len(batch.column("tokens").flatten())
            n_bytes += int(batch.column("n_bytes").to_numpy().sum(dtype=np.int64))
    return ShardCounts(documents, tokens, n_bytes)


class ShardReader:
    """One shard, memory-mapped. All arrays are read-only views of the file, or small copies.

    `values[b]` holds the tokens of record batch `b`, one document after the other. Document `row`
    is `values[batch_of[row]][starts[row] : starts[row] + lengths[row]]`; `reader.tokens(row)` says
    the same. Damaged token values are found by :meth:`check`, which reads the whole file; all else
    is checked on opening.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.schema, self.batches = self._open()
        self.vocabulary_size, self.eos, self.tokenizer_sha256, self.phases = self._metadata()
        bounds = [_list_bounds(batch.column("tokens")) for batch in self.batches]
        lists = [batch.column("tokens") for batch in self.batches]
        # `.values` ignores a slice's offset, but so do the bounds: both are absolute.
        self.values: list[npt.NDArray[np.unsignedinteger]] = [
            tokens.values.to_numpy(zero_copy_only=True) for tokens in lists
        ]
        self.batch_of = np.repeat(
            np.arange(len(self.batches), dtype=np.int32), [len(b) - 1 for b in bounds]
        )
        empty = [np.zeros(0, np.int64)]
        self.starts = np.concatenate(empty + [b[:-1] for b in bounds])
        self.lengths = np.concatenate(empty + [np.diff(b) for b in bounds])
        try:
            _check_bytes(self.lengths, self.numbers("n_bytes"))
        except ShardError as error:
            raise self._broken(str(error)) from error

    def _broken(self, what: str) -> ShardError:
        return ShardError(
            f"{self.path}: {what}.\n  Delete this shard and build the corpus again: "
            "only what is missing is made anew."
        )

    def _open(self) -> tuple[pa.Schema, list[pa.RecordBatch]]:
        try:
            mapped = pa.memory_map(str(self.path))
            size = mapped.size()
            if size < 8 or mapped.read_at(8, size - 8) != END_OF_STREAM:
                raise self._broken("the end of the shard is missing: it was cut short, or is none")
            with pa.ipc.open_stream(mapped) as stream:
                batches = list(stream)
                schema = stream.schema
            for batch in batches:
                batch.validate(full=True)
        except FileNotFoundError as error:
            raise ShardError(f"{self.path}: there is no such shard. Check the path.") from error
        except (pa.ArrowException, OSError) as error:
            raise self._broken(f"not a readable Arrow stream ({error})") from error
        return schema, batches

    def _metadata(self) -> tuple[int, int, str, tuple[str, ...]]:
        """Vocabulary size, EOS, tokenizer and phases; ShardError if they are wrong."""
        found = {
            key.decode(errors="replace"): value.decode(errors="replace")
            for key, value in (self.schema.metadata or {}).items()
        }
        version = found.get("tamis.shard.version")
        if version is None:
            raise ShardError(
                f"{self.path}: an Arrow stream, but no shard: its metadata lacks "
                "`tamis.shard.version`.\n  Give the folder of shards that `tamis build` wrote."
            )
        if version != str(SHARD_VERSION):
            raise ShardError(
                f"{self.path}: shard format version {version}, but this trainer reads version "
                f"{SHARD_VERSION}.\n  Build the corpus again, or use the tamis that wrote it."
            )
        try:
            vocabulary_size = int(found["tamis.vocabulary_size"])
            eos, tokenizer = int(found["tamis.eos"]), found["tamis.tokenizer.sha256"]
            phases = tuple(map(str, json.loads(found.get("tamis.phases", "[]"))))
            expected = shard_schema(vocabulary_size, tokenizer, eos, phases)
        except (KeyError, TypeError, ValueError) as error:
            raise self._broken(f"its metadata is damaged ({error})") from error
        if not self.schema.equals(expected, check_metadata=False):
            raise self._broken("its columns are not those of a shard")
        for name in expected.names:
            if any(batch.column(name).null_count for batch in self.batches):
                raise self._broken(f"column `{name}` holds nulls")
        return vocabulary_size, eos, tokenizer, phases

    def __len__(self) -> int:
        """Number of documents."""
        return len(self.lengths)

    def tokens(self, row: int) -> npt.NDArray[np.unsignedinteger]:
        """The tokens of document `row`: a read-only view of the file, uint16 or uint32."""
        start = int(self.starts[row])
        return self.values[int(self.batch_of[row])][start : start + int(self.lengths[row])]

    def numbers(self, name: str) -> npt.NDArray[np.int64]:
        """Column `repeats` or `n_bytes` as (documents,) int64."""
        chunks = [batch.column(name).to_numpy().astype(np.int64) for batch in self.batches]
        return np.concatenate([np.zeros(0, np.int64), *chunks])

    def phase_repeats(self) -> npt.NDArray[np.int64]:
        """How often each document is read in each phase: (documents, phases) int64."""
        if not self.phases:
            return np.zeros((len(self), 0), np.int64)
        lists = self.column(PHASE_REPEATS).combine_chunks()
        flat: npt.NDArray[np.int64] = lists.flatten().to_numpy().astype(np.int64)
        return flat.reshape(-1, len(self.phases))

    def column(self, name: str) -> pa.ChunkedArray:
        """A column as it stands, one chunk a record batch."""
        return pa.chunked_array(
            [batch.column(name) for batch in self.batches], self.schema.field(name).type
        )

    def ids(self) -> npt.NDArray[np.uint64]:
        """The ids as (documents, 2) uint64: first and second eight bytes, little-endian."""
        words = [np.zeros((0, 2), np.uint64)]
        for batch in self.batches:
            column = batch.column("id")
            raw = np.frombuffer(column.buffers()[1], "<u8").reshape(-1, 2)
            words.append(raw[column.offset : column.offset + len(column)].astype(np.uint64))
        return np.concatenate(words)

    def check(self) -> None:
        """Read every token; raise ShardError where one lies outside the vocabulary."""
        for values in self.values:
            try:
                _check_tokens(values, self.vocabulary_size)
            except ShardError as error:
                raise self._broken(str(error)) from error

    def sha256(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def open_shard(path: str | os.PathLike[str]) -> ShardReader:
    """Open one shard without reading its tokens; raises ShardError where it is damaged."""
    return ShardReader(path)


def read_shards(directory: str | os.PathLike[str]) -> list[ShardReader]:
    """All shards (`*.arrow`) of a folder, in the order of their names.

    Raises ShardError where there is none, one is damaged, or two have different tokenizers.
    """
    folder = Path(directory)
    paths = sorted(folder.glob(f"*{SHARD_SUFFIX}"), key=lambda path: path.name)
    paths = [path for path in paths if not path.name.startswith(".")]
    if not paths:
        what = "holds no shard" if folder.is_dir() else "is no folder"
        raise ShardError(
            f"{folder}: {what} (*{SHARD_SUFFIX}).\n"
            "  Give the folder of shards that `tamis build` wrote."
        )
    shards = [open_shard(path) for path in paths]
    for shard in shards[1:]:
        if not shard.schema.equals(shards[0].schema, check_metadata=True):
            raise ShardError(
                f"{shard.path}: made with another tokenizer than {shards[0].path}: "
                f"{shard.schema.metadata} against {shards[0].schema.metadata}.\n"
                "  Keep the shards of one corpus in a folder of their own."
            )
    return shards
