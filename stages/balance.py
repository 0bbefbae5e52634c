"""Balancing: how often every document is read, so that the corpus has the mixture asked for."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from pipeline.corpus import Corpus, open_view
from pipeline.stage import Artefacts, Batch, Stage, StageConfig, Verdicts, setting
from pipeline.task import Json, Receipt, Task, TaskRun
from stages.mixture import (
    GroupPlan,
    completed_targets,
    effective_tokens,
    plan_epochs,
    plan_mixture,
    target_shares,
)
from stages.sampling import hash_ids, unit_interval

COLUMN_OF = {
    "domain": "domain.domain",
    "kind": "kind.kind",
    "language": "language.language",
    "source": "source",
}
"""What documents can be grouped by: the word in recipes, and the column behind it."""

UNKNOWN = "unknown"
"""The group of documents that an earlier stage gave no label."""

PLAN_FILE = "plan.json"

WEIGHTS = {
    "academic": 4.0,
    "science": 4.0,
    "mathematics": 4.0,
    "technology": 2.0,
    "code": 2.0,
    "education": 2.0,
    "commerce": 0.5,
    "entertainment": 0.5,
    "social": 0.8,
    "boilerplate": 0.2,
}


class BalanceConfig(StageConfig):
    """What mixture is wanted, how many tokens of it, and how often a document may be read."""

    by: tuple[Literal["domain", "kind", "language", "source"], ...] = setting(
        ("domain",),
        about="What documents are grouped by. The groups of two columns are named `first/second`.",
        min_length=1,
    )
    weights: Mapping[str, float] | None = setting(
        None,
        about="Multipliers on the natural shares of groups; groups not named have 1. Without "
        "weights and targets, and with `by: [domain]`, the documented default weights are used.",
        source="directions of Qwen2.5 (arXiv 2412.15115, section 3.1); sizes after WebOrganizer's "
        "multipliers (arXiv 2502.10341), bounded by max_epochs; see docs/balance.md",
    )
    targets: Mapping[str, float] | None = setting(
        None,
        about="Shares of the tokens read, between 0 and 1, instead of weights; groups not named "
        "share the rest in proportion to their tokens.",
    )
    tokens: int | Literal["all"] = setting(
        "all",
        about="Tokens to read in all, repeats included. `all` with weights reads every group as "
        "often as its weight says; with targets it reads as many tokens as there are.",
    )
    max_epochs: float = setting(
        4.0,
        about="How often a document may be read at most.",
        source="Muennighoff et al. 2023, arXiv 2305.16264",
        gt=0,
        le=1000,
    )
    seed: int = setting(0, about="Seed of the choice of documents within a group.", ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.weights is not None and self.targets is not None:
            raise ValueError("give `weights` or `targets`, not both. Remove one of them.")
        if len(set(self.by)) != len(self.by):
            raise ValueError(f"by: names a column twice: {', '.join(self.by)}. Remove one.")
        for name, weight in (self.weights or {}).items():
            if not 0 <= weight < float("inf"):
                raise ValueError(f"weights.{name}: {weight} is not a number of 0 or more.")
        for name, share in (self.targets or {}).items():
            if not 0 <= share <= 1:
                raise ValueError(f"targets.{name}: {share} is no share. Write it as 0 … 1.")
        if sum((self.targets or {}).values()) > 1 + 1e-9:
            raise ValueError(
                f"targets: they add up to {sum((self.targets or {}).values()):g}, more than 1."
                " Lower some of them, or use `weights`."
            )
        if self.tokens != "all" and self.tokens < 1:
            raise ValueError(f"tokens: {self.tokens} is less than 1. Set a number or `all`.")
        return self

    def asked_weights(self) -> dict[str, float]:
        """The multipliers in force: those given, or the documented ones for domains."""
        if self.weights is not None:
            return dict(self.weights)
        return dict(WEIGHTS) if self.by == ("domain",) else {}


class Balance(Stage[BalanceConfig]):
    """See the module."""

    name = "balance"
    version = 1
    Config = BalanceConfig
    summary = "Choose how often each document is read, for a mixture by domain, kind or language."
    document_columns = ("id", "source")
    reads = ("tokenize.n_tokens",)
    may_read = ("domain.domain", "kind.kind", "language.language")
    columns = pa.schema(
        [
            pa.field("group", pa.string()),
            pa.field("repeats", pa.int32()),
            pa.field("weight", pa.float64()),
            pa.field("repeated_tokens", pa.int64()),
        ]
    )
    dimensions = ("group",)
    measures = ("repeated_tokens",)
    needs_corpus = True

    def needs_stages(self) -> tuple[str, ...]:
        """Those that it reads, and those whose annotations it groups by."""
        groups = (COLUMN_OF[word].split(".", 1)[0] for word in self.config.by if word != "source")
        return (*super().needs_stages(), *groups)

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """Counts tokens by group in every part, then makes one plan."""
        by = list(self.config.by)
        columns = [COLUMN_OF[word] for word in by if word != "source"]
        receipts = yield [
            corpus.task(
                "stages.balance:count_part",
                "count",
                {"view": corpus.view(part, [*columns, "tokenize.n_tokens"]), "by": by},
                label=f"token count of {part.documents}",
                work=part.text_bytes,
                documents=part.rows,
            )
            for part in corpus.parts
        ]
        counts: dict[str, list[int]] = {}
        for receipt in receipts:
            for group, documents, tokens in receipt.value:
                have = counts.setdefault(group, [0, 0])
                have[0] += documents
                have[1] += tokens
        (planned,) = yield [
            corpus.task(
                "stages.balance:write_plan",
                "plan",
                {
                    "counts": [[g, *counts[g]] for g in sorted(counts)],
                    "config": self.measured_config(),
                },
                label="plan of the mixture",
            )
        ]
        return Artefacts(
            shared={"plan": planned.path(PLAN_FILE)},
            record=planned.value,
            published={"mixture.json": planned.path(PLAN_FILE)},
        )

    def annotate(self, batch: Batch) -> pa.Table:
        """Group, repeats (how often the document is read) and weight of every document."""
        plan = _read_plan(batch.artefacts["plan"])
        groups = group_column(batch.table, self.config.by)
        encoded = groups.dictionary_encode()
        names = encoded.dictionary.to_pylist()
        index = encoded.indices.to_numpy(zero_copy_only=False)
        epochs = np.array([plan[name]["epochs"] for name in names], np.float64)[index]
        weights = np.array([plan[name]["weight"] for name in names], np.float64)[index]
        chance = unit_interval(hash_ids(batch.table["id"], self.config.seed))
        repeats = repeats_of(epochs, chance)
        tokens = pc.cast(batch.table["tokenize.n_tokens"], pa.int64()).to_numpy()
        return pa.table(
            [groups, pa.array(repeats), pa.array(weights), pa.array(tokens * repeats)],
            schema=self.columns,
        )

    def decide(self, annotations: pa.Table) -> Verdicts:
        """Documents that are read no time are dropped."""
        return Verdicts.drop_where(pc.equal(annotations["repeats"].combine_chunks(), 0), "balance")


def repeats_of(
    epochs: np.ndarray[Any, np.dtype[np.float64]], chance: np.ndarray[Any, np.dtype[np.float64]]
) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Whole repeats (int32) whose mean is ``epochs``: the whole part, and one more where
    ``chance`` (in [0, 1), one a document) is below the fraction.

    A document's repeats never fall when its group's epochs rise, so a small change of the mixture
    moves few documents.
    """
    whole = np.floor(epochs)
    repeats: np.ndarray[Any, np.dtype[np.int32]] = (whole + (chance < epochs - whole)).astype(
        np.int32
    )
    return repeats


