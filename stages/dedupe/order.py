"""The survivor order: who is kept before whom, from a document's properties and its id alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from pipeline.corpus import Corpus, Part, View
from pipeline.draft import Place
from pipeline.stage import StageConfig, setting
from pipeline.task import Json
from stages.dedupe.arrays import Ints, Words64, id_bytes
from stages.dedupe.stored import save

Key = Literal["quality", "n_bytes", "source_priority", "id"]
AFTER_EARLIER = "after_earlier"
"""In the place of a first key: the documents come after those of earlier corpora."""

DEFAULT_ORDER: tuple[Key, ...] = ("quality", "n_bytes", "source_priority", "id")
QUALITY = "quality.score"
"""The annotation that ``quality`` in the order stands for."""

_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_SIGN = np.uint64(1 << 63)
_LARGEST = np.uint64(0xFFFFFFFFFFFFFFFF)


class SurvivorOrder(StageConfig):
    """Which of documents that are the same is kept."""

    order: tuple[Key, ...] = setting(
        DEFAULT_ORDER,
        about="What decides who is kept, most important first: `quality` (highest `quality.score`,"
        " where that stage stands above this one), `n_bytes` (longest), `source_priority` (where it"
        " lists sources), `id` (always last).",
    )
    source_priority: tuple[str, ...] = setting(
        (), about="Sources, best first, for `source_priority` in `order`; others come after them."
    )

    @model_validator(mode="after")
    def _can_decide(self) -> Self:
        """The order must tell any two documents apart, and name what is declared."""
        order = self.order
        if len(set(order)) != len(order):
            raise ValueError(f"order: {_shown(order)} names a key twice. Name each once.")
        if not order or order[-1] != "id":
            shown = [key for key in order if key != "id"]
            raise ValueError(
                f"order: {_shown(order)} does not end with `id`, so it cannot decide between equal"
                f" documents. Set order: {_shown([*shown, 'id'])}."
            )
        named = "source_priority" in order
        if (named and order != DEFAULT_ORDER and not self.source_priority) or (
            self.source_priority and not named
        ):
            raise ValueError(
                "order names `source_priority` if and only if `source_priority` lists sources."
                " Set source_priority: [best source, second best …] and"
                " order: [source_priority, n_bytes, id], or neither."
            )
        if len(set(self.source_priority)) != len(self.source_priority):
            raise ValueError("source_priority names a source twice. Name each once.")
        return self


def _shown(order: Sequence[str]) -> str:
    return f"[{', '.join(order)}]"


def sources_of(source_priority: Sequence[str]) -> list[tuple[Place, str]]:
    """Its sources and where each stands in a config, for ``Stage.named_sources``."""
    return [(("source_priority", index), name) for index, name in enumerate(source_priority)]


def effective_order(corpus: Corpus, config: SurvivorOrder) -> list[Key]:
    """The order without keys that cannot tell documents of this corpus apart: ``quality`` where no
    stage above has scored it, ``source_priority`` without a list."""
    scored = any(QUALITY.split(".")[0] in paths for paths in corpus.annotations)
    absent = {"quality": not scored, "source_priority": not config.source_priority}
    return [key for key in config.order if not absent.get(key, False)]


def order_arguments(
    corpus: Corpus, part: Part, order: Sequence[str], source_priority: Sequence[str]
) -> dict[str, Json]:
    """What ``write_order`` needs among the arguments of a sketch: with ``corpus.view``'s ``reads``
    if the order asks for quality."""
    ranks = {name: index for index, name in enumerate(source_priority)}
    return {
        "view": corpus.view(part, [QUALITY] if "quality" in order else []),
        "order": list(order),
        "priority": ranks.get(part.source, len(ranks)),
    }


def write_order(
    folder: Path, view: View, n_bytes: Ints, order: Sequence[str], priority: int
) -> None:
    """Into a sketch: what the order reads of each living document (``n_bytes``, int64: the length
    of its text), and its row in the part.

    ``order.npy`` uint64 (documents, words): a document comes before another where its row does,
    word by word; the last two words are the id. Rows are sorted, ``order_index.npy`` (uint32) says
    whose each is. ``rows.npy`` int64.
    """
    save_order(folder, _order_words(view, n_bytes, order, priority))
    save(folder / "rows.npy", view.rows)


def save_order(folder: Path, words: Sequence[Words64]) -> None:
    """``order.npy`` and ``order_index.npy`` from columns of words, a row a document."""
    index = sorting(words)
    save(folder / "order.npy", np.stack([column[index] for column in words], axis=1))
    save(folder / "order_index.npy", index.astype(np.uint32))


def _order_words(view: View, n_bytes: Ints, order: Sequence[str], priority: int) -> list[Words64]:
    words: list[Words64] = []
    for key in order:
        if key == "quality":
            words.append(_highest_first(view.table[QUALITY]))
        elif key == "n_bytes":
            words.append(~n_bytes.astype(np.uint64))
        elif key == "source_priority":
            words.append(np.full(len(view.rows), priority, np.uint64))
        elif key == AFTER_EARLIER:
            words.append(np.ones(len(view.rows), np.uint64))
        else:
            # big-endian, so that words are in the order of the bytes
            halves = np.ascontiguousarray(id_bytes(view.table["id"])).view(">u8").astype(np.uint64)
            words += [halves[:, 0], halves[:, 1]]
    return words


def _highest_first(scores: pa.ChunkedArray) -> Words64:
    """Words that rise as scores fall; documents without a score come last."""
    values = scores.cast(pa.float64()).to_numpy().astype(np.float64)
    bits = values.view(np.uint64)
    rising = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return np.where(np.isnan(values), _LARGEST, ~rising)


def sorting(words: Sequence[Words64]) -> Ints:
    """The permutation that sorts rows by columns of words. Most rows are told apart by the first
    64 bits that differ at all, which are packed and sorted at once."""
    rows = len(words[0])
    halves = [half for column in words for half in (column >> _HALF, column & _LOW)]
    telling = [half for half in halves if rows and half.min() != half.max()]
    packed = np.zeros(rows, np.uint64)
    for half in telling[:2]:
        packed = packed << _HALF | half
    order = np.argsort(packed).astype(np.int64)
    # ties are put in order by themselves, equal rows (two earlier corpora may share a document) in
    # their old order: what argsort makes of them depends on the processor
    ordered = packed[order]
    same = ordered[1:] == ordered[:-1]
    tied = np.zeros(rows, bool)
    tied[1:] |= same
    tied[:-1] |= same
    if tied.any():
        rest = order[tied]
        keys = [half[rest] for half in telling[2:]]
        order[tied] = rest[np.lexsort([rest, *keys[::-1], packed[rest]])]
    return order
