"""One document's way through all stages, shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.text import Text

from manifests.documents import Document, find_documents
from manifests.explain import Story, explain_documents
from manifests.manifest import Manifest
from manifests.parts import documents_path, part_files, part_paths
from manifests.reasons import DroppedGroup
from manifests.schema import KEEP
from tamis.chain import chain_lines
from tamis.printable import one_line
from tamis.tables import Section, show_sections
from tamis.word_diff import differences, show_differences

_CUTS = 20
"""Cuts shown of a document; the rest are added up."""


def show_story(
    console: Console, story: Story, witnesses: Mapping[str, Document] | None = None
) -> None:
    """One document through every stage. ``witnesses`` are documents by id: below a step that
    dropped it for one of them stands how the two texts differ."""
    console.print(f"[bold]{story.id}[/]  {escape(story.source)}: {escape(one_line(story.locator))}")
    if story.url:
        console.print(f"  {escape(one_line(story.url))}", highlight=False)
    excerpt = one_line(story.text[:240])
    console.print(Text(f"  {story.n_bytes:,} bytes: {excerpt}…", style="dim"))
    for line in chain_lines(story.metadata):
        console.print(line)
    for step in story.steps:
        console.print(_step_lines(step))
        witness = (witnesses or {}).get(step.witness or "")
        if witness is not None:
            show_differences(console, story.text, witness.text, indent=6)
    console.print(Text.assemble(("→ ", "bold"), (story.outcome, "bold")))


def _step_lines(step: Any) -> RenderableType:
    verdict = step.verdict or "noted"
    style = "red" if step.verdict not in (None, KEEP) else "green" if step.verdict else "dim"
    line = Text.assemble((f"{step.stage:<18}", "bold"), (verdict, style))
    if step.score is not None and step.threshold is not None:
        sign = ">" if step.score > step.threshold else "<" if step.score < step.threshold else "="
        line.append(f"  {step.score:g} {sign} {step.threshold:g}")
    lines: list[RenderableType] = [line]
    facts = ", ".join(f"{name} {_value(value)}" for name, value in step.annotations.items())
    if facts:
        lines.append(Text(f"    {facts}", style="dim"))
    for name, reference in step.references.items():
        lines.append(Text(f"    {name}: {one_line(reference)}"))
    for match in step.matches:
        facts = ", ".join(
            f"{name} {_value(value)}" for name, value in match.facts.items() if name != "item_text"
        )
        lines.append(Text(f"    characters {match.start}-{match.end}: {facts}"))
        lines.append(Text(f"      document: {one_line(match.text)}", style="yellow"))
        if "item_text" in match.facts:
            lines.append(
                Text(f"      item:     {one_line(str(match.facts['item_text']))}", "yellow")
            )
    for cut in step.cuts[:_CUTS]:
        lines.append(Text(f"    cut bytes {cut.start}-{cut.end}: {cut.reason}"))
        lines.append(Text(f"      document: {one_line(cut.text)}", style="yellow"))
    if len(step.cuts) > _CUTS:
        size = sum(cut.end - cut.start for cut in step.cuts[_CUTS:])
        lines.append(Text(f"    and {len(step.cuts) - _CUTS} more cuts, {size:,} bytes"))
    return Group(*lines)


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else one_line(str(value), 120)


def witnesses_of(manifest: Manifest, stories: Sequence[Story]) -> dict[str, Document]:
    """The kept documents that the stories' documents were dropped for, by id."""
    ids = {step.witness for story in stories for step in story.steps}
    return find_documents(manifest, (name for name in ids if name is not None))


def stories_of_stage(manifest: Manifest, stage: str, count: int) -> list[Story]:
    """The first documents of the corpus with what a stage says of them, dropped ones first. Of
    those that never came to it, the whole way."""
    chosen: list[tuple[bool, str]] = []
    for _, files in part_files(manifest) if count else ():
        paths = part_paths(manifest, files)
        decided = paths.get((stage, "verdicts"))
        if decided is None:
            rows = pl.read_parquet(documents_path(manifest, files), columns=["id"])
            kept = pl.lit(True)
        else:
            rows = pl.read_parquet(decided, columns=["id", "verdict"])
            kept = pl.col("verdict").cast(pl.String).eq_missing(pl.lit(KEEP))
        ids = rows.select(kept.alias("kept"), pl.col("id").bin.encode("hex"))
        chosen = sorted([*chosen, *ids.rows()], key=lambda one: one[0])[:count]
    stories = explain_documents(manifest, [name for _, name in chosen])
    for story in stories:
        story.steps = [step for step in story.steps if step.stage == stage] or story.steps
    return stories


def show_groups(console: Console, reason: str, by: str, groups: Sequence[DroppedGroup]) -> None:
    """How many documents of every group were dropped for a reason."""
    rows = [
        (
            one_line(group.group),
            f"{group.documents_in:,}",
            f"{group.documents_dropped:,}",
            f"{100 * group.documents_dropped / group.documents_in:.1f} %",
        )
        for group in groups
    ]
    title = f"Dropped for {reason}, by {by}"
    show_sections(console, iter([Section(title, (by, "in", "dropped", "of these"), rows)]))


def stories_data(
    stories: Sequence[Story], witnesses: Mapping[str, Document] | None = None
) -> list[dict[str, Any]]:
    """The stories as JSON; steps that name one of ``witnesses`` have ``differences``."""
    data = [asdict(story) for story in stories]
    for story, content in zip(stories, data, strict=True):
        for step, told in zip(story.steps, content["steps"], strict=True):
            witness = (witnesses or {}).get(step.witness or "")
            if witness is not None:
                told["differences"] = asdict(differences(story.text, witness.text))
    return data
