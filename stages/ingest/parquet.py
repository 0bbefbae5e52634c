"""Parquet: a document a row, read row group by row group."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stages.ingest.config import SourceConfig
from stages.ingest.fields import Fields
from stages.ingest.record import Outcome, Quarantined

_ROWS = 1024
"""Rows turned into Python values at a time."""


def read_parquet(path: Path, relative: str, source: SourceConfig) -> Iterator[Outcome]:
    """The rows of a Parquet file, numbered from 0.

    Quarantined: ``parquet_footer`` (once, for the file), ``parquet_row_group`` (once for each row
    group that cannot be read, counting as many records as it loses; its rows read so far are kept),
    and what ``Fields.found`` says. Raises ValueError when the file has no column for the text,
    which is the recipe's mistake; OSError when the file cannot be read; MemoryError.
    """
    size = path.stat().st_size
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        if _is_passing(error):
            raise
        with path.open("rb") as stream:
            begin = stream.read(64)
        yield Quarantined("parquet_footer", relative, _line(error), repr(begin), size)
        return
    with file:
        _check_columns(file.schema_arrow, relative, source)
        fields = Fields(source, relative)
        start = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            done = 0
            try:
                for batch in file.iter_batches(batch_size=_ROWS, row_groups=[group]):
                    for record in _records(batch):
                        number = start + done
                        done += 1
                        if isinstance(record, UnicodeDecodeError):
                            locator = f"{relative}#{number}"
                            yield Quarantined("invalid_utf8", locator, str(record), "", 0)
                        else:
                            yield fields.found(record, number, _size(record))
            except (pa.ArrowException, OSError) as error:
                if _is_passing(error):
                    raise
                lost = rows - done
                detail = f"row group {group}: {lost} of {rows} rows lost: {_line(error)}"
                locator = f"{relative}#{start + done}"
                yield Quarantined("parquet_row_group", locator, detail, "", 0, rows=max(1, lost))
            start += rows


def _check_columns(schema: pa.Schema, relative: str, source: SourceConfig) -> None:
    if source.text_field in schema.names:
        return
    kind: Any = None
    names = schema.names
    for step in source.text_field.split("."):
        place = names.index(step) if step in names else -1
        if place < 0:
            raise ValueError(
                f"source {source.name}: {relative} has no column `{source.text_field}`;"
                f" it has: {', '.join(schema.names)}. Set text_field of this source in the recipe."
            )
        kind = schema.field(place).type if kind is None else kind.field(place).type
        inner = kind.num_fields if pa.types.is_struct(kind) else 0
        names = [kind.field(index).name for index in range(inner)]


def _records(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | UnicodeDecodeError]:
    """Rows as dictionaries without nulls. Strings at the top come as bytes when one of the batch
    is no UTF-8, so that a single bad row costs only itself."""
    names = batch.schema.names
    columns = []
    for column in batch.columns:
        try:
            columns.append(column.to_pylist())
        except UnicodeDecodeError:
            columns.append([_value(scalar) for scalar in column])
    for row in zip(*columns, strict=True):
        bad = next((value for value in row if isinstance(value, UnicodeDecodeError)), None)
        if bad is not None:
            yield bad
        else:
            yield {name: value for name, value in zip(names, row, strict=True) if value is not None}


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        return error


def _size(record: dict[str, Any]) -> int:
    return sum(
        len(value.encode(errors="replace")) if isinstance(value, str) else 8
        for value in record.values()
    )


def _is_passing(error: Exception) -> bool:
    """Whether an error is the machine's and not the file's. Arrow raises OSError for damage too,
    but only the operating system's errors have a number."""
    if isinstance(error, OSError):
        return error.errno is not None
    return isinstance(error, MemoryError | pa.ArrowCancelled)


def _line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