def group_column(table: pa.Table, by: tuple[str, ...]) -> pa.Array:
    """The name of every document's group (string), from the columns that ``by`` names."""
    columns = []
    for word in by:
        column = table[COLUMN_OF[word]]
        column = column.cast(pa.string())
        columns.append(pc.fill_null(column, UNKNOWN))
    joined = columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, "/")
    return pa.concat_arrays(joined.chunks) if joined.num_chunks else pa.array([], pa.string())


def count_part(run: TaskRun) -> Json:
    """Documents and tokens of every group in one part, as ``[group, documents, tokens]``."""
    by = tuple(run.arguments["by"])
    view = open_view(run.store, run.arguments["view"], ("source",))
    frame = pl.DataFrame(
        {
            "group": pl.Series(group_column(view.table, by), dtype=pl.String),
            "tokens": pl.from_arrow(view.table["tokenize.n_tokens"].cast(pa.int64())),
        }
    )
    counted = (
        frame.group_by("group")
        .agg(pl.len().cast(pl.Int64).alias("documents"), pl.col("tokens").sum())
        .sort("group")
    )
    return [list(row) for row in counted.rows()]


def write_plan(run: TaskRun) -> Json:
    """Makes the plan from all counts and writes it; returns the manifest's record of it."""
    config = BalanceConfig.model_validate(run.arguments["config"])
    documents = {group: count for group, count, _ in run.arguments["counts"]}
    tokens = {group: count for group, _, count in run.arguments["counts"]}
    plans = make_plan(config, tokens)
    record = describe_plan(config, plans, documents)
    (run.output / PLAN_FILE).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    return record


