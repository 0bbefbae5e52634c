"""What the manifest says of a mixture: asked, planned and reached, by group and phase, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from pipeline.task import Json
from stages.balance.config import BalanceConfig, PhaseConfig
from stages.balance.mixture import effective_tokens
from stages.balance.plan import Cell, PhasePlan, cap_of

_SAME = Fraction(1, 1000)
"""Shares that are nearer to each other count as the same in what the record says why about."""


@dataclass
class Reached:
    """What the parts counted of one group."""

    documents: int = 0
    unique_tokens: int = 0
    by_phase: list[int] = field(default_factory=list)
    effective: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens read, repeats included."""
        return sum(self.by_phase)


def sum_reached(counted: Iterable[Sequence[Json]], phases: int) -> dict[str, Reached]:
    """By group, what the rows of all parts add up to. Effective tokens are those of cells, since
    documents of one cell are read equally often."""
    cells: dict[tuple[str, str], list[int]] = {}
    for group, weight, documents, unique, tokens in counted:
        have = cells.setdefault((group, weight), [0] * (2 + phases))
        for index, amount in enumerate((documents, unique, *tokens)):
            have[index] += amount
    reached: dict[str, Reached] = {}
    for (group, _), (documents, unique, *tokens) in sorted(cells.items()):
        total = reached.setdefault(group, Reached(by_phase=[0] * phases))
        total.documents += documents
        total.unique_tokens += unique
        total.by_phase = [a + b for a, b in zip(total.by_phase, tokens, strict=True)]
        total.effective += effective_tokens(unique, sum(tokens))
    return reached


def group_weights(plans: Sequence[PhasePlan]) -> dict[str, float]:
    """By group: asked share over natural share, over all phases by their planned tokens."""
    everything = sum(_total(plan) for plan in plans)
    return {
        group: _rounded(_part(sum(p.weights[group] * _total(p) for p in plans), everything))
        for group in plans[0].targets
    }


def describe(
    config: BalanceConfig,
    plans: Sequence[PhasePlan],
    counts: Mapping[Cell, tuple[int, int]],
    reached: Mapping[str, Reached],
) -> dict[str, Json]:
    """The record: numbers of tokens are whole and exact; shares are rounded to 9 decimals.

    ``counts`` are documents and tokens by cell, ``reached`` what was counted of the choice.
    """
    documents: dict[str, int] = {}
    tokens: dict[str, int] = {}
    for (group, _), (number, amount) in sorted(counts.items()):
        documents[group] = documents.get(group, 0) + number
        tokens[group] = tokens.get(group, 0) + amount
    phases = [_phase(plan, index, tokens, reached) for index, plan in enumerate(plans)]
    groups = _groups(plans, phases, tokens, reached)
    groups = {name: {"documents": documents[name], **group} for name, group in groups.items()}
    named = {name for mixture in config.mixtures() for name in mixture.named_groups()}
    named |= {name for mixture in config.mixtures() for name in config.asked_weights(mixture)}
    return {
        "by": list(config.groups) if config.groups else list(config.by),
        "stated_as": _joined(plan.mixture.stated_as() or "weights" for plan in plans),
        "asked_tokens": config.tokens if not config.phases else None,
        "max_epochs": config.max_epochs,
        "groups": groups,
        "absent_groups": sorted(named - set(tokens)),
        **{
            name: sum(group[name] for group in groups.values())
            for name in ("tokens", "planned_tokens", "reached_tokens", "effective_tokens")
        },
        "phases": phases if config.phases else [],
        **_sentence(groups),
    }


