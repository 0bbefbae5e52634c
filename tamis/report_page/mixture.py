"""The panels of the mixture: what the balance made of it, and the groups by every dimension."""

from __future__ import annotations

from collections.abc import Iterator

from manifests.effects import dimensions_of
from manifests.manifest import Manifest
from manifests.report.groups import groups_of
from manifests.report.mixture import Mixture, Phase, mixtures_of
from tamis.report_page.figures import BEFORE, KEPT, dumbbells
from tamis.report_page.numbers import count, megabytes, percent
from tamis.report_page.parts import Chart, Figure, Panel
from tamis.tables import Section

_SHOWN = 16
"""Groups drawn, those that are read most; the table has all."""


def mixture_panels(manifest: Manifest) -> Iterator[Panel]:
    """A panel a balance; none without."""
    for number, mixture in enumerate(mixtures_of(manifest)):
        lead = (
            f"The stage {mixture.stage} groups by {', '.join(mixture.by) or 'conditions'} and was"
            f" given {mixture.stated_as}. Of {count(mixture.tokens)} tokens,"
            f" {count(mixture.reached_tokens)} are read, repeats included, of"
            f" {count(mixture.planned_tokens)} planned. They are worth"
            f" {count(mixture.effective_tokens)} tokens that are read once (arXiv 2305.16264)."
        )
        views = {
            "logarithmic": _shares(mixture, "log"),
            "linear": _shares(mixture, "linear"),
        }
        chart = Chart(
            f"mixture-{number}",
            "Shares before and after",
            "For every group its share of the tokens before the balance, the target, and the share"
            " that is read.",
            views,
            _groups(mixture),
        )
        tables = [_phase(phase) for phase in mixture.phases]
        yield Panel(f"mixture-{number}", "Mixture", lead, [chart], tables=tables)


def _shares(mixture: Mixture, scale: str) -> Figure:
    shown = list(mixture.groups.items())[:_SHOWN]
    points = [
        (name, [100 * share or None for share in shares], colour, symbol)
        for name, shares, colour, symbol in (
            ("before", [group.natural_share for _, group in shown], BEFORE, "circle-open"),
            ("target", [group.target_share for _, group in shown], "var(--ink)", "line-ns-open"),
            ("read", [group.reached_share for _, group in shown], KEPT, "circle"),
        )
    ]
    log = {"type": "log", "dtick": 1} if scale == "log" else {"rangemode": "tozero"}
    return dumbbells(
        [name for name, _ in shown],
        points,
        f"share of the tokens (%), {scale} scale",
        ".3~g",
        **log,
    )


def _groups(mixture: Mixture) -> Section:
    headers = (
        "group",
        "documents",
        "read",
        "tokens",
        "before",
        "target",
        "planned",
        "reached",
        "epochs",
        "tokens read",
        "effective tokens",
    )
    rows = [
        (
            name,
            count(group.documents),
            count(group.read_documents),
            count(group.tokens),
            *(
                f"{100 * share:.3f} %"
                for share in (
                    group.natural_share,
                    group.target_share,
                    group.planned_share,
                    group.reached_share,
                )
            ),
            f"{group.epochs:.2f}",
            count(group.reached_tokens),
            count(group.effective_tokens),
        )
        for name, group in mixture.groups.items()
    ]
    notes = [f"{name}: {group.why}." for name, group in mixture.groups.items() if group.why]
    return Section("The mixture by group", headers, rows, notes)


def _phase(phase: Phase) -> Section:
    length = f", sequences of {count(phase.sequence_length)}" if phase.sequence_length else ""
    rows = [
        (group, f"{100 * target:.3f} %", f"{100 * reached:.3f} %")
        for group, (target, reached) in phase.shares.items()
    ]
    notes = [
        f"{count(phase.reached_tokens)} tokens read of {count(phase.planned_tokens)} planned,"
        f" in {phase.order} order{length}."
    ]
    return Section(f"Phase {phase.name}", ("group", "target", "reached"), rows, notes)


def groups_panel(manifest: Manifest) -> Panel:
    """A table a dimension: sources, kinds, languages, domains."""
    cube = manifest.cube
    grouped = {
        dimension
        for stage in manifest.content["stages"]
        if stage["use"] == "balance"
        for dimension in stage["dimensions"]
    }
    tables = [
        _dimension(manifest, dimension)
        for dimension in dimensions_of(cube)
        if dimension not in grouped
    ]
    lead = (
        "What came in and what is kept. Under — stand documents that were dropped before the value"
        " was known."
    )
    return Panel("groups", "Sources, languages, domains", lead, tables=tables)


def _dimension(manifest: Manifest, dimension: str) -> Section:
    groups = groups_of(manifest.cube, dimension)
    read = sum(group.tokens_read or group.tokens or 0 for group in groups)
    rows = [
        (
            group.name,
            count(group.documents_in),
            count(group.documents),
            percent(group.documents, group.documents_in),
            megabytes(group.bytes_in),
            megabytes(group.bytes),
            count(group.tokens),
            count(group.tokens_read),
            percent(group.tokens_read or group.tokens or 0, read, 2),
        )
        for group in groups
    ]
    headers = (
        dimension,
        "in",
        "kept",
        "kept share",
        "MB in",
        "MB kept",
        "tokens",
        "tokens read",
        "share of tokens",
    )
    return Section(f"By {dimension}", headers, rows)
