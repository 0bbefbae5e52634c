"""The stage: statistics of every document, and the rules of its kind with the recipe's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator

from manifests.schema import KEEP
from pipeline.stage import Batch, Stage, StageConfig, Verdicts, setting, threshold
from stages.heuristics.rules import DEFAULT_SETS, PUBLISHED, RULE_SETS, rule_names, rules_of
from stages.heuristics.statistics import STATISTICS, measure
from stages.kind import KINDS

_Column = np.ndarray[Any, np.dtype[np.float64]]


class HeuristicsConfig(StageConfig):
    """Which rules each kind must pass, and with which numbers."""

    c4_terminal_only: bool = setting(
        False,
        about="C4 counts sentences only in lines that end with . ? ! or a quotation mark",
        source="FineWeb (arXiv 2406.17557, section 3.5) leaves C4's rule out, as it alone drops a"
        " third of the tokens",
    )
    marks_are_words: bool = threshold(
        False,
        about="Gopher's least share of words with a letter is taken over words and marks, as"
        " datatrove takes it; a quarter of web pages then fail it",
        source="the paper (arXiv 2112.11446, appendix A1.1) speaks of words",
    )
    rules: dict[str, tuple[str, ...]] = threshold(
        default_factory=lambda: dict(DEFAULT_SETS),
        about="Names of rule sets by kind, in the order in which they are asked. A kind that is"
        " not named keeps its default; an empty list lets everything pass",
    )
    thresholds: dict[str, dict[str, float | None]] = threshold(
        default_factory=dict,
        about="Numbers to use in place of the published ones, by kind and full name of the rule:"
        " {prose: {gopher_quality.few_words: 30}}; null switches a rule off",
    )

    @field_validator("rules")
    @classmethod
    def _known_sets(cls, rules: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        _check_kinds(rules)
        for kind, sets in rules.items():
            unknown = sorted(set(sets) - set(RULE_SETS))
            if unknown:
                raise ValueError(
                    f"{kind}: there is no rule set {', '.join(unknown)}."
                    f" Rule sets: {', '.join(RULE_SETS)}."
                )
        return {kind: tuple(rules.get(kind, DEFAULT_SETS[kind])) for kind in KINDS}

    @field_validator("thresholds")
    @classmethod
    def _known_rules(
        cls, thresholds: dict[str, dict[str, float | None]]
    ) -> dict[str, dict[str, float | None]]:
        _check_kinds(thresholds)
        known = rule_names()
        for kind, numbers in thresholds.items():
            for name in sorted(set(numbers) - known):
                group = name.split(".", 1)[0]
                near = sorted(other for other in known if other.startswith(f"{group}."))
                raise ValueError(
                    f"{kind}: there is no rule {name}. Rules are named <set>.<rule>: "
                    + ", ".join(near or sorted(known))
                    + "."
                )
        return thresholds


def _check_kinds(by_kind: Mapping[str, object]) -> None:
    unknown = sorted(set(by_kind) - set(KINDS))
    if unknown:
        raise ValueError(f"there is no kind {', '.join(unknown)}. Kinds: {', '.join(KINDS)}.")


class Heuristics(Stage[HeuristicsConfig]):
    """Statistics once, rules by kind.

    ``rule_kind`` and ``rule_language`` are what the rules are chosen by: the columns of the stages
    kind and language; without a kind stage every document is prose, and without a language stage
    (null) no rule is set aside for its language. ``failed_rules`` counts the rules of Gopher, C4
    and FineWeb that a document fails at the published numbers, whatever its kind and language: a
    measure of quality for later stages.
    """

    name: ClassVar[str] = "heuristics"
    version: ClassVar[int] = 1
    libraries = ("unicode",)
    Config: ClassVar[type[StageConfig]] = HeuristicsConfig
    summary: ClassVar[str] = "Gopher, C4, FineWeb and StarCoder rules, chosen by kind"
    may_read: ClassVar[tuple[str, ...]] = ("kind.kind", "language.language")
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("rule_kind", pa.string()),
            pa.field("rule_language", pa.string()),
            pa.field("failed_rules", pa.int32()),
            *(pa.field(name, pa.float64()) for name in STATISTICS),
        ]
    )

    def annotate(self, batch: Batch) -> pa.Table:
        """One float64 column a statistic; ``mean_word_length`` is null where words have no ends."""
        table = batch.table
        rows = table.num_rows
        statistics = measure(table["text"], terminal_only=self.config.c4_terminal_only)
        columns = {name: statistics[:, place] for place, name in enumerate(STATISTICS)}
        failed = np.zeros(rows, np.int32)
        for _, rule in rules_of(PUBLISHED):
            failed += _fails(columns[rule.statistic], rule.fails, rule.threshold)
        return pa.table(
            [
                _read(table, "kind.kind", pa.array(["prose"] * rows, pa.string())),
                _read(table, "language.language", pa.nulls(rows, pa.string())),
                pa.array(failed),
                *(pa.array(columns[name], from_pandas=True) for name in STATISTICS),
            ],
            schema=self.columns,
        )

    def decide(self, annotations: pa.Table) -> Verdicts:
        """The first rule that a document fails, in the order of the recipe, is its reason."""
        rows = annotations.num_rows
        reasons: list[str] = [KEEP]
        reason = np.zeros(rows, np.int32)
        score = np.full(rows, np.nan)
        limit = np.full(rows, np.nan)
        kinds = annotations["rule_kind"]
        language = annotations["rule_language"]
        for kind, sets in self.config.rules.items():
            of_kind = _flags(pc.equal(kinds, kind))
            if not of_kind.any():
                continue
            numbers = self.config.thresholds.get(kind, {})
            for name, rule in rules_of(sets):
                number = numbers.get(name, rule.threshold)
                if number is None:
                    continue
                statistic = rule.statistic
                if self.config.marks_are_words and statistic == "alphabetic_words":
                    statistic = "alphabetic_tokens"
                values = annotations[statistic].to_numpy()
                hit = of_kind & (reason == 0) & _fails(values, rule.fails, number)
                if rule.language is not None:
                    hit &= _flags(pc.fill_null(pc.equal(language, rule.language), True))
                if hit.any():
                    reason[hit] = len(reasons)
                    reasons.append(name)
                    score[hit] = values[hit]
                    limit[hit] = number
        verdict = pa.DictionaryArray.from_arrays(pa.array(reason), pa.array(reasons))
        return Verdicts(
            verdict.cast(pa.string()),
            pa.array(score, from_pandas=True),
            pa.array(limit, from_pandas=True),
        )


def _fails(values: _Column, side: str, number: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Strictly on the wrong side; NaN (not measurable) never fails."""
    result: np.ndarray[Any, np.dtype[np.bool_]] = (
        values > number if side == "above" else values < number
    )
    return result


def _flags(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    flags: np.ndarray[Any, np.dtype[np.bool_]] = column.fill_null(False).to_numpy()
    return flags


def _read(table: pa.Table, column: str, otherwise: pa.Array) -> pa.Array | pa.ChunkedArray:
    if column not in table.column_names:
        return otherwise
    return table[column].cast(pa.string())
