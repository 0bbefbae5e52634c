"""What a person is shown of a workspace: the summary of a build, a plan, a verification."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from manifests.documents import find_documents
from manifests.manifest import Manifest
from manifests.verify import Verification
from pipeline.build import StepTime
from pipeline.plan import UP_TO_DATE, StagePlan
from tamis.mixture_tables import mixture_sections
from tamis.printable import one_line
from tamis.sizes import Unit, size, unit_for
from tamis.tables import show_sections
from tamis.warnings import warnings_of

_REASONS = 4
"""Reasons shown a stage; the rest are added up."""
_BY_REASON = "dropped by reason"
_CLUSTERS = 3
"""Clusters shown of a deduplication: enough to see a template."""
_EXCERPT = 60
"""Characters shown of a cluster's text."""
_WIDE = 110
"""Columns from which on the table of stages is shown whole."""


def show_build(
    console: Console, manifest: Manifest, steps: Sequence[StepTime], seconds: float
) -> None:
    """The table of stages, the mixture, what stages have to say, and the fingerprint."""
    console.print(_stages_table(manifest, steps, console.width))
    show_sections(console, mixture_sections(manifest, console.width))
    said = (_notes, _largest_clusters, warnings_of)
    for line in (line for say in said for line in say(manifest)):
        console.print(line)
    ran = sum(step.ran for step in steps)
    cached = sum(step.cached for step in steps)
    console.print(
        f"[bold]{escape(manifest.content['name'])}[/]  fingerprint"
        f" [bold]{manifest.fingerprint}[/]  {ran} tasks run, {cached} found done,"
        f" {seconds:.1f} s"
    )


def show_places(console: Console, manifest: Manifest) -> None:
    """Where things lie, and what ingest set aside."""
    root = _near(manifest.workspace)
    for what, place in _places(manifest):
        console.print(f"  {what:<9} {root}/{place}", highlight=False)
    quarantined = sum(sum(counts["quarantined"].values()) for counts in manifest.sources.values())
    if quarantined:
        console.print(f"  quarantine {quarantined:,} damaged records, in:", highlight=False)
        for path in filter(lambda p: "quarantine" in p, manifest.quarantine):
            console.print(f"             {root}/{path}", highlight=False)


def _places(manifest: Manifest) -> list[tuple[str, str]]:
    """What the workspace offers, by the manifest: a name, and the file or folder."""
    published = {name.split("/")[0] + "/" * ("/" in name) for name in manifest.published}
    places = [("manifest", manifest.path.relative_to(manifest.workspace).as_posix())]
    places += [(place.split(".")[0].rstrip("/"), place) for place in sorted(published)]
    places.append(("ledgers", "store/"))
    return [(what, place) for what, place in places if (manifest.workspace / place).exists()]


def _stages_table(manifest: Manifest, steps: Sequence[StepTime], width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="What happened to the documents", title_justify="left")
    # on a narrow terminal the reasons need the room; the rest stands in manifest and run.json
    read = [*manifest.content["ingest"]["sources"].values(), *manifest.synthesis]
    unit = unit_for(sum(counts["record_bytes"] for counts in read))
    sizes = (f"{unit.name} in", f"{unit.name} kept")
    left_out = set() if width >= _WIDE else {*sizes, "seconds"}
    headers = ("stage", "in", "kept", "dropped", *sizes, _BY_REASON, "seconds")
    shown = [index for index, header in enumerate(headers) if header not in left_out]
    for header in (headers[index] for index in shown):
        words = header in ("stage", _BY_REASON)
        table.add_column(header, justify="left" if words else "right", no_wrap=header != _BY_REASON)

    def row(*cells: str) -> None:
        table.add_row(*(cells[index] for index in shown))

    if not left_out and any(step.ran and len(step.stages) > 1 for step in steps):
        table.caption = "″ measured in the same pass as the stage named, which shows the seconds"
        table.caption_justify = "left"
    row(*_source_cells("ingest", manifest.content["ingest"]["sources"].values(), steps, unit))
    for maker in manifest.synthesis:
        row(*_source_cells(maker["name"], [maker], steps, unit))
    for stage in manifest.content["stages"]:
        dropped = {reason: n["documents"] for reason, n in stage["dropped"].items()}
        row(
            stage["name"],
            f"{stage['in']['documents']:,}",
            f"{stage['kept']['documents']:,}",
            f"{sum(dropped.values()):,}" if stage["drops"] else "",
            unit.of(stage["in"]["bytes"]),
            unit.of(stage["kept"]["bytes"]),
            _reasons(dropped) + _cut_bytes(stage.get("cut", {}), bool(dropped)),
            _seconds(stage["name"], steps),
        )
    return table


def _source_cells(
    step: str, sources: Collection[Mapping[str, Any]], steps: Sequence[StepTime], unit: Unit
) -> tuple[str, ...]:
    """Cells of the table of stages for sources that were read, or made."""
    records = sum(counts["records"] for counts in sources)
    documents = sum(counts["documents"] for counts in sources)
    aside: dict[str, int] = {}
    for counts in sources:
        for kind in ("quarantined", "skipped"):
            for reason, count in counts[kind].items():
                name = f"{reason} ({kind})" if kind == "quarantined" else reason
                aside[name] = aside.get(name, 0) + count
    return (
        step,
        f"{records:,}",
        f"{documents:,}",
        f"{records - documents:,}",
        unit.of(sum(counts["record_bytes"] for counts in sources)),
        unit.of(sum(counts["bytes"] for counts in sources)),
        _reasons(aside),
        _seconds(step, steps),
    )


