"""What a stage would measure anew when other documents come to it: which of its answers may change.

A stage that looks at documents one by one says the same of each, whoever else is there. A stage
that looks at the corpus (a deduplication, a count of lines, a trained model) may not: for each of
them a rule says which documents its ledger still settles. Where there is no rule, none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from manifests.schema import SURVIVOR, Json
from pipeline.stage import Stage
from stages.decontaminate.stage import Decontaminate
from stages.dedupe.exact import ExactDedupe
from stages.dedupe.lines import BoilerplateLines
from stages.dedupe.near import NearDedupe
from stages.dedupe.substrings import ExactSubstrings
from stages.quality.stage import Quality
from stages.tokenize import Tokenize
from tamis.ledgers import Flags, PartLedger


@dataclass
class Change:
    """How the documents that come to a stage differ from those that it saw: how many more may come
    and how many of them may be missing. ``clusters`` (keys as bytes) are those of a deduplication
    that a missing document may reshape."""

    arriving: int = 0
    leaving: int = 0
    clusters: pl.Series = field(default_factory=lambda: pl.Series("key", [], pl.Binary))

    def __bool__(self) -> bool:
        return bool(self.arriving or self.leaving)


@dataclass(frozen=True)
class Doubt:
    """Rows of a part of which a build may say otherwise than the ledger: their ``verdict`` (with
    ``only_dropped``, of the dropped ones alone), and what is left of their text
    (``text``), of which tokens are made."""

    verdict: Flags
    text: Flags
    only_dropped: bool = False


@dataclass(frozen=True)
class Asked:
    """What a rule looks at: a stage, its record in the manifest, the part's ledger, and the rows
    that still are documents of the corpus."""

    stage: Stage[Any]
    name: str
    record: Json
    ledger: PartLedger
    rows: np.ndarray[Any, np.dtype[np.int64]]

    def column(self, name: str) -> pa.Array:
        """An annotation of the stage, for the rows."""
        table = self.ledger.annotations(self.name, [name])
        return table[name].combine_chunks().take(pa.array(self.rows))

    def settled(self) -> Doubt:
        """No doubt at all."""
        nothing = np.zeros(len(self.rows), bool)
        return Doubt(nothing, nothing)

    def open(self) -> Doubt:
        """Doubt about everything."""
        return Doubt(np.ones(len(self.rows), bool), np.ones(len(self.rows), bool))


Rule = Callable[[Asked, Change], Doubt]


def doubt_of(asked: Asked, change: Change) -> Doubt:
    """The rows of which the stage may say otherwise, given that other documents come to it."""
    if not asked.stage.needs_corpus or not change:
        return asked.settled()
    for kind, rule in _RULES:
        if isinstance(asked.stage, kind):
            return rule(asked, change)
    return asked.open()


def reshaped_clusters(asked: Asked, leaving: Flags) -> pl.Series:
    """Keys of the clusters that a deduplication may resolve otherwise when the rows ``leaving`` are
    missing. Empty for other stages.

    With direct witnesses a dropped document decides nothing: only when a kept one leaves do others
    come into its place. Where chains of pairs count, or where large buckets were not compared in
    full, every member may matter.
    """
    key = _KEYS.get(type(asked.stage))
    if key is None or not leaving.any():
        return pl.Series("key", [], pl.Binary)
    deciding = leaving.copy()
    if not _any_member_matters(asked):
        deciding &= pc.is_null(asked.column(SURVIVOR)).to_numpy(zero_copy_only=False)
    keys = asked.column(key).filter(pa.array(deciding)).drop_null()
    return pl.Series("key", pl.from_arrow(keys.cast(pa.binary())), pl.Binary).unique()


def _any_member_matters(asked: Asked) -> bool:
    return isinstance(asked.stage, NearDedupe) and (
        asked.stage.config.linkage == "single" or bool(asked.record.get("capped_buckets"))
    )


_KEYS: dict[type[Stage[Any]], str] = {ExactDedupe: "hash", NearDedupe: "cluster"}


def _exact_dedupe(asked: Asked, change: Change) -> Doubt:
    if change.arriving:
        return _of_verdicts(asked, np.ones(len(asked.rows), bool))
    return _of_verdicts(asked, _in_clusters(asked, "hash", change) & _dropped(asked))


def _near_dedupe(asked: Asked, change: Change) -> Doubt:
    # what is like a document of an earlier corpus stays dropped: that one comes before all others
    by_earlier = pc.is_valid(asked.column("corpus")).to_numpy(zero_copy_only=False)
    if change.arriving:
        return _of_verdicts(asked, ~by_earlier)
    touched = _in_clusters(asked, "cluster", change)
    # the first document of a cluster in the order of survivors is kept, whoever leaves after it
    ids = asked.ledger.annotations(asked.name, ["id"])["id"].combine_chunks()
    first = pc.equal(ids.take(pa.array(asked.rows)), asked.column("cluster"))
    is_first = pc.fill_null(first, False).to_numpy(zero_copy_only=False) & ~_dropped(asked)
    return _of_verdicts(asked, touched & ~by_earlier & ~is_first)


def _in_clusters(asked: Asked, key: str, change: Change) -> Flags:
    keys = pl.Series("key", pl.from_arrow(asked.column(key).cast(pa.binary())), pl.Binary)
    inside: Flags = keys.is_in(change.clusters.implode()).fill_null(False).to_numpy()
    return inside


def _dropped(asked: Asked) -> Flags:
    dropped: Flags = pc.is_valid(asked.column(SURVIVOR)).to_numpy(zero_copy_only=False)
    return dropped


def _of_verdicts(asked: Asked, verdict: Flags) -> Doubt:
    return Doubt(verdict, np.zeros(len(asked.rows), bool))


def _repeated_text(column: str) -> Rule:
    """Of stages that cut what stands in many documents. With fewer documents less is repeated: only
    what is cut or dropped now is in doubt. With more, all of the kinds that they look at."""

    def rule(asked: Asked, change: Change) -> Doubt:
        config = asked.stage.config
        share_matters = getattr(config, "min_share", 0.0) * asked.record["documents"] > getattr(
            config, "min_documents", 1
        )
        if change.arriving or share_matters:
            kinds = asked.ledger.annotations("kind", ["kind"])["kind"].combine_chunks()
            looked_at = pc.is_in(
                kinds.take(pa.array(asked.rows)), pa.array(config.kinds, pa.string())
            ).to_numpy(zero_copy_only=False)
            return Doubt(looked_at, looked_at)
        repeated = pc.greater(pc.list_value_length(asked.column(column)), 0)
        found: Flags = pc.fill_null(repeated, False).to_numpy(zero_copy_only=False)
        return Doubt(found, found, only_dropped=True)

    return rule


def _decontaminate(asked: Asked, change: Change) -> Doubt:
    """Whether an n-gram is common is counted over the corpus. Matches whose n-grams stand in too
    few documents for that, even with all that may arrive, are settled."""
    matches = asked.column("matches")
    flat = matches.flatten()
    row = matches.value_parent_indices().to_numpy(zero_copy_only=False)
    counts = flat.field("ngram_documents").to_numpy(zero_copy_only=False)
    limit = asked.stage.config.common_ngram_min_documents
    doubtful = np.zeros(len(asked.rows), bool)
    doubtful[row[counts + change.arriving >= limit]] = True
    return Doubt(doubtful, doubtful & asked.stage.may_cut())


def _quality(asked: Asked, change: Change) -> Doubt:
    """The prior knows nothing of other documents. A judge grades a sample of them, and what is
    learnt from its grades may change every score of the kinds that are judged."""
    config = asked.stage.config
    if config.judge is None:
        return asked.settled()
    kinds = asked.column("kind")
    judged = pc.or_(pc.is_null(kinds), pc.is_in(kinds, pa.array(config.kinds, pa.string())))
    return _of_verdicts(asked, judged.to_numpy(zero_copy_only=False))


def _tokenize(asked: Asked, change: Change) -> Doubt:
    """A tokenizer that is trained on the corpus would be another one."""
    trained = asked.stage.config.tokenizer == "train"
    nothing = np.zeros(len(asked.rows), bool)
    return Doubt(nothing, nothing | trained)


_RULES: Sequence[tuple[type[Stage[Any]], Rule]] = (
    (ExactDedupe, _exact_dedupe),
    (NearDedupe, _near_dedupe),
    (BoilerplateLines, _repeated_text("lines")),
    (ExactSubstrings, _repeated_text("spans")),
    (Decontaminate, _decontaminate),
    (Quality, _quality),
    (Tokenize, _tokenize),
)
