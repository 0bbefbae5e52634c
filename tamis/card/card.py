"""The dataset card of a corpus: YAML for the Hugging Face Hub, then sections in Markdown."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from manifests.croissant import shard_fields
from manifests.effects import dimensions_of, kept_amount, kept_of, tokens_column
from manifests.manifest import Manifest
from manifests.provenance import Provenance
from manifests.schema import Json
from tamis.card.metadata import front_matter
from tamis.card.sources import Source, sources_of
from tamis.card.training_summary import summary_section
from tamis.mixture_tables import mixture_sections
from tamis.tables import Section, as_markdown

_GROUPS = 15
"""Groups shown of one dimension, those of most documents."""
_WORDS = 8
"""Licences of a source, or reasons of a stage, that are named."""
_WHOLE = 10_000
"""A width at which tables of a mixture leave nothing out."""


def dataset_card(manifest: Manifest, provenance: Provenance | None) -> str:
    """The card. Without the ``provenance`` of the documents it says that licences, times and hosts
    are not known."""
    sources = sources_of(manifest, provenance)
    (title,) = as_markdown(iter([Section(manifest.content["name"])]), level=1).splitlines()[:1]
    sections = _sections(manifest, sources, provenance)
    return f"{front_matter(manifest, sources)}\n{title}\n\n{as_markdown(sections, level=2)}"


def _sections(
    manifest: Manifest, sources: list[Source], provenance: Provenance | None
) -> Iterator[Section]:
    yield _about(manifest)
    if any(name.startswith("shards/") for name in manifest.published):
        notes = ["Arrow IPC streams: datasets.load_dataset, pyarrow and polars open them."]
        columns = [(name, meaning) for name, _, meaning in shard_fields(manifest)]
        yield Section("Columns of the shards", ("column", "meaning"), columns, notes, words=2)
    yield _sources(sources, provenance is not None)
    yield from mixture_sections(manifest, _WHOLE)
    for dimension in dimensions_of(manifest.cube):
        if dimension not in ("source", "group"):
            yield _groups(manifest, dimension)
    yield _processing(manifest)
    yield from _benchmarks(manifest)
    yield from _models(manifest)
    yield summary_section(manifest, sources, provenance)
    yield _not_known(manifest, sources, provenance)


def _about(manifest: Manifest) -> Section:
    content, kept = manifest.content, kept_amount(manifest.cube)
    rows = [("documents", f"{kept.documents:,}")]
    if "n_tokens" in manifest.cube.columns:
        unique = manifest.cube.filter(manifest.cube["dropped_by"].is_null())["n_tokens"].sum()
        rows.append(("tokens", f"{unique:,}"))
    if tokens_column(manifest.cube) == "repeated_tokens":
        rows.append(("tokens with repeats", f"{kept.tokens:,}"))
    if kept.bytes is not None:
        rows.append(("bytes of text", f"{kept.bytes:,}"))
    if "cut" in content:
        rows.append(("bytes cut out of it", f"{content['cut']['bytes']:,}"))
    shards = [file for name, file in manifest.published.items() if name.startswith("shards/")]
    if shards:
        size = sum(shard["bytes"] for shard in shards)
        rows.append(("shards", f"{len(shards):,} files, {size:,} bytes"))
    for stage in content["stages"]:
        if stage["use"] == "tokenize":
            record = stage["record"]
            told = f"{record['origin']}, {record['vocabulary_size']:,} ids, closed by"
            rows.append(("tokenizer", f"{told} {record['eos_token']}"))
    rows += [("fingerprint", manifest.fingerprint), ("made by", f"tamis {content['tamis']}")]
    notes = [content["recipe"]["description"]] if content["recipe"]["description"] else []
    notes.append("This card was written from manifest.json; its numbers are exact.")
    return Section("What it is", ("", ""), rows, notes, words=2)


def _sources(sources: list[Source], read: bool) -> Section:
    rows = [
        (
            source.name,
            source.kind,
            _counts(source.licenses) or "not known",
            " to ".join(source.period) or "not known",
            f"{source.files:,}",
            f"{source.records:,}",
            f"{source.documents:,}",
            f"{source.kept:,}",
            f"{source.tokens:,}",
        )
        for source in sources
    ]
    headers = ("source", "read as", "licences", "time", "files", "records", "documents")
    notes = (
        [
            "Licences and times are those that kept documents state themselves, or the recipe for"
            " them; a number is how many documents do. Nobody checked them."
        ]
        if read
        else ["Licences and times are not known: the documents are no longer in the workspace."]
    )
    return Section("Sources", (*headers, "kept", "tokens"), rows, notes, words=4)


def _counts(counted: Mapping[str | None, int]) -> str:
    """``MIT 33, none stated 12, others 5``: the most frequent first."""
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0] or ""))
    told = [f"{name or 'none stated'} {number:,}" for name, number in ordered[:_WORDS]]
    rest = sum(number for _, number in ordered[_WORDS:])
    return ", ".join([*told, *[f"others {rest:,}"] * bool(rest)])


def _groups(manifest: Manifest, dimension: str) -> Section:
    kept = kept_of(manifest.cube, dimension).sort("documents", "group", descending=[True, False])
    total = max(1, int(kept["documents"].sum()))
    rows = [
        (group, f"{documents:,}", f"{tokens:,}", f"{100 * documents / total:.1f} %")
        for group, documents, tokens in kept.head(_GROUPS).rows()
    ]
    more = len(kept) - _GROUPS
    notes = [f"{more:,} more have fewer documents."] if more > 0 else []
    headers = (dimension, "documents", "tokens", "share of documents")
    return Section(f"Kept, by {dimension}", headers, rows, notes)


def _processing(manifest: Manifest) -> Section:
    rows = [_source_row("ingest", manifest.content["ingest"]["sources"].values())]
    rows += [_source_row(maker["name"], [maker]) for maker in manifest.synthesis]
    for stage in manifest.content["stages"]:
        dropped: dict[str | None, int] = {
            reason: amount["documents"] for reason, amount in stage["dropped"].items()
        }
        cut = sum(amount["bytes"] for amount in stage.get("cut", {}).values())
        told = _counts(dropped) + f" {cut:,} bytes cut" * bool(cut)
        numbers = [f"{stage[side]['documents']:,}" for side in ("in", "kept")]
        rows.append((stage["name"], numbers[0], numbers[1], told.strip()))
    notes = ["The settings of every stage stand in manifest.json."]
    headers = ("stage", "in", "kept", "dropped, by reason")
    return Section("Processing", headers, rows, notes, remarks=True)


def _source_row(name: str, counted: Collection[Mapping[str, Json]]) -> tuple[str, str, str, str]:
    """Records that were read, or samples that were asked for, and what became of them."""
    aside: dict[str | None, int] = {}
    for counts in counted:
        for reason, number in (*counts["quarantined"].items(), *counts["skipped"].items()):
            aside[reason] = aside.get(reason, 0) + number
    came = sum(counts["records"] for counts in counted)
    kept = sum(counts["documents"] for counts in counted)
    return (name, f"{came:,}", f"{kept:,}", _counts(aside))


def _benchmarks(manifest: Manifest) -> Iterator[Section]:
    for stage in manifest.content["stages"]:
        if stage["use"] != "decontaminate":
            continue
        dropped, masked = (
            {why.removeprefix("contaminated."): n["documents"] for why, n in counts.items()}
            for counts in (stage["dropped"], stage.get("cut", {}))
        )
        rows = [
            (name, *(f"{n:,}" for n in (found["items"], dropped.get(name, 0), masked.get(name, 0))))
            for name, found in sorted(stage["record"]["benchmarks"].items())
        ]
        headers = ("benchmark", "items looked for", "documents dropped", "documents masked")
        yield Section(f"Decontamination: {stage['name']}", headers, rows)


def _models(manifest: Manifest) -> Iterator[Section]:
    rows = []
    for stage in manifest.content["stages"]:
        record: Mapping[str, Json] = stage["record"]
        if stage["use"] == "language":
            rows.append((stage["name"], "languages", record["model"]["sha256"], ""))
        if stage["use"] == "quality":
            judge = record.get("judge")
            name = "prior" if judge is None else f"prior; judge {judge['model']}"
            rows.append((stage["name"], name, record["prior"]["sha256"], record["why"]))
    if rows:
        headers = ("stage", "model", "sha256", "how far it is trusted")
        yield Section("Models that documents were sorted by", headers, rows, words=4)


def _not_known(manifest: Manifest, sources: list[Source], provenance: Provenance | None) -> Section:
    unstated = sum(source.licenses.get(None, 0) for source in sources)
    kept = sum(source.kept for source in sources)
    dated = 0 if provenance is None else int(provenance.times["documents"].sum())
    notes = [
        "Who made the texts, and under which terms they may be used beyond the licences stated.",
        "Personal and sensitive information: no stage of the recipe looks for it.",
    ]
    if provenance is not None:
        notes.append(f"The licence of {unstated:,} of {kept:,} documents, which state none.")
        notes.append(f"The time of {kept - dated:,} of {kept:,} documents, which state none.")
    if not any(stage["use"] == "decontaminate" for stage in manifest.content["stages"]):
        notes.append("Contamination with benchmarks: the recipe does not look for it.")
    return Section("What is not known", notes=notes)
