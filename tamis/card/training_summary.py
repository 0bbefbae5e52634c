"""What a manifest can say for the public summary of training content that the EU asks for.

The items are those of the template of the European Commission's AI Office (24 July 2025) for
Article 53(1)(d) of Regulation (EU) 2024/1689. Who provides a model fills in the rest: a pipeline
sees files, not contracts.
"""

from __future__ import annotations

from collections.abc import Iterator

from manifests.effects import kept_amount, kept_of
from manifests.manifest import Manifest
from manifests.provenance import Provenance
from tamis.card.metadata import languages_of
from tamis.card.sources import Source
from tamis.tables import Section

HOSTS = 20
"""Hosts that are named, those of most documents."""
_MOST = 8
"""Groups named of one dimension."""
_NOT_KNOWN = "Not known to the pipeline."


def summary_section(
    manifest: Manifest, sources: list[Source], provenance: Provenance | None
) -> Section:
    """The template's items, each with what is known of it."""
    rows = [
        ("1.1, 1.2 Provider and model", _NOT_KNOWN),
        ("1.3 Modality", "Text only."),
        ("1.3 Size", _size(manifest)),
        ("1.3 Types of content", _types(manifest)),
        ("1.3 Latest date of acquisition", _latest(sources)),
        ("1.3 Languages", _languages(manifest)),
        *_sources(sources),
        ("2.3 Domain names", _hosts(provenance)),
        ("3.1 Reservation of rights (opt-outs)", _no_stage("checks opt-outs, robots.txt or TDM")),
        ("3.2 Removal of illegal content", _no_stage("is meant to remove illegal content")),
        ("3.3 Other processing", _processing(manifest)),
    ]
    notes = [
        "Item numbers are those of the template of the AI Office (24 July 2025) for Article"
        " 53(1)(d) of Regulation (EU) 2024/1689."
    ]
    title = "For the public summary of training content (EU AI Act)"
    return Section(title, ("item", "what the manifest says"), rows, notes, words=2)


def _size(manifest: Manifest) -> str:
    kept = kept_amount(manifest.cube)
    if kept.tokens is None:
        return f"{kept.documents:,} documents; tokens were not counted."
    if kept.tokens < 1_000_000_000:
        size = "less than 1 billion tokens"
    elif kept.tokens <= 10_000_000_000_000:
        size = "1 billion to 10 trillion tokens"
    else:
        size = "more than 10 trillion tokens"
    return f"Text: {size} ({kept.tokens:,} with repeats, from {kept.documents:,} documents)."


def _types(manifest: Manifest) -> str:
    named = [name for name in ("kind", "domain") if name in manifest.cube.columns]
    told = [f"By {name}: {_shares(manifest, name)}." for name in named]
    return " ".join(told) or "No stage of the recipe tells kinds or domains."


def _shares(manifest: Manifest, dimension: str) -> str:
    kept = kept_of(manifest.cube, dimension).sort("documents", "group", descending=[True, False])
    total = max(1, int(kept["documents"].sum()))
    shown = [f"{group} {100 * n / total:.1f} %" for group, n, _ in kept.head(_MOST).rows()]
    return ", ".join([*shown, *["…"] * (len(kept) > _MOST)])


def _latest(sources: list[Source]) -> str:
    days = [source.period[1] for source in sources if source.period]
    if not days:
        return "Not known: no document says when it was written or crawled."
    return f"{max(days)}: the latest time, of writing or crawling, that a document states."


def _languages(manifest: Manifest) -> str:
    languages = languages_of(manifest)
    if not languages:
        return "No stage of the recipe tells languages."
    return f"{len(languages)}: {_shares(manifest, 'language')} (by documents, recognised)."


def _sources(sources: list[Source]) -> Iterator[tuple[str, str]]:
    crawled = [source for source in sources if source.crawled]
    made = [source for source in sources if source.synthetic]
    others = [source for source in sources if source not in (*crawled, *made)]
    unknown = "Whether they are public, licensed, private or of users is not known to the pipeline."
    yield (
        "2.1, 2.2, 2.4, 2.6 Datasets and other sources",
        f"{_named(others)} {unknown}" if others else "None.",
    )
    periods = [
        f"{source.name} {source.period[0]} to {source.period[1]}"
        for source in crawled
        if source.period
    ]
    collected = f"Period: {', '.join(periods)}." if periods else "Period of collection: not known."
    crawler = "Name and purpose of the crawler are not known to the pipeline."
    yield (
        "2.3 Crawled and scraped from online sources",
        f"{_named(crawled)} {collected} {crawler}"
        if crawled
        else "No source was read from a web archive; whether others were crawled is not known.",
    )
    yield "2.5 Synthetic data made for this corpus", _named(made) if made else "None."


def _named(sources: list[Source]) -> str:
    return ", ".join(f"{s.name} ({s.kept:,} documents)" for s in sources) + "."


def _hosts(provenance: Provenance | None) -> str:
    if provenance is None:
        return "Not known: the documents are no longer in the workspace."
    hosts = provenance.hosts
    if hosts.is_empty():
        return "No document has a URL."
    named = [f"{host} {documents:,}" for host, documents in hosts.head(HOSTS).rows()]
    return (
        f"{len(hosts):,} hosts in the documents' URLs; those of most documents:"
        f" {', '.join(named)}. The template asks for domains by size, the upper tenth."
    )


def _no_stage(doing: str) -> str:
    return (
        f"No stage of the recipe {doing}. What was done before the files were given is not known."
    )


def _processing(manifest: Manifest) -> str:
    names = ", ".join(stage["name"] for stage in manifest.content["stages"])
    return f"Stages in order: {names}. See the table of processing."
