"""What a recipe says about its mixture: groups, shares, repeats, order, phases, presets."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BeforeValidator, model_validator

from pipeline.stage import StageConfig, setting
from stages.balance.expression import Expression, parse

Order = Literal["random", "quality"]

STATEMENTS = ("weights", "targets", "temperature", "unimax")
"""The ways to state a mixture; a recipe uses one of them."""

DEFAULT_PRESET = "default"
"""Weights in force where a recipe groups by domain and states no mixture."""


def _readable(text: str) -> str:
    parse(text)
    return text


def _written(value: Any) -> Any:
    """YAML reads `true` as a truth value; as a condition it is one of the language's words."""
    return str(value).lower() if isinstance(value, bool) else value


ExpressionText = Annotated[str, BeforeValidator(_written), AfterValidator(_readable)]


class MixtureConfig(StageConfig):
    """One mixture: what is asked of every group, how many tokens, how often at most."""

    weights: Mapping[str, float] | None = setting(
        None,
        about="Multipliers on the natural shares of groups; groups not named have 1. Without "
        "any mixture, and with `by: [domain]`, the documented default weights are used.",
        source="see docs/balance.md",
    )
    targets: Mapping[str, float] | None = setting(
        None,
        about="Shares of the tokens read, between 0 and 1, instead of weights; groups not named "
        "share the rest in proportion to their tokens.",
    )
    temperature: float | None = setting(
        None,
        about="Shares in proportion to n^(1/T) for groups of n tokens: 1 is natural, more is more "
        "even. Meant for languages.",
        source="5 in Arivazhagan et al. 2019 (arXiv 1907.05019), 3.3 in XLM-R (arXiv 1911.02116)",
        ge=1,
        le=1000,
    )
    unimax: bool = setting(
        False,
        about="The same share for every group, as far as max_epochs allows. Meant for languages.",
        source="UniMax, Chung et al. 2023, arXiv 2304.09151",
    )
    tokens: int | Literal["all"] = setting(
        "all",
        about="Tokens to read in all, repeats included. `all` with weights reads every group as "
        "often as its weight says; otherwise it reads as many tokens as there are.",
    )
    max_epochs: float = setting(
        4.0,
        about="How often a group may be read at most.",
        source="Muennighoff et al. 2023, arXiv 2305.16264",
        gt=0,
        le=1000,
    )
    caps: Mapping[str, float] = setting(
        {}, about="`max_epochs` of single groups, where it is not the same for all."
    )
    order: Order = setting(
        "random",
        about="Which documents of a group are read when not all are: `random` (by a seeded hash of "
        "the id) or `quality` (the best first).",
    )

    def stated_as(self) -> str | None:
        """The way in which the mixture is stated, or None."""
        return next(iter(self._statements()), None)

    def reads_by_weight(self) -> bool:
        """Whether weights are read as epochs, whatever that adds up to."""
        return self.tokens == "all" and self.stated_as() in (None, "weights")

    def named_groups(self) -> set[str]:
        """The groups that it names."""
        return {*(self.weights or {}), *(self.targets or {}), *self.caps}

    def _statements(self) -> list[str]:
        return [name for name in STATEMENTS if getattr(self, name) not in (None, False)]

    @model_validator(mode="after")
    def _check_mixture(self) -> Self:
        stated = self._statements()
        if len(stated) > 1:
            raise ValueError(
                f"give {' or '.join(f'`{name}`' for name in stated)}, not both. Remove one of them."
            )
        for field in ("weights", "caps"):
            for name, number in (getattr(self, field) or {}).items():
                if not 0 <= number < float("inf"):
                    raise ValueError(f"{field}.{name}: {number} is not a number of 0 or more.")
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


class PhaseConfig(MixtureConfig):
    """One phase of a training. What it does not state (mixture, caps) it takes from the balance."""

    name: str = setting(about="The phase's word, such as `pretraining` or `annealing`.")
    sequence_length: int | None = setting(
        None, about="Tokens of one sequence in this phase; the trainer's own where not given.", ge=2
    )


