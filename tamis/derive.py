"""A corpus derived from the ledgers of another: the same documents under other thresholds.

Nothing is measured and no text is read. ``decide`` is asked again with the annotations that there
are, stage by stage, and of every document three things are known:

* ``known``: the ledgers hold all that its way needs, and it is still in the corpus;
* ``sure``: a build would keep it so far, whatever the ledgers do not say;
* ``maybe``: a build may keep it so far.

Where all three are the same the result is exact. A document that comes alive again, since a
threshold was loosened, has no annotations of later stages: it is in ``maybe`` from there on. A
stage that looks at the corpus may answer otherwise when other documents come to it: see
``sensitivity.py``.

In memory are about 20 bytes a document, and one part's annotations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from manifests.fates import Codes
from manifests.manifest import Manifest
from manifests.schema import EMPTY_AFTER_CUTS
from pipeline.recipe import Entry
from pipeline.stage import Verdicts
from stages.balance.config import BalanceConfig
from stages.balance.mixture import exact as exact_number
from stages.balance.plan import cap_of
from stages.balance.stage import Balance
from stages.tokenize import Tokenize
from tamis.ledgers import ABSENT, KEPT, Flags, PartLedger, Reasons, part_ledgers
from tamis.rebalance import Rebalanced, rebalance
from tamis.sensitivity import Asked, Change, doubt_of, reshaped_clusters

Rows = np.ndarray[Any, np.dtype[np.int64]]

ALIVE = -1
UNSEEN = -2
"""In ``fate``: a document that comes alive again and of which later stages know nothing."""


@dataclass
class PartState:
    """What is known of every document of a part: see the module. ``seen`` is whether the stage at
    hand has annotations of it, ``stale`` whether its tokens may change, ``fate`` the number of the
    stage that drops it, ``reason`` the code of the verdict."""

    seen: Flags
    known: Flags
    sure: Flags
    maybe: Flags
    stale: Flags
    fate: np.ndarray[Any, np.dtype[np.int16]]
    reason: Codes

    @staticmethod
    def of(rows: int) -> PartState:
        """Everything alive."""
        return PartState(
            seen=np.ones(rows, bool),
            known=np.ones(rows, bool),
            sure=np.ones(rows, bool),
            maybe=np.ones(rows, bool),
            stale=np.zeros(rows, bool),
            fate=np.full(rows, ALIVE, np.int16),
            reason=np.zeros(rows, np.int32),
        )


@dataclass
class StageCount:
    """One stage under the new settings: documents that come, are kept and are dropped (by reason)
    as the ledgers say; ``at_least`` and ``at_most`` a build would keep; ``unseen`` come alive and
    are new to the stage."""

    stage: str
    came: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    at_least: int = 0
    at_most: int = 0
    unseen: int = 0


@dataclass
class Derived:
    """A derived corpus: states by part, counts by stage, and what keeps it from being exact."""

    manifest: Manifest
    entries: Sequence[Entry]
    ledgers: Sequence[PartLedger]
    states: list[PartState]
    reasons: Reasons
    counts: list[StageCount] = field(default_factory=list)
    balanced: Rebalanced | None = None
    doubts: list[str] = field(default_factory=list)
    tokens_exact: bool = True

    @property
    def documents_exact(self) -> bool:
        """Whether a build would keep just these documents."""
        return all(
            bool((state.sure == state.maybe).all() and (state.known == state.sure).all())
            for state in self.states
        )

    @property
    def unseen(self) -> int:
        """Documents that come alive and are not counted, since later stages never saw them."""
        return sum(int((state.fate == UNSEEN).sum()) for state in self.states)


def derive(manifest: Manifest, before: Sequence[Entry], after: Sequence[Entry]) -> Derived:
    """The corpus of the stages ``after``, from the ledgers of a corpus built with ``before``: the
    same stages, which differ in thresholds and in the settings of a balance alone.

    Raises FileNotFoundError when a ledger is no longer in the workspace.
    """
    ledgers = part_ledgers(manifest)
    derived = Derived(
        manifest, after, ledgers, [PartState.of(ledger.rows) for ledger in ledgers], Reasons()
    )
    unsettled: set[str] = set()
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        if not len(new.stage.columns):
            continue
        if isinstance(new.stage, Balance):
            _balance(derived, number, new, unsettled)
        else:
            _stage(derived, number, old, new, unsettled)
    return derived


def _stage(derived: Derived, number: int, old: Entry, new: Entry, unsettled: set[str]) -> None:
    count = StageCount(new.name)
    record = derived.manifest.stage(new.name)["record"]
    change = _change(derived, new, record)
    inherits = unsettled & {c.split(".", 1)[0] for c in (*new.stage.reads, *new.stage.may_read)}
    asks = new.stage.drops and old.stage.decision_config() != new.stage.decision_config()
    doubted = 0
    for ledger, state in zip(derived.ledgers, derived.states, strict=True):
        stored = ledger.verdicts(new.name, derived.reasons)
        count.came += int(state.known.sum())
        count.unseen += _leave_unseen(state, new)
        rows = np.flatnonzero(state.seen & state.maybe)
        asked = Asked(new.stage, new.name, record, ledger, rows)
        doubt = asked.open() if inherits else doubt_of(asked, change)
        if len(rows):
            verdicts, recut, emptied = (
                _decided(ledger, old, new, rows, stored, derived.reasons)
                if asks
                else _as_before(stored[rows])
            )
            doubtful = doubt.verdict & (verdicts != KEPT) if doubt.only_dropped else doubt.verdict
            doubtful = doubtful | emptied | (state.stale[rows] & new.stage.may_cut())
            _apply(state, number, rows, verdicts, doubtful & new.stage.drops)
            state.stale[rows] |= recut | doubt.text
            doubted += int((doubt.verdict | doubt.text).sum())
        state.seen &= stored == KEPT
        _add(count, state, number, derived.reasons)
    if doubted:
        unsettled.add(new.name)
        derived.doubts.append(_told(new, change, doubted, sorted(inherits)))
    if isinstance(new.stage, Tokenize):
        derived.tokens_exact = not any(
            bool((state.stale & state.maybe).any()) for state in derived.states
        )
    count.dropped = dict(sorted(count.dropped.items()))
    derived.counts.append(count)


def _change(derived: Derived, entry: Entry, record: Any) -> Change:
    """How the documents that come to the stage differ from those that it saw."""
    change = Change()
    touched = []
    for ledger, state in zip(derived.ledgers, derived.states, strict=True):
        change.arriving += int((state.maybe & ~state.seen).sum())
        leaving = state.seen & ~state.sure
        change.leaving += int(leaving.sum())
        if entry.stage.needs_corpus and leaving.any():
            rows = np.flatnonzero(state.seen)
            asked = Asked(entry.stage, entry.name, record, ledger, rows)
            touched.append(reshaped_clusters(asked, leaving[rows]))
    if touched:
        change.clusters = pl.concat(touched).unique()
    return change


def _leave_unseen(state: PartState, entry: Entry) -> int:
    """Documents that the stage never saw are no longer known; returns how many were so far."""
    new = state.maybe & ~state.seen
    fresh = new & state.known
    state.known &= ~fresh
    state.fate[fresh] = UNSEEN
    if entry.stage.drops:
        state.sure &= ~new
    return int(fresh.sum())


def _as_before(verdicts: Codes) -> tuple[Codes, Flags, Flags]:
    """What ``_decided`` says where no threshold is another."""
    return verdicts, np.zeros(len(verdicts), bool), np.zeros(len(verdicts), bool)


def _decided(
    ledger: PartLedger, old: Entry, new: Entry, rows: Rows, stored: Codes, reasons: Reasons
) -> tuple[Codes, Flags, Flags]:
    """For the rows: verdicts under the new settings; whether other spans are cut than before; and
    whether only the text can say if anything is left of the document."""
    annotations = ledger.annotations(new.name, new.stage.columns.names).take(pa.array(rows))
    decided = new.stage.decide(annotations)
    verdicts = reasons.codes(decided.verdict)
    if decided.cuts is None or not new.stage.may_cut():
        return _as_before(verdicts)
    kept = verdicts == KEPT
    recut = _differently_cut(old.stage.decide(annotations), decided) & kept
    empty = reasons.code(EMPTY_AFTER_CUTS)
    verdicts[kept & ~recut & (stored[rows] == empty)] = empty
    was_dropped = ~np.isin(stored[rows], (KEPT, empty, ABSENT))
    # of documents that were dropped for another reason, cuts were never weighed
    has_cuts = _cut_lengths(decided) > 0
    return verdicts, recut, kept & (recut | (was_dropped & has_cuts))


def _cut_lengths(verdicts: Verdicts) -> np.ndarray[Any, np.dtype[np.int64]]:
    assert verdicts.cuts is not None
    lengths = pl.Series(pl.from_arrow(verdicts.cuts)).list.len().fill_null(0)
    return lengths.to_numpy().astype(np.int64)


def _differently_cut(before: Verdicts, after: Verdicts) -> Flags:
    if before.cuts is None or after.cuts is None:
        return np.ones(len(after.verdict), bool)
    sizes = _cut_lengths(before)
    differs: Flags = sizes != _cut_lengths(after)
    alike = pa.array(np.flatnonzero(~differs))
    row = np.repeat(np.flatnonzero(~differs), sizes[~differs])
    flat = [cuts.take(alike).flatten() for cuts in (before.cuts, after.cuts)]
    for name in ("start", "end"):
        a, b = (spans.field(name).to_numpy(zero_copy_only=False) for spans in flat)
        differs[row[a != b]] = True
    return differs


def _apply(state: PartState, number: int, rows: Rows, verdicts: Codes, doubtful: Flags) -> None:
    dropped = verdicts != KEPT
    falls = rows[dropped & state.known[rows]]
    state.fate[falls] = number
    state.reason[falls] = verdicts[dropped & state.known[rows]]
    state.known[rows[dropped]] = False
    state.sure[rows[dropped | doubtful]] = False
    state.maybe[rows[dropped & ~doubtful]] = False


def _add(count: StageCount, state: PartState, number: int, reasons: Reasons) -> None:
    count.kept += int(state.known.sum())
    count.at_least += int(state.sure.sum())
    count.at_most += int(state.maybe.sum())
    codes, numbers = np.unique(state.reason[state.fate == number], return_counts=True)
    for code, documents in zip(codes.tolist(), numbers.tolist(), strict=True):
        word = reasons.words[code]
        count.dropped[word] = count.dropped.get(word, 0) + documents


def _balance(derived: Derived, number: int, entry: Entry, unsettled: set[str]) -> None:
    """Runs the balance itself over the ledgers: it reads no texts."""
    count = StageCount(entry.name)
    count.came = sum(int(state.known.sum()) for state in derived.states)
    config = entry.stage.config
    named = {stage for each in config.expressions().values() for stage in each.stages()}
    same_groups = derived.documents_exact and not unsettled & named
    exact = same_groups and derived.tokens_exact
    balanced = rebalance(
        derived.manifest, entry, derived.ledgers, [state.known for state in derived.states]
    )
    certain = _certain_groups(config, balanced) if same_groups else []
    code = derived.reasons.code("balance")
    for ledger, state, chosen in zip(derived.ledgers, derived.states, balanced.chosen, strict=True):
        rows = np.flatnonzero(state.known)
        unread = chosen["repeats"].to_numpy() == 0
        settled = pl.Series(pl.from_arrow(chosen["group"])).is_in(certain).to_numpy()
        doubtful = ~settled if not exact else np.zeros(len(rows), bool)
        if not same_groups:
            state.sure[:] = False
        _apply(state, number, rows, np.where(unread, code, KEPT).astype(np.int32), doubtful)
        state.seen &= ledger.verdicts(entry.name, derived.reasons) == KEPT
        _add(count, state, number, derived.reasons)
    if not exact:
        derived.doubts.append(_told_of_balance(entry, same_groups, certain))
    derived.balanced = balanced
    derived.counts.append(count)


def _certain_groups(config: BalanceConfig, balanced: Rebalanced) -> list[str]:
    """Groups of which it is known, however many tokens their documents have, which are read: all of
    those that weights read at least once, none of those that they do not read."""
    if config.phases or config.rehydration is not None or not config.reads_by_weight():
        return []
    weights = config.asked_weights(config)
    epochs = {
        group: min(exact_number(weights.get(group, 1.0)), cap_of(config, group))
        for group, counted in balanced.record["groups"].items()
        if counted["tokens"]
    }
    return [group for group, number in epochs.items() if number == 0 or number >= 1]


def _told_of_balance(entry: Entry, same_groups: bool, certain: Sequence[str]) -> str:
    """One sentence on a balance that may choose otherwise."""
    if not same_groups:
        return (
            f"{entry.name}: shares out the documents that the ledgers know; with others it would"
            " choose and repeat otherwise"
        )
    told = (
        f"{entry.name}: shares out the tokens that the ledgers know; with other counts it would"
        " choose and repeat otherwise"
    )
    if certain:
        told += ", but for groups of weight 0, and of 1 and more, which it drops or keeps whole"
    return told


def _told(entry: Entry, change: Change, documents: int, inherits: Sequence[str]) -> str:
    """One sentence on a stage whose answers may change."""
    if inherits:
        return f"{entry.name}: reads {', '.join(inherits)}, whose answers may change"
    why = []
    if change.arriving:
        why.append(f"up to {change.arriving:,} documents come that it never saw")
    if change.leaving:
        why.append(f"up to {change.leaving:,} that it saw do not come")
    if isinstance(entry.stage, Tokenize) or not why:
        what = "tokens are counted by the tokenizer that there is; a build would make another"
        if not (isinstance(entry.stage, Tokenize) and entry.stage.config.tokenizer == "train"):
            what = f"other text is left of {documents:,} documents"
        return f"{entry.name}: {what}" + (f" ({', '.join(why)})" if why else "")
    return (
        f"{entry.name}: it looks at the whole corpus, and {' and '.join(why)}; of"
        f" {documents:,} documents it may say otherwise"
    )
