"""The panel of the flow: what became of documents and tokens, stage by stage."""

from __future__ import annotations

from manifests.manifest import Manifest
from manifests.report.flow import Flow, flow_of
from tamis.report_page.figures import bars
from tamis.report_page.numbers import count, megabytes, percent
from tamis.report_page.parts import Chart, Figure, Panel
from tamis.report_page.sankey import UNITS, sankey
from tamis.tables import Section


def flow_panel(manifest: Manifest) -> Panel:
    """Documents, bytes and tokens through the stages."""
    flow = flow_of(manifest)
    dropping = [step.stage for step in flow.steps if step.losses]
    quiet = [step.stage for step in flow.steps if not step.losses]
    if not dropping:
        return Panel("flow", "Flow", "No stage drops anything.", tables=[_stages(flow)])
    lead = "From the sources on the left to what is kept on the right. Grey is what a stage drops."
    if quiet:
        lead += f" Stages that drop nothing are left out: {', '.join(quiet)}."
    views = {
        unit.name: sankey(flow, unit)
        for unit in UNITS
        if any(unit.size(step.came) > unit.size(step.kept) for step in flow.steps)
    }
    chart = Chart(
        "flow",
        "Through the stages",
        f"Sankey diagram from {len(flow.sources)} sources through the stages"
        f" {', '.join(dropping)} to what is kept by {flow.dimension}.",
        views,
        _stages(flow),
        narrow=_funnel(flow),
    )
    return Panel("flow", "Flow", lead, [chart], tables=[_reasons(flow)])


def _funnel(flow: Flow) -> Figure:
    """The same flow as bars: a phone has no room for a Sankey diagram."""
    steps = [step for step in flow.steps if step.losses]
    names = ["ingest", *(step.stage for step in steps)]
    kept = [sum(amount.documents for amount in flow.sources.values())]
    dropped = [0]
    for step in steps:
        kept.append(step.kept.documents)
        dropped.append(step.came.documents - step.kept.documents)
    return bars(names, kept, "documents", dropped)


def _stages(flow: Flow) -> Section:
    rows = [
        (
            step.stage,
            count(step.came.documents),
            count(step.kept.documents),
            count(step.came.documents - step.kept.documents),
            percent(step.kept.documents, step.came.documents),
            megabytes(step.came.bytes),
            megabytes(step.kept.bytes),
            count(step.kept.tokens),
        )
        for step in flow.steps
    ]
    headers = ("stage", "in", "kept", "dropped", "kept share", "MB in", "MB kept", "tokens kept")
    return Section("Documents by stage", headers, rows)


def _reasons(flow: Flow) -> Section:
    rows = [
        (
            step.stage,
            loss.reason,
            count(loss.amount.documents),
            percent(loss.amount.documents, step.came.documents),
            megabytes(loss.amount.bytes),
            count(loss.amount.tokens),
        )
        for step in flow.steps
        for loss in step.losses
    ]
    headers = ("stage", "reason", "documents", "of what came", "MB", "tokens")
    return Section("What was dropped, by reason", headers, rows, words=2)
