"""Solutions with labels, as the reward trainer reads them: the file format, the split, batches.

A file of solutions is Arrow IPC, one row a solution. Its columns are `SCHEMA`; the schema's
metadata holds the format version, the size of the vocabulary and the padding token. What a model
reads is a prompt and then a response; both are token ids, chat template and closing token included.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

FORMAT_VERSION = "1"
FORMAT_KEY = b"tamis_reward_format"

SCHEMA = pa.schema(
    [
        pa.field("problem", pa.string(), nullable=False),
        pa.field("prompt", pa.list_(pa.int32()), nullable=False),
        pa.field("response", pa.list_(pa.int32()), nullable=False),
        pa.field("right", pa.bool_(), nullable=False),
    ]
)

Ints = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]


class SolutionsError(ValueError):
    """A file of solutions that cannot be used; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Solutions:
    """The rows of a file of solutions; `problems` are numbers of `problem_names`, sorted."""

    prompts: list[Ints]
    responses: list[Ints]
    problems: Ints
    right: Bools
    problem_names: list[str]
    vocabulary_size: int
    pad: int

    def __len__(self) -> int:
        return len(self.prompts)

    def lengths(self) -> Ints:
        """Tokens of each row, prompt and response."""
        return np.array(
            [len(p) + len(r) for p, r in zip(self.prompts, self.responses, strict=True)], np.int64
        )

    def tokens(self, row: int) -> Ints:
        """A row's tokens: prompt, then response."""
        return np.concatenate([self.prompts[row], self.responses[row]])


def write_solutions(
    path: str | os.PathLike[str],
    rows: Iterable[Mapping[str, Any]],
    vocabulary_size: int,
    pad: int,
) -> None:
    """Write rows (mappings with the columns of `SCHEMA`) in their order."""
    metadata = {
        FORMAT_KEY: FORMAT_VERSION.encode(),
        b"vocabulary_size": str(vocabulary_size).encode(),
        b"pad": str(pad).encode(),
    }
    table = pa.Table.from_pylist(list(rows), SCHEMA).combine_chunks()
    table = table.replace_schema_metadata(metadata)
    with pa.OSFile(os.fspath(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def read_solutions(path: str | os.PathLike[str]) -> Solutions:
    """Read a file of solutions. Raises SolutionsError when it is none, or its tokens are not of
    its vocabulary."""
    try:
        with pa.memory_map(os.fspath(path)) as source:
            table = pa.ipc.open_file(source).read_all()
            rows = table.cast(SCHEMA).to_pydict()
        metadata = table.schema.metadata or {}
        version = metadata[FORMAT_KEY].decode()
        vocabulary_size, pad = int(metadata[b"vocabulary_size"]), int(metadata[b"pad"])
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise SolutionsError(f"{path}: no file of labelled solutions ({error}).") from error
    if version != FORMAT_VERSION:
        raise SolutionsError(f"{path}: format {version}; this trainer reads {FORMAT_VERSION}.")
    names = sorted(set(rows["problem"]))
    number = {name: i for i, name in enumerate(names)}
    found = Solutions(
        [np.array(prompt, np.int64) for prompt in rows["prompt"]],
        [np.array(response, np.int64) for response in rows["response"]],
        np.array([number[name] for name in rows["problem"]], np.int64),
        np.array(rows["right"], np.bool_),
        names,
        vocabulary_size,
        pad,
    )
    _check(Path(path), found)
    return found


def _check(path: Path, solutions: Solutions) -> None:
    limit = solutions.vocabulary_size
    if not 0 <= solutions.pad < limit:
        raise SolutionsError(f"{path}: pad {solutions.pad} is no token of {limit}.")
    for row in range(len(solutions)):
        if len(solutions.responses[row]) == 0:
            raise SolutionsError(f"{path}: row {row} has no response to score.")
        tokens = solutions.tokens(row)
        if tokens.min() < 0 or tokens.max() >= limit:
            raise SolutionsError(f"{path}: row {row} has a token outside of 0 … {limit - 1}.")


def held_out_problems(names: list[str], share: float, seed: int) -> Bools:
    """Which problems are held out: those whose seeded hash falls below `share`. A problem's side
    does not depend on the other problems."""
    digests = [hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest() for name in names]
    units = np.array([int.from_bytes(digest, "little") / 2**64 for digest in digests])
    held: Bools = units < share
    return held


def contrasting_problems(solutions: Solutions, rows: Ints) -> list[Ints]:
    """The rows of each problem that has right and wrong solutions among `rows`, by problem; a
    problem that all or none of its solutions solve tells nothing (arXiv 2409.12122)."""
    order = rows[np.argsort(solutions.problems[rows], kind="stable")]
    cuts = np.flatnonzero(np.diff(solutions.problems[order])) + 1
    groups = np.split(order, cuts) if len(order) else []
    return [group for group in groups if 0 < solutions.right[group].sum() < len(group)]


def problem_order(count: int, epoch: int, seed: int) -> Ints:
    """The order of problems in an epoch: a permutation of 0 … count - 1."""
    # PCG64's stream is fixed by numpy's compatibility policy, unlike the Generator's methods
    stream = np.random.PCG64([seed, epoch])
    return np.argsort(stream.random_raw(count), kind="stable")


def problems_of_step(count: int, step: int, size: int, seed: int) -> list[int]:
    """Numbers of the `size` problems of a step: epochs follow each other without a gap."""
    found = []
    for position in range(step * size, (step + 1) * size):
        epoch, place = divmod(position, count)
        found.append(int(problem_order(count, epoch, seed)[place]))
    return found


def padded(solutions: Solutions, rows: Ints, multiple: int = 1) -> tuple[Ints, Ints]:
    """Rows as a batch: tokens (B, T) with padding on the right, T rounded up to `multiple`, and
    the place of each row's last token (B)."""
    sequences = [solutions.tokens(int(row)) for row in rows]
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    width = -(-int(lengths.max()) // multiple) * multiple
    tokens = np.full((len(sequences), width), solutions.pad, np.int64)
    for line, sequence in zip(tokens, sequences, strict=True):
        line[: len(sequence)] = sequence
    return tokens, lengths - 1