def _groups(
    plans: Sequence[PhasePlan],
    phases: Sequence[Mapping[str, Json]],
    tokens: Mapping[str, int],
    reached: Mapping[str, Reached],
) -> dict[str, dict[str, Json]]:
    """By group, what all phases plan and reach together."""
    natural, read = sum(tokens.values()), sum(one.tokens for one in reached.values())
    planned = {g: sum(phase["groups"][g]["planned_tokens"] for phase in phases) for g in tokens}
    everything = sum(planned.values())
    weights = group_weights(plans)
    groups: dict[str, dict[str, Json]] = {}
    for group, amount in tokens.items():
        of_phases = [phase["groups"][group] for phase in phases]
        target = sum((plan.targets[group] * _total(plan) for plan in plans), start=Fraction(0))
        groups[group] = {
            "tokens": amount,
            "natural_share": _share(amount, natural),
            "weight": weights[group],
            "target_share": _rounded(_part(target, everything)),
            "planned_share": _share(planned[group], everything),
            "reached_share": _share(reached[group].tokens, read),
            "epochs": _share(planned[group], amount),
            "capped": any(phase["capped"] for phase in of_phases),
            "why": _joined(phase["why"] for phase in of_phases),
            "planned_tokens": planned[group],
            "reached_tokens": reached[group].tokens,
            "read_documents": reached[group].documents,
            "unique_tokens": reached[group].unique_tokens,
            "effective_tokens": round(reached[group].effective),
        }
    return groups


def _phase(
    plan: PhasePlan, index: int, tokens: Mapping[str, int], reached: Mapping[str, Reached]
) -> dict[str, Json]:
    amounts = plan.group_amounts()
    planned = sum(amounts.values())
    read = sum(one.by_phase[index] for one in reached.values())
    groups = {}
    for group, amount in amounts.items():
        share = _part(Fraction(amount), planned)
        got = reached[group].by_phase[index]
        groups[group] = {
            "target_share": _rounded(plan.targets[group]),
            "planned_share": _rounded(share),
            "reached_share": _share(got, read),
            "epochs": _share(amount, tokens[group]),
            "capped": _is_capped(plan, group, amount, share),
            "why": _joined(
                [_why(plan, group, amount, share), _too_little(plan, group, amount, got)]
            ),
            "planned_tokens": amount,
            "reached_tokens": got,
        }
    mixture = plan.mixture
    named = (
        {"name": mixture.name, "sequence_length": mixture.sequence_length}
        if isinstance(mixture, PhaseConfig)
        else {}
    )
    return {
        **named,
        "order": mixture.order,
        "asked_tokens": mixture.tokens,
        "planned_tokens": planned,
        "reached_tokens": read,
        "groups": groups,
    }


def _is_capped(plan: PhasePlan, group: str, amount: int, share: Fraction) -> bool:
    """Whether the cap keeps the group from what is asked."""
    if not plan.targets[group] or amount < plan.capacity[group]:
        return False
    if plan.mixture.reads_by_weight():
        return plan.weights[group] > cap_of(plan.mixture, group)
    return share < plan.targets[group] * (1 - _SAME / 1000)


def _why(plan: PhasePlan, group: str, amount: int, share: Fraction) -> str:
    """Why the planned share is not the target; empty where it is."""
    target = plan.targets[group]
    if _is_capped(plan, group, amount, share):
        return f"capped at {float(cap_of(plan.mixture, group)):g} epochs"
    if abs(share - target) < _SAME:
        return ""
    return "takes what capped groups leave" if share > target else "gives way to rounding"


def _too_little(plan: PhasePlan, group: str, amount: int, got: int) -> str:
    """Why nothing is read of a group that was asked for; empty where something is, or where the
    phases before this one left nothing of it."""
    if got or not plan.targets[group] or not plan.capacity[group]:
        return ""
    return f"nothing is read: {amount:,} tokens are less than its first document"


def _sentence(groups: Mapping[str, Mapping[str, Json]]) -> dict[str, str]:
    """One sentence on the groups that a cap keeps from their target, or that were asked for and of
    which nothing is read, if there are any."""
    short = [
        f"{name} {100 * group['reached_share']:.1f} % instead of"
        f" {100 * group['target_share']:.1f} % ({group['why']})"
        for name, group in groups.items()
        if group["capped"] or (group["target_share"] and not group["reached_tokens"])
    ]
    return {"why": "; ".join(short)} if short else {}


def _total(plan: PhasePlan) -> int:
    return sum(plan.amounts.values())


def _part(amount: Fraction | int, total: int) -> Fraction:
    return Fraction(amount) / total if total else Fraction(0)


def _share(amount: int, total: int) -> float:
    return _rounded(_part(amount, total))


def _rounded(number: Fraction) -> float:
    return float(round(number, 9))


def _joined(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(word for word in words if word))
