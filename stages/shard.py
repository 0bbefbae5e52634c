"""Writing shards: the tokens of all documents that are left, in Arrow files for the trainer."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.corpus import Corpus, Part, open_view
from pipeline.stage import Artefacts, Stage, StageConfig, setting
from pipeline.task import Json, Receipt, Task, TaskRun
from trainer.shards import PHASE_REPEATS, shard_schema, write_shard

SHARD_FILE = "shard.arrow"

UNKNOWN = "unknown"
"""Written as domain where the recipe has no stage `domain`, or it gave none."""

_TOKENS, _COUNT, _BYTES = "tokenize.tokens", "tokenize.n_tokens", "tokenize.n_bytes"
_DOMAIN, _REPEATS = "domain.domain", "balance.repeats"
_PHASE_REPEATS = "balance.phase_repeats"


class ShardConfig(StageConfig):
    """How large shards are."""

    shard_tokens: int = setting(
        1 << 26,
        about="Tokens of one shard, repeats not counted. Whole parts are put together until a "
        "shard has this many, so it is a lower bound for all but the last.",
        ge=1,
    )


class Shard(Stage[ShardConfig]):
    """See the module."""

    name = "shard"
    version = 1
    Config = ShardConfig
    summary = "Collect the tokens into Arrow shards, with the repeats that balance planned."
    document_columns = ("id", "source")
    reads = (_COUNT, _BYTES, _TOKENS)
    may_read = (_DOMAIN, _REPEATS)
    drops = False
    needs_corpus = True

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """Counts the tokens left in every part, then writes the shards, one task each."""
        counted = yield [
            corpus.task(
                "stages.shard:count_part",
                "count",
                {"view": corpus.view(part, [_COUNT])},
                label=f"token count of {part.documents}",
                work=part.text_bytes,
                documents=part.rows,
            )
            for part in corpus.parts
        ]
        about = json.loads(corpus.store.path(corpus.artefacts["tokenize"]["about"]).read_text())
        tokenizer = {key: about[key] for key in ("sha256", "vocabulary_size", "eos", "eos_token")}
        reads = [*self.reads, *(c for c in self.may_read if _has(corpus, c))]
        phases = phase_names(corpus)
        reads += [_PHASE_REPEATS] if phases else []
        groups = shard_groups(
            corpus.parts, [receipt.value for receipt in counted], self.config.shard_tokens
        )
        written = yield [
            corpus.task(
                "stages.shard:write_parts",
                "shards",
                {
                    "views": [corpus.view(part, reads) for part in group],
                    "tokenizer": tokenizer,
                    "phases": phases,
                },
                label=f"shard {index + 1} of {len(groups)}",
                work=sum(part.text_bytes for part in group),
                documents=sum(part.rows for part in group),
            )
            for index, group in enumerate(groups)
        ]
        names = [shard_name(index, len(written)) for index in range(len(written))]
        paths = {
            name: receipt.path(SHARD_FILE) for name, receipt in zip(names, written, strict=True)
        }
        return Artefacts(
            shared=paths,
            record={
                "tokenizer": tokenizer,
                "shards": [
                    {"name": name, **receipt.value, **receipt.files[SHARD_FILE]}
                    for name, receipt in zip(names, written, strict=True)
                ],
            },
            published={f"shards/{name}": path for name, path in paths.items()},
        )


def phase_names(corpus: Corpus) -> list[str]:
    """The phases that a stage `balance` planned, in order; none where it has no phases."""
    plan = corpus.artefacts.get("balance", {}).get("plan")
    if plan is None:
        return []
    content = json.loads(corpus.store.path(plan).read_text())
    return [phase["name"] for phase in content["phases"]]


def shard_name(index: int, count: int) -> str:
    """``shard-00000-of-00002.arrow``."""
    return f"shard-{index:05d}-of-{count:05d}.arrow"


def shard_groups(
    parts: Sequence[Part], counts: Sequence[Mapping[str, int]], shard_tokens: int
) -> list[list[Part]]:
    """Neighbouring parts put together until each group has ``shard_tokens``. Parts of which no
    document is left are left out, so no shard is empty. ``counts`` are those of ``count_part``."""
    groups: list[list[Part]] = []
    filled = shard_tokens
    for part, count in zip(parts, counts, strict=True):
        if count["documents"] == 0:
            continue
        if filled >= shard_tokens:
            groups.append([])
            filled = 0
        groups[-1].append(part)
        filled += count["tokens"]
    return groups


def count_part(run: TaskRun) -> Json:
    """Living documents and their tokens in one part."""
    view = open_view(run.store, run.arguments["view"], ())
    return {
        "documents": view.table.num_rows,
        "tokens": pc.sum(pc.cast(view.table[_COUNT], pa.int64())).as_py() or 0,
    }


def write_parts(run: TaskRun) -> Json:
    """Writes one shard from the living documents of its parts, in order, one part in memory."""
    tokenizer: Mapping[str, Json] = run.arguments["tokenizer"]
    schema = shard_schema(
        tokenizer["vocabulary_size"],
        tokenizer["sha256"],
        tokenizer["eos"],
        run.arguments["phases"],
    )
    read = {"repeated_tokens": 0}

    def batches() -> Iterator[pa.RecordBatch]:
        for view in run.arguments["views"]:
            table = shard_rows(open_view(run.store, view, ("id", "source")).table, schema)
            repeated = pc.multiply(
                pc.cast(pc.list_value_length(table["tokens"]), pa.int64()),
                pc.cast(table["repeats"], pa.int64()),
            )
            read["repeated_tokens"] += pc.sum(repeated).as_py() or 0
            yield from table.to_batches()

    counts = write_shard(run.output / SHARD_FILE, batches(), schema)
    return {
        "documents": counts.documents,
        "tokens": counts.tokens,
        "text_bytes": counts.n_bytes,
        **read,
    }


def shard_rows(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Documents with their annotations as rows of a shard. ArrowInvalid when a
    number does not fit its column."""
    rows = table.num_rows
    names = table.column_names
    domain = table[_DOMAIN].cast(pa.string()) if _DOMAIN in names else pa.nulls(rows, pa.string())
    repeats = table[_REPEATS] if _REPEATS in names else pa.repeat(pa.scalar(1, pa.int32()), rows)
    columns = {
        "tokens": table[_TOKENS],
        "id": table["id"],
        "source": table["source"].cast(pa.string()),
        "domain": pc.fill_null(domain, UNKNOWN),
        "repeats": repeats,
        "n_bytes": table[_BYTES],
    }
    if _PHASE_REPEATS in names:
        columns[PHASE_REPEATS] = table[_PHASE_REPEATS]
    arrays = [pc.cast(columns[field.name], field.type) for field in schema]
    return pa.table(arrays, schema=schema)


def _has(corpus: Corpus, column: str) -> bool:
    """Whether the recipe has the stage of an annotation before this one."""
    stage = column.split(".", 1)[0]
    return bool(corpus.annotations) and all(stage in ledgers for ledgers in corpus.annotations)