def make_plan(config: BalanceConfig, tokens: Mapping[str, int]) -> dict[str, GroupPlan]:
    """The plan of a config for the tokens of every group. A corpus without tokens reads nothing."""
    total = sum(tokens.values())
    if total == 0:
        return {name: GroupPlan(0, 0.0, 0.0, 0.0, 0.0, False) for name in sorted(tokens)}
    if config.targets is not None:
        shares = completed_targets(tokens, config.targets)
        budget = total if config.tokens == "all" else config.tokens
        return plan_mixture(tokens, shares, budget, config.max_epochs)
    weights = config.asked_weights()
    if config.tokens == "all":
        return plan_epochs(tokens, weights, config.max_epochs)
    return plan_mixture(tokens, target_shares(tokens, weights), config.tokens, config.max_epochs)


def describe_plan(
    config: BalanceConfig, plans: Mapping[str, GroupPlan], documents: Mapping[str, int]
) -> dict[str, Json]:
    """The plan as JSON: per group and in all; floats rounded to 9 decimals, tokens to whole ones.

    ``annotate`` reads its epochs from here, so the manifest says exactly what was done.
    """
    natural = sum(plan.tokens for plan in plans.values())
    groups: dict[str, Json] = {}
    for name, plan in sorted(plans.items()):
        unique = min(float(plan.tokens), plan.planned_tokens)
        groups[name] = {
            "documents": documents[name],
            "tokens": plan.tokens,
            "natural_share": round(plan.tokens / max(natural, 1), 9),
            "weight": round(plan.weight, 9),
            "target_share": round(plan.target, 9),
            "planned_share": round(plan.share, 9),
            "epochs": round(plan.epochs, 9),
            "capped": plan.capped,
            "planned_tokens": round(plan.planned_tokens),
            "effective_tokens": round(effective_tokens(unique, plan.planned_tokens)),
        }
    named = config.targets if config.targets is not None else config.asked_weights()
    return {
        "by": list(config.by),
        "stated_as": "targets" if config.targets is not None else "weights",
        "asked_tokens": config.tokens,
        "max_epochs": config.max_epochs,
        "groups": groups,
        "absent_groups": sorted(set(named) - set(plans)),
        "tokens": natural,
        "planned_tokens": round(sum(plan.planned_tokens for plan in plans.values())),
        "effective_tokens": sum(group["effective_tokens"] for group in groups.values()),
    }


@lru_cache(maxsize=8)
def _read_plan(path: Path) -> dict[str, dict[str, float]]:
    groups: dict[str, dict[str, float]] = json.loads(path.read_text())["groups"]
    return groups