def _seconds(stage: str, steps: Sequence[StepTime]) -> str:
    """Wall seconds of the steps of a stage. Stages that are annotated in one pass over the
    documents cannot be timed apart: the pass counts at the first of them."""
    own = [step for step in steps if stage in step.stages]
    ran = [step for step in own if step.ran]
    if not ran:
        return "[dim]cached" if own else ""
    shown = []
    alone = [step.seconds for step in ran if step.stages[0] == stage]
    if alone:
        shown.append(f"{sum(alone):.1f}")
    with_others = dict.fromkeys(s.stages[0] for s in ran if s.stages[0] != stage)
    shown += [f"[dim]″ with {escape(other)}[/]" for other in with_others]
    return " + ".join(shown)


def _reasons(dropped: dict[str, int]) -> str:
    ordered = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{escape(reason)} {count:,}" for reason, count in ordered[:_REASONS]]
    if len(ordered) > _REASONS:
        rest = sum(count for _, count in ordered[_REASONS:])
        shown.append(f"{len(ordered) - _REASONS} other reasons {rest:,}")
    return ", ".join(shown)


def _cut_bytes(cut: dict[str, dict[str, int]], after: bool) -> str:
    """What a stage cut out of documents that it kept."""
    shown = [
        f"{escape(reason)} {size(counts['bytes'])} in {counts['documents']:,} documents"
        for reason, counts in cut.items()
    ]
    return "; " * (after and bool(shown)) + ("cut: " + ", ".join(shown) if shown else "")


def _notes(manifest: Manifest) -> list[RenderableType]:
    """Plain sentences that stages put on record, and the trainer's result."""
    notes: list[RenderableType] = []
    for maker in manifest.synthesis:
        funnel = maker["record"].get("funnel", [])
        told = " → ".join(f"{name} {count:,}" for name, count in funnel)
        notes.append(Text.assemble((f"{maker['name']}: ", "bold"), told))
    for stage in manifest.content["stages"]:
        if "why" in stage["record"]:
            notes.append(Text.assemble((f"{stage['name']}: ", "bold"), stage["record"]["why"]))
    results = [stage["record"].get("result") for stage in manifest.content["stages"]]
    for result in filter(None, results):
        trained = json.loads((manifest.workspace / result).read_text())
        notes.append(
            Text.assemble(
                ("train: ", "bold"),
                f"held-out loss {trained['before']['loss']:.3f} before,"
                f" {trained['after']['loss']:.3f} after (nats a token)",
            )
        )
    return notes


def _largest_clusters(manifest: Manifest) -> Iterator[RenderableType]:
    """The largest clusters of each deduplication that puts them on record, with the first words of
    the document that stands for each."""
    for stage in manifest.content["stages"]:
        largest = stage["record"].get("largest_clusters", [])[:_CLUSTERS]
        if not largest:
            continue
        try:
            documents = find_documents(manifest, (name for name, _ in largest), 2 * _EXCERPT)
            elsewhere = "in an earlier corpus"
        except FileNotFoundError:  # a workspace of which only the manifest is left
            documents, elsewhere = {}, ""
        yield Text.assemble((f"{stage['name']}: ", "bold"), "largest clusters")
        for name, members in largest:
            line = Text(f"  {members:>9,} documents  ")
            if name in documents:
                one = documents[name]
                line.append(one_line(f"{one.source}: {one.locator}", 40))
                line.append(f"  {one_line(one.text, _EXCERPT)}", "dim")
            else:
                line.append(elsewhere)
            yield line


def show_plan(console: Console, plans: list[StagePlan]) -> None:
    """A line a stage: what would run and why."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("stage")
    table.add_column("what would happen")
    table.add_column("tasks", justify="right")
    table.add_column("why", overflow="fold")
    for stage in plans:
        done = stage.state == UP_TO_DATE
        tasks = f"{stage.missing} of {stage.tasks}" if stage.tasks else ""
        table.add_row(
            stage.stage,
            f"[dim]{stage.state}" if done else f"[bold]{stage.state}",
            "" if done else tasks,
            escape(stage.why),
        )
    console.print(table)
    if all(stage.state == UP_TO_DATE for stage in plans):
        console.print("Everything is up to date.")


def show_verification(console: Console, result: Verification) -> None:
    """Faults, or that there are none."""
    for fault in result.faults:
        console.print(f"[red]✗[/] {escape(fault)}", highlight=False)
    if result.passed:
        console.print(
            f"[green]✓[/] {result.files:,} files, {size(result.bytes)} and"
            f" {result.documents:,} documents: checksums, rows and counts agree."
        )


def _near(path: Path) -> Path:
    try:
        return path.resolve().relative_to(Path.cwd())
    except ValueError:
        return path
