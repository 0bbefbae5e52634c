"""The panels of what the corpus was made from: synthesis, records set aside, cuts, provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from manifests.manifest import Manifest
from manifests.report.aside import set_aside
from manifests.schema import Json
from tamis.printable import one_line
from tamis.report_page.figures import bars
from tamis.report_page.numbers import count, megabytes, score
from tamis.report_page.parts import Chart, Panel
from tamis.tables import Section

_DEPTH = 3
"""Levels of a record that are shown."""
_FACTS = 60
"""Facts of a record that are shown; the manifest has all."""


def synthesis_panels(manifest: Manifest) -> Iterator[Panel]:
    """A funnel for every source that was made: samples asked for, and how far they came."""
    for number, maker in enumerate(manifest.synthesis):
        record = dict(maker["record"])
        told = {"asked for": maker["records"], "documents": maker["documents"]}
        # pairs or a mapping, in the order of the steps
        funnel = list(dict(record.pop("funnel", None) or told).items())
        chart = Chart(
            f"synthesis-{number}",
            "From samples to documents",
            f"Of {count(maker['records'])} samples {count(maker['documents'])} became documents.",
            {"": bars([name for name, _ in funnel], [n for _, n in funnel], "samples")},
            Section("The funnel", ("step", "samples"), [(name, count(n)) for name, n in funnel]),
        )
        lost = {**maker["quarantined"], **maker["skipped"]}
        reasons = sorted(lost.items(), key=lambda item: (-item[1], item[0]))
        facts = list(_facts(record))
        tables = [
            Section("Left out", ("reason", "samples"), [(why, count(n)) for why, n in reasons]),
            Section("On record", ("what", "value"), facts[:_FACTS], words=2),
        ]
        yield Panel(
            f"synthesis-{number}",
            f"Synthesis: {maker['name']}",
            f"Of {count(maker['records'])} samples that were asked for, {count(maker['documents'])}"
            " became documents; they went through all stages like those of every other source.",
            [chart],
            tables=[table for table in tables if table.rows],
        )


def _facts(record: Mapping[str, Json], path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """The leaves of a record with the keys that lead to them; lists are told by their length."""
    for key, value in record.items():
        place = (*path, str(key))
        if isinstance(value, dict) and len(place) < _DEPTH:
            yield from _facts(value, place)
        elif isinstance(value, dict | list):
            yield " ".join(place), f"{len(value)} entries"
        elif isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
            yield " ".join(place), score(value)
        else:
            yield " ".join(place), one_line(str(value), 120)


def cuts_panel(manifest: Manifest) -> Iterator[Panel]:
    """What stages cut out of documents that they kept; nothing where nothing is cut."""
    rows = [
        (stage["name"], reason, count(counts["documents"]), f"{counts['bytes'] / 1e6:,.3f}")
        for stage in manifest.content["stages"]
        for reason, counts in stage.get("cut", {}).items()
    ]
    if not rows:
        return
    whole = manifest.content["cut"]
    lead = (
        f"Out of {count(whole['documents'])} documents that are kept in the end,"
        f" {whole['bytes'] / 1e6:,.3f} MB are cut; no token is made of them."
    )
    headers = ("stage", "reason", "documents", "MB")
    yield Panel(
        "cuts", "Boilerplate cuts", lead, tables=[Section("Cuts by reason", headers, rows, words=2)]
    )


def aside_panel(manifest: Manifest) -> Iterator[Panel]:
    """Records that never became documents; nothing where all did."""
    found = set_aside(manifest)
    if not found:
        return
    rows = [(one.source, one.kind, one.reason, count(one.records)) for one in found]
    examples = {
        one.reason: [
            (one.reason, example.locator, one_line(example.detail, 160), one_line(example.excerpt))
            for example in one.examples
        ]
        for one in found
    }
    shown = [row for own in examples.values() for row in own]
    headers = ("reason", "where", "detail", "how it begins")
    yield Panel(
        "aside",
        "Set aside by ingest",
        "Damaged records are in quarantine; skipped ones held no document.",
        tables=[
            Section("Records by reason", ("source", "kind", "reason", "records"), rows, words=3),
            Section("Examples", headers, shown, words=4),
        ],
    )


def provenance_panel(manifest: Manifest) -> Panel:
    """Inputs and code, as the manifest has them."""
    content = manifest.content
    inputs = [
        (name, count(told["files"]), megabytes(told["bytes"]), told["checksum"])
        for name, told in content["inputs"].items()
    ]
    stages = [
        (
            stage["name"],
            stage["use"],
            str(stage["version"]),
            ", ".join(f"{name} {version}" for name, version in stage["libraries"].items()),
            one_line(_settings(stage["config"]), 400),
        )
        for stage in content["stages"]
    ]
    return Panel(
        "provenance",
        "Made from",
        "Inputs by checksum, stages by version and settings. The same of these give the same bytes"
        " on every machine.",
        tables=[
            Section("Inputs", ("source", "files", "MB", "checksum"), inputs),
            Section(
                "Stages", ("stage", "use", "version", "libraries", "settings"), stages, words=5
            ),
        ],
    )


def _settings(config: Mapping[str, Json]) -> str:
    return ", ".join(f"{key} {_written(value)}" for key, value in config.items())


def _written(value: Json) -> str:
    if isinstance(value, dict):
        return f"({_settings(value)})" if value else "none"
    return "none" if value is None else str(value)