class RehydrationConfig(StageConfig):
    """How much more a document counts that stands for a cluster of near-duplicates."""

    by: ExpressionText = setting(
        "near_dedupe.cluster_size", about="The size of a document's cluster: a number."
    )
    weights: Mapping[int, float] = setting(
        about="Least size of a cluster to the number of documents that its survivor counts as. "
        "Below the smallest size it is 1.",
        source="FineWeb2 (arXiv 2506.20920) calls this rehydration, and finds the table by the "
        "share of documents that filters drop at each size",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for size, weight in self.weights.items():
            if size < 1 or not 0 <= weight <= 1000:
                raise ValueError(
                    f"weights.{size}: {weight}: sizes start at 1, weights lie between 0 and 1000."
                )
        return self


class BalanceConfig(MixtureConfig):
    """What mixture is wanted, how many tokens of it, and how often a document may be read."""

    preset: str | None = setting(
        None,
        about="A packaged mixture (`qwen2.5`, `coder`): its groups and its weights or targets, "
        "unless they are given here.",
        source="see docs/balance.md",
    )
    by: tuple[ExpressionText, ...] = setting(
        ("domain",),
        about="What documents are grouped by: expressions whose values name the groups, such as "
        "`language` or `band(quality.score, 2.5, 3)`. Groups of two are named `first/second`.",
    )
    groups: Mapping[str, ExpressionText] = setting(
        {},
        about="Instead of `by`: names of groups, each with a condition. A document belongs to the "
        "first whose condition holds, otherwise to `other`.",
    )
    quality: ExpressionText = setting(
        "quality.score", about="What `order: quality` ranks by, higher first: a number."
    )
    rehydration: RehydrationConfig | None = setting(
        None, about="Whether documents count more that stand for many near-duplicates."
    )
    seed: int = setting(0, about="Seed of the choice of documents within a group.", ge=0)
    phases: tuple[PhaseConfig, ...] = setting(
        (),
        about="Phases of the training, in order, each with its own mixture, tokens and sequence "
        "length. Without them there is one.",
    )

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, values: Any) -> Any:
        """The preset's groups and mixture, where the recipe gives none of its own; then the same
        for phases, from the balance. So the config says all that is in force."""
        if not isinstance(values, dict):
            return values
        filled = dict(values)
        if values.get("preset") is not None:
            preset = read_preset(str(values["preset"]))
            if not {"by", "groups"} & values.keys():
                filled |= {key: preset[key] for key in ("by", "groups") if key in preset}
            if not set(STATEMENTS) & values.keys():
                filled |= {key: preset[key] for key in STATEMENTS if key in preset}
        if isinstance(filled.get("phases"), list | tuple):
            filled["phases"] = [_inheriting(phase, filled) for phase in filled["phases"]]
        return filled

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.by)) != len(self.by):
            raise ValueError(f"by: names a column twice: {', '.join(self.by)}. Remove one.")
        if not self.by and not self.groups:
            raise ValueError("give `by` or `groups`: without them there is one group only.")
        if self.groups and "by" in self.model_fields_set and self.by not in (("domain",), ()):
            raise ValueError("give `by` or `groups`, not both. Remove one of them.")
        names = [phase.name for phase in self.phases]
        if len(set(names)) != len(names):
            raise ValueError(f"phases: a name stands twice: {', '.join(names)}. Rename one.")
        return self

    def mixtures(self) -> tuple[MixtureConfig, ...]:
        """The phases; the balance itself where it has none."""
        return self.phases or (self,)

    def asked_weights(self, mixture: MixtureConfig) -> dict[str, float]:
        """The multipliers of a mixture that states nothing else: its own, or for domains the
        documented ones."""
        if mixture.weights is not None:
            return dict(mixture.weights)
        if self.by == ("domain",) and not self.groups:
            return dict(read_preset(DEFAULT_PRESET)["weights"])
        return {}

    def orders(self) -> tuple[Order, ...]:
        """The orders in which some mixture takes documents."""
        return tuple(sorted({mixture.order for mixture in self.mixtures()}))

    def expressions(self) -> dict[tuple[str | int, ...], Expression]:
        """All expressions in force, by their place in the config."""
        found: dict[tuple[str | int, ...], Expression] = {}
        if self.groups:
            found |= {("groups", name): parse(text) for name, text in self.groups.items()}
        else:
            found |= {("by", index): parse(text) for index, text in enumerate(self.by)}
        if "quality" in self.orders():
            found["quality",] = parse(self.quality)
        if self.rehydration is not None:
            found["rehydration", "by"] = parse(self.rehydration.by)
        return found


def _inheriting(phase: Any, balance: Mapping[str, Any]) -> Any:
    """A phase as written, with what it leaves to the balance."""
    if not isinstance(phase, dict):
        return phase
    wanted = {"max_epochs", "caps", "order"} - phase.keys()
    if not set(STATEMENTS) & phase.keys():
        wanted |= set(STATEMENTS)
    return {**phase, **{key: balance[key] for key in sorted(wanted) if key in balance}}


@lru_cache(maxsize=8)
def read_preset(name: str) -> Mapping[str, Any]:
    """A packaged mixture. Raises ValueError when there is none of that name."""
    folder = resources.files("stages.balance") / "presets"
    known = {path.name.removesuffix(".yaml"): path for path in folder.iterdir()}
    if name not in known:
        raise ValueError(f"preset: there is no `{name}`. Known: {', '.join(sorted(known))}.")
    content: Mapping[str, Any] = yaml.safe_load(known[name].read_text(encoding="utf-8"))
    return content
