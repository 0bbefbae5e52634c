"""Which document is read when: held-out split, order of a pass, packed sequences.

**Order.** One pass reads every training document `repeats` times. Copy k of r gets the position
(k + u) / r, with u in [0, 1) hashed from seed, pass, document id and k; positions are sorted. So
copies of a document are spread evenly over the pass, and the order depends on the seed and on the
documents, not on how they are spread over shards.

**Packing.** The documents of a pass stand one behind the other, EOS after each, and are cut every T
tokens. Sequence i predicts the stream's tokens [i T, (i + 1) T) from those one place before, so in
one pass every token (and every EOS) is a target exactly once for each repeat: nothing is cropped
and nothing padded. The price is that documents are cut where a sequence ends; best-fit packing
(Ding et al., arXiv 2404.10830) avoids cuts of documents shorter than T, and pays with padding and
a plan that must be computed before the first step. Here sequence i is found by a binary search, so
the position in the data is one number: a run resumes at any step, with any number of workers.

**Held out.** Documents whose hashed id falls under a share are never trained on. The hash knows
neither seed nor position, so the same documents are held out in every run and every mixture.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from trainer.shards import ShardError, ShardReader

Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]

HELD_OUT_SEED = 0x7461_6D69_7300_0001  # any fixed number but a seed someone would choose
_MASK = (1 << 64) - 1


def _mix(x: UInt64) -> UInt64:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64-bit words."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def hash_ids(ids: UInt64, seed: int, salt: UInt64 | None = None) -> UInt64:
    """A 64-bit hash of (seed, id, salt) a row: ids (N, 2) uint64, salt (N,) → (N,) uint64."""
    start = np.full(len(ids), (seed * 0x9E3779B97F4A7C15 + 1) & _MASK, np.uint64)
    hashed = _mix(_mix(_mix(start) ^ ids[:, 0]) ^ ids[:, 1])
    return hashed if salt is None else _mix(hashed ^ _mix(salt + np.uint64(1)))


@dataclass(frozen=True)
class Documents:
    """Documents of several shards as columns; N documents, none without tokens or repeats.

    values: token arrays, all record batches of all shards; document i is
    `values[batch_of[i]][starts[i] : starts[i] + lengths[i]]`. All columns are (N,) but
    ids: (N, 2) uint64, and phase_repeats: (N, phases), none without phases. `domains` indexes
    `domain_names`.
    """

    values: list[npt.NDArray[np.unsignedinteger]]
    batch_of: Int64
    starts: Int64
    lengths: Int64
    ids: UInt64
    repeats: Int64
    phase_repeats: Int64
    n_bytes: Int64
    domains: Int64
    domain_names: tuple[str, ...]
    eos: int

    @classmethod
    def of(cls, shards: Sequence[ShardReader]) -> "Documents":
        """All documents of `shards` that have a token and a repeat."""
        batches = [len(shard.values) for shard in shards]
        first_batch = np.cumsum(batches) - batches
        batch_of = [
            shard.batch_of + first for shard, first in zip(shards, first_batch, strict=True)
        ]
        chunks = [chunk for shard in shards for chunk in shard.column("domain").chunks]
        encoded = pa.chunked_array(chunks, pa.string()).combine_chunks().dictionary_encode()
        names, rank = np.unique(encoded.dictionary.to_pylist(), return_inverse=True)
        everything = cls(
            values=[values for shard in shards for values in shard.values],
            batch_of=np.concatenate(batch_of).astype(np.int64),
            starts=np.concatenate([shard.starts for shard in shards]),
            lengths=np.concatenate([shard.lengths for shard in shards]),
            ids=np.concatenate([shard.ids() for shard in shards]),
            repeats=np.concatenate([shard.numbers("repeats") for shard in shards]),
            phase_repeats=np.concatenate([shard.phase_repeats() for shard in shards]),
            n_bytes=np.concatenate([shard.numbers("n_bytes") for shard in shards]),
            domains=rank[encoded.indices.to_numpy()].astype(np.int64),
            domain_names=tuple(str(name) for name in names),
            eos=shards[0].eos,
        )
        return everything.take(np.flatnonzero((everything.repeats > 0) & (everything.lengths > 0)))

    def take(self, rows: Int64) -> "Documents":
        """The documents `rows`, in that order."""
        return Documents(
            self.values,
            self.batch_of[rows],
            self.starts[rows],
            self.lengths[rows],
            self.ids[rows],
            self.repeats[rows],
            self.phase_repeats[rows],
            self.n_bytes[rows],
            self.domains[rows],
            self.domain_names,
            self.eos,
        )

    def in_phase(self, phase: int) -> "Documents":
        """The documents that a phase reads, as often as it reads them."""
        rows = np.flatnonzero(self.phase_repeats[:, phase])
        return replace(self.take(rows), repeats=self.phase_repeats[rows, phase])

    def __len__(self) -> int:
        return len(self.lengths)

    def tokens(self, row: int) -> npt.NDArray[np.unsignedinteger]:
        """The tokens of one document, a view of its shard."""
        start = int(self.starts[row])
        return self.values[int(self.batch_of[row])][start : start + int(self.lengths[row])]


def split_held_out(
    documents: Documents, share: float, min_tokens: int, max_tokens: int
) -> tuple[Documents, Documents]:
    """(training, held-out) documents, decided by the hash of the id alone.

    Held out is a prefix of the documents sorted by hash: those whose hash falls under `share`, but
    at least as many as hold `min_tokens`, and no more than it takes to reach `max_tokens`. So
    raising `share` only adds documents. Documents with one id fall on one side. A document longer
    than `max_tokens` is always trained on.
    Raises ShardError where nothing would be left to train on.
    """
    hashed = hash_ids(documents.ids, HELD_OUT_SEED)
    candidates = np.flatnonzero(documents.lengths <= max_tokens)
    order = candidates[np.argsort(hashed[candidates], kind="stable")]
    before = np.cumsum(documents.lengths[order]) - documents.lengths[order]
    under = hashed[order] < np.uint64(min(int(share * 2.0**64), _MASK))
    count = int(((under | (before < min_tokens)) & (before < max_tokens)).sum())
    if count:  # all rows of the last id taken go together
        count = int(np.searchsorted(hashed[order], hashed[order[count - 1]], side="right"))
    held = order[:count]  # in the order of the hash, so that the packing knows no shards
    rest = np.setdiff1d(np.arange(len(documents)), held)
    if not len(rest) or not count:
        raise ShardError(
            f"{len(documents)} documents with {int(documents.lengths.sum()):,} tokens are too few "
            f"to hold out {min_tokens:,} to {max_tokens:,} tokens and train on the rest.\n"
            "  Use a larger corpus, or lower held_out_min_tokens."
        )
    return documents.take(rest), documents.take(held)


class PackedSequences:
    """The endless stream of training sequences: pass after pass over `documents`, packed.

    `tokens_per_pass` counts repeats and EOS. `read` and `sequence` are pure functions of their
    arguments.
    """

    def __init__(self, documents: Documents, sequence_length: int, seed: int) -> None:
        self.documents = documents
        self.sequence_length = sequence_length
        self.seed = seed
        self.tokens_per_pass = int(((documents.lengths + 1) * documents.repeats).sum())
        self._layout = lru_cache(maxsize=2)(self._lay_out)

    def order(self, number: int) -> Int64:
        """Pass `number` as rows of `documents`, each `repeats` times: (copies,) int64."""
        repeats = self.documents.repeats
        rows = np.repeat(np.arange(len(repeats)), repeats)
        copy = np.arange(len(rows)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        ids = self.documents.ids[rows]
        hashed = hash_ids(ids, self.seed, (copy + (number << 32)).astype(np.uint64))
        uniform = (hashed >> np.uint64(11)) / 2.0**53
        position = (copy + uniform) / repeats[rows]
        return rows[np.lexsort((copy, ids[:, 1], ids[:, 0], position))]

    def _lay_out(self, number: int) -> tuple[Int64, Int64]:
        """Rows of pass `number` and where each (with its EOS) ends in the pass."""
        order = self.order(number)
        return order, np.cumsum(self.documents.lengths[order] + 1)

    def read(self, position: int, count: int) -> Int64:
        """`count` tokens of the endless stream from `position` (≥ 0): (count,) int64."""
        out = np.full(count, self.documents.eos, np.int64)
        filled = 0
        while filled < count:
            number, offset = divmod(position + filled, self.tokens_per_pass)
            order, ends = self._layout(number)
            which = int(np.searchsorted(ends, offset, side="right"))
            row = int(order[which])
            length = int(self.documents.lengths[row])
            begin = offset - (int(ends[which]) - length - 1)
            size = min(length + 1 - begin, count - filled)
            text = self.documents.tokens(row)[begin : begin + size]
            out[filled : filled + len(text)] = text  # what is left of `size` is EOS already
            filled += size
        return out

    def sequence(self, index: int) -> Int64:
        """Sequence `index`: (T + 1,) int64. [:-1] are the inputs, [1:] the targets.

        The targets are the stream's tokens [index T, (index + 1) T); the very first input is EOS.
        """
        start = index * self.sequence_length - 1
        if start < 0:
            first = np.array([self.documents.eos], np.int64)
            return np.concatenate([first, self.read(0, self.sequence_length)])
        return self.read(start, self.sequence_length + 1)

    def batch(self, first: int, size: int) -> Int64:
        """Sequences first … first + size - 1: (size, T + 1) int64."""
        return np.stack([self.sequence(index) for index in range(first, first + size)])


IGNORE = -100  # the target that cross-entropy leaves out


def held_out_sequences(documents: Documents, sequence_length: int) -> tuple[Int64, Int64, Int64]:
    """The held-out documents once each, packed: inputs, targets and document of each target.

    All three are (sequences, T) int64. Every token and every EOS is a target once; the rest of the
    last sequence has target IGNORE and document -1.
    """
    stream = [np.array([documents.eos], np.int64)]
    for row in range(len(documents)):
        stream += [documents.tokens(row).astype(np.int64), stream[0]]
    tokens = np.concatenate(stream)
    owner = np.repeat(np.arange(len(documents)), documents.lengths + 1)
    count = -(-len(owner) // sequence_length)
    shape = (count, sequence_length)

    def padded(values: Int64, fill: int) -> Int64:
        room = np.full(count * sequence_length, fill, np.int64)
        room[: len(values)] = values
        return room.reshape(shape)

    return padded(tokens[:-1], documents.eos), padded(tokens[1:], IGNORE), padded(owner, -1)
