"""The panels with documents to read: dropped ones, clusters of duplicates, benchmark items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from manifests.clusters import Cluster, Member, deduplications, largest_clusters
from manifests.contamination import Contamination, decontaminations
from manifests.documents import Document
from manifests.manifest import Manifest, ManifestError
from manifests.report.samples import DroppedDocument, DroppedSample, dropped_samples
from tamis.contamination_tables import contamination_of
from tamis.printable import one_line, printable
from tamis.report_page.numbers import count, percent, score
from tamis.report_page.parts import Panel
from tamis.sizes import size
from tamis.tables import Section

SEED = 0
"""Of the sample of dropped documents."""
EACH = 10
"""Documents shown of a reason."""
_CLUSTERS = 10
_HITS = 20
_MATCH = 600
"""Characters shown of a match."""


@dataclass(frozen=True)
class Excerpt:
    """A document on the page: what is said of it, where it stands, and how it begins."""

    told: str
    place: str
    id: str
    size: str
    text: str


@dataclass(frozen=True)
class Sampled:
    """A reason with some of its documents. ``name`` is its own on the page."""

    stage: str
    reason: str
    documents: str
    size: str
    excerpts: list[Excerpt]


def dropped_panel(manifest: Manifest) -> Panel:
    """Documents that were dropped, by stage and reason."""
    samples = [_sampled(sample) for sample in dropped_samples(manifest, EACH, SEED)]
    lead = (
        f"Up to {EACH} documents of every reason, chosen by their ids (hashes), with the first"
        " words and the score that was compared. More: tamis explain WORKSPACE --reason REASON"
        " --sample 100."
    )
    return Panel("dropped", "What was dropped", lead, body="dropped.html", content=samples)


def _sampled(sample: DroppedSample) -> Sampled:
    return Sampled(
        sample.stage,
        sample.reason,
        count(sample.documents),
        size(sample.bytes),
        [_excerpt(_compared(one), one.document, one.document.text) for one in sample.sample],
    )


def _excerpt(told: str, one: Document | Member, text: str) -> Excerpt:
    place = one_line(f"{one.source}: {one.locator}", 120)
    return Excerpt(told, place, one.id, size(one.n_bytes), printable(text).strip())


def _compared(one: DroppedDocument) -> str:
    """The comparison that dropped a document, such as 0.31 > 0.2."""
    if one.score is None or one.threshold is None:
        return ""
    sign = ">" if one.score > one.threshold else "<" if one.score < one.threshold else "="
    return f"{score(one.score)} {sign} {score(one.threshold)}"


@dataclass(frozen=True)
class Duplicates:
    """A cluster on the page, with a kept document and one that was dropped for it."""

    title: str
    sources: str
    excerpts: list[Excerpt]


def clusters_panel(manifest: Manifest) -> Iterator[Panel]:
    """The largest clusters of every deduplication that found any."""
    for number, stage in enumerate(deduplications(manifest)):
        clusters = largest_clusters(manifest, stage, _CLUSTERS, 1)
        if not clusters:
            continue
        lead = (
            "The largest clusters, each with a kept document and the dropped one that is least like"
            f" it. More: tamis clusters WORKSPACE --stage {stage} --differences."
        )
        shown = [_duplicates(cluster) for cluster in clusters]
        yield Panel(
            f"clusters-{number}", f"Duplicates: {stage}", lead, body="clusters.html", content=shown
        )


def _duplicates(cluster: Cluster) -> Duplicates:
    excerpts = []
    for member in cluster.members:
        likeness = "" if member.jaccard is None else f", Jaccard {member.jaccard:.4f}"
        told = "kept" if member.witness is None else f"dropped{likeness}"
        excerpts.append(_excerpt(told, member, member.first))
    sources = ", ".join(f"{source} {count(n)}" for source, n in cluster.sources.items())
    title = f"{count(cluster.size)} documents, {count(cluster.kept)} kept"
    if cluster.earlier:
        title += f", {count(cluster.earlier)} in earlier corpora"
    return Duplicates(title, one_line(sources), excerpts)


@dataclass(frozen=True)
class Found:
    """A benchmark item in a document, on the page."""

    title: str
    told: str
    before: str
    text: str
    after: str
    item: str


def contamination_panel(manifest: Manifest) -> Iterator[Panel]:
    """The benchmark items that every decontamination found."""
    for number, stage in enumerate(decontaminations(manifest)):
        name, title = f"contamination-{number}", f"Contamination: {stage}"
        try:
            found = contamination_of(manifest, stage, _HITS)
        except ManifestError as error:
            yield Panel(name, title, str(error).replace(f"{manifest.path}: ", ""))
            continue
        lead = (
            f"{count(found.pairs)} pairs of a document and a benchmark item over the rule. Below"
            f" the table stand the {min(_HITS, found.pairs)} least sure ones."
        )
        yield Panel(
            name,
            title,
            lead,
            tables=[_benchmarks(found)],
            body="contamination.html",
            content=_hits(found),
        )


def _benchmarks(found: Contamination) -> Section:
    rows = [
        (
            row.benchmark,
            count(row.items),
            count(row.items_too_short),
            count(row.items_hit),
            percent(row.items_hit, row.items) if row.items > row.items_too_short else "not known",
            count(row.documents),
            f"{row.bytes / 1e6:,.3f}",
        )
        for row in found.benchmarks
    ]
    headers = ("benchmark", "items", "too short", "items hit", "share", "documents", "MB")
    return Section("Benchmark items in documents", headers, rows)


def _hits(found: Contamination) -> list[Found]:
    return [
        Found(
            f"{hit.benchmark} {hit.item} ({hit.sequence})",
            f"{hit.outcome} · {count(hit.lcs)} of the item's"
            f" {count(hit.item_words)} words in order, ratio {score(hit.ratio)} ·"
            f" {one_line(f'{hit.source}: {hit.locator}', 120)} · {hit.id}",
            one_line(hit.before),
            one_line(hit.text, _MATCH),
            one_line(hit.after),
            one_line(hit.item_text, _MATCH),
        )
        for hit in found.hits
    ]
