"""The matches of one documents part: found in one scan, kept as files for what comes after."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.corpus import open_view
from pipeline.task import Json, TaskRun
from pipeline.text_buffers import text_buffers
from stages.decontaminate.frequency import count_documents
from stages.decontaminate.hits import Seen
from stages.decontaminate.index import load_index
from stages.decontaminate.match import Found, find_matches
from stages.decontaminate.window import MODES
from stages.words import I64

_MATCHES = "matches.parquet"
_CAPPED = "capped.npy"
_NUMBERS = tuple(
    name for name in Found._fields if name not in ("gram_offsets", "grams", "capped", "seen")
)


def match_part(run: TaskRun) -> Json:
    """Task: the matches of a part's living documents, and the counts of its n-grams."""
    view = open_view(run.store, run.arguments["view"], ("text",))
    index = load_index(run.path(run.arguments["index"]))
    data, offsets = text_buffers(view.table["text"])
    found = find_matches(data, offsets, index, MODES[run.arguments["mode"]])
    columns = {name: pa.array(getattr(found, name), pa.int64()) for name in _NUMBERS}
    columns["row"] = pa.array(view.rows[found.row], pa.int64())
    columns["grams"] = pa.ListArray.from_arrays(
        pa.array(found.gram_offsets, pa.int32()), pa.array(found.grams, pa.int32())
    )
    pq.write_table(pa.table(columns), run.output / _MATCHES, compression="zstd")
    np.save(run.output / _CAPPED, view.rows[found.capped])
    count_documents(found.seen, len(view.rows)).save(run.output)
    return {"documents": len(view.rows), "matches": len(found.row)}


@lru_cache(maxsize=2)
def _load(folder: Path) -> tuple[pa.Table, I64]:
    return pq.read_table(folder / _MATCHES).combine_chunks(), np.load(folder / _CAPPED)


def load_matches(folder: Path, rows: I64) -> Found:
    """The matches of some of a part's rows (rising), numbered by their places in ``rows``. What
    was ``seen`` is in the counts and left out here."""
    table, capped = _load(folder)
    table = table.filter(pa.array(np.isin(table["row"].to_numpy(), rows)))
    numbers = {name: table[name].to_numpy() for name in _NUMBERS}
    numbers["row"] = np.searchsorted(rows, numbers["row"])
    grams = table["grams"].combine_chunks()
    sizes = grams.value_lengths().to_numpy(zero_copy_only=False)
    return Found(
        **numbers,
        gram_offsets=np.append(0, np.cumsum(sizes)).astype(np.int64),
        grams=grams.flatten().to_numpy(zero_copy_only=False),
        capped=np.isin(rows, capped),
        seen=Seen(np.zeros(0, np.int32), np.zeros(0, bool)),
    )
